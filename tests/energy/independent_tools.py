"""What other counters say of the four networks, beside the ledger, every difference taken apart to the last operation.

    python tests/energy/independent_tools.py                                   # prints the table, ten seconds
    python tests/energy/independent_tools.py --out reports/energy_independent_tools.md

SpikingJelly 2.0 and fvcore are wanted; NeuroBench is run where it is installed. It pins libraries this project does not
want, and none of them is needed for counting:

    pip install --no-deps --target FOLDER neurobench==2.3.0
    PYTHONPATH=FOLDER python tests/energy/independent_tools.py
"""

import argparse
import importlib
import importlib.metadata
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

TOOLS = {"spikingjelly": "spikingjelly", "neurobench": "neurobench", "fvcore": "dense"}
"""package → module of tests/energy/counters"""

HEAD = """# The ledger beside other counters

`PYTHONPATH=FOLDER python tests/energy/independent_tools.py --out reports/energy_independent_tools.md` ({versions};
FOLDER holds NeuroBench without its dependencies, `pip install --no-deps --target FOLDER neurobench==2.3.0`).

Every difference is taken apart to the last operation: its figure = the ledger's + the terms of the last column, which
are worked out from the networks' tensors, and the command fails where they do not add up. NeuroBench's figures are over
the batch (it prints them a sample). The networks are those of `tests/energy/networks.py`; the ledger's own figures are
derived by hand in `tests/energy/test_case_a.py` and `test_networks.py`.

"""


def comparisons(tool: str) -> list:
    """The rows of one tool; ImportError where it is not installed."""
    module = importlib.import_module(f"tests.energy.counters.{TOOLS[tool]}")
    return [row for compare in module.COMPARISONS for row in compare()]


def markdown(rows: list) -> str:
    """The rows as a GitHub table, the differences spelled out."""
    lines = ["| network | quantity | tool | its figure | ledger | difference |", "|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda r: r.network):
        apart = "; ".join(f"{count:+,.0f}: {reason}" for reason, count in row.terms if count) or "none"
        lines.append(
            f"| {row.network} | {row.quantity} | {row.tool} | {row.figure:,.6g} | {row.ledger:,.6g} | {apart} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table; write it where --out says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    out, rows, versions = parser.parse_args().out, [], []
    for tool in TOOLS:
        try:
            rows += comparisons(tool)
            versions.append(f"{tool} {importlib.metadata.version(tool)}")
        except ImportError as error:
            print(f"{tool} left out: {error}")
    text = HEAD.format(versions=", ".join([*versions, f"torch {torch.__version__}"])) + markdown(rows)
    print(text)
    if out:
        out.write_text(text)
    if wrong := [row for row in rows if abs(row.unexplained) > 1e-9]:
        raise SystemExit(f"not explained: {wrong}")


if __name__ == "__main__":
    main()
