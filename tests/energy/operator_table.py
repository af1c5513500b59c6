"""Torch's own operator table beside ours: which operators are neither priced, nor free, nor made of others.

python tests/energy/operator_table.py          # writes operators_without_rule.txt beside this file
"""

import re
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from snnvtg.energy.dispatch import describe

KEPT = Path(__file__).with_name("operators_without_rule.txt")
CALL = re.compile(r"(?:torch|F|functional|aten|linalg|special|fft)\.([a-z][a-z_0-9]+)\(")


def version() -> str:
    """Major and minor: the table differs between them."""
    return ".".join(torch.__version__.split(".")[:2])


def without_rule() -> set[str]:
    """Names of aten operators of this torch that a ledger reports as unpriced; variants with `out=` aside."""
    found = set()
    for name in torch._C._dispatch_get_all_op_names():
        namespace, _, rest = name.partition("::")
        packet, _, overload = rest.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if namespace != "aten" or operator is None or any(argument.is_out for argument in operator._schema.arguments):
            continue
        facts = describe(operator, {})
        if not (facts.known or facts.silent or facts.composite):
            found.add(facts.name)
    return found


def called_in(package: Path) -> set[str]:
    """Names that a package calls as torch's functions."""
    return {name for file in package.rglob("*.py") for name in CALL.findall(file.read_text(errors="ignore"))}


def kept() -> tuple[str, set[str]]:
    """The version that the kept list is of, and its names."""
    head, *names = KEPT.read_text().split()
    return head, set(names)


if __name__ == "__main__":
    KEPT.write_text("\n".join([version(), *sorted(without_rule())]) + "\n")
    print(f"{len(without_rule())} operators without a rule in {KEPT}")
