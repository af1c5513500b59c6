"""Wall time of a sweep on one, two and three nodes of a real Slurm on this machine, from submission to the last row.

    python tests/cluster/slurm_scaling.py        # as root; ten minutes on two idle cores

Each node takes one model at a time, in one thread. Writes reports/cluster_scaling.md, .csv and .json.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/cluster"), str(ROOT / "experiments/benchmarks")]

import tyro  # noqa: E402
from slurm_here import SlurmHere, install  # noqa: E402
from slurm_rehearsal import CLUSTER, Rehearsal  # noqa: E402

from measuring import Company  # noqa: E402
from snnvtg.energy.report_format import to_markdown  # noqa: E402
from snnvtg.reporting import provenance, write_csv, write_json, write_text  # noqa: E402

SWEEP = [
    *(str(ROOT / "experiments/timestep_sweep.py"), "--timesteps", "1", "2", "4", "--seeds", "0", "1"),
    *("--set", "training.epochs=2", "--set", "data.synthetic.num_train=200"),
]
MODELS = 12


@dataclass(frozen=True)
class Options:
    """Measure how a sweep scales over nodes."""

    out: Path = ROOT / "reports/cluster_scaling.md"
    nodes: tuple[int, ...] = (1, 2, 3)


def main(options: Options) -> None:
    """The same sweep on each number of nodes, and a report."""
    install()
    with tempfile.TemporaryDirectory(prefix="scaling-") as place:
        rehearsal = Rehearsal(Path(place), SWEEP)
        with SlurmHere(Path(place) / "slurm", max(options.nodes)) as cluster:
            rehearsal.environment |= {"SLURM_CONF": str(cluster.configuration)}
            version = cluster.ask("sinfo", "--version").strip()
            table = pd.DataFrame([measured(rehearsal, cluster, nodes) for nodes in options.nodes])
    table["speed_up"] = table["wall_s"].iloc[0] / table["wall_s"]
    write(table, options.out, version)


def measured(rehearsal: Rehearsal, cluster: SlurmHere, nodes: int) -> dict[str, float]:
    """Wall time of the sweep with one model at a time on each of so many nodes."""
    limits = rehearsal.folder / "few.yaml"
    limits.write_text(CLUSTER.replace("parallel: 24", f"parallel: {nodes}"))
    name, company, began = f"nodes{nodes}", Company(), time.monotonic()
    rehearsal.run(name, "--executor", "slurm", "--cluster", limits.name)
    submitted = time.monotonic() - began
    cluster.wait_for(lambda: rehearsal.rows(name) == MODELS, 3600)
    wall = time.monotonic() - began
    rehearsal.log(f"{MODELS} models at {nodes} nodes: {wall:.0f} s")
    cluster.wait_for(lambda: not cluster.jobs(), 120)
    return {"nodes": nodes, "models": MODELS, "submitting_s": submitted, "wall_s": wall, "busy": company.share()}


def write(table: pd.DataFrame, out: Path, version: str) -> None:
    """The table, what made it, and the same to be read."""
    about = provenance(slurm=version, cores=os.cpu_count())
    write_csv(table, out.with_suffix(".csv"))
    write_json(about, out.with_suffix(".json"))
    words = [
        "# A sweep on one, two and three nodes",
        f"`{about['command']}`, commit {about['commit']}, {version}, {about['device']}.",
        f"{MODELS} models on synthetic data, each a job of one thread; wall time from submission to the last row. All "
        f"nodes are daemons on one machine and share its {os.cpu_count()} cores, so beyond {os.cpu_count()} nodes "
        "there is nothing to win here. `busy`: share of all cores in use meanwhile, by whomever.",
        to_markdown(table),
    ]
    write_text("\n\n".join(words) + "\n", out)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
