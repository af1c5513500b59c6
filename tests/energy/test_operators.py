"""The table of operators is one: each operation in one family, and no other place decides what an operation is."""

import ast
from itertools import chain
from pathlib import Path

from snnvtg.energy import operators
from snnvtg.energy.operators import OPERATORS, PRICED, UNPRICED, table

READERS = ("dispatch", "provenance", "recording", "ledger")
FACTS = {"rules.free", "rules.elementwise", "rules.linear", "rules.attention", "rules.matrices", "rules.recurrent"}


def test_an_operation_is_in_one_family():
    names = [*chain.from_iterable(PRICED.values()), *chain.from_iterable(UNPRICED.values())]
    assert len(names) == len(set(names))
    assert {name for name, entry in OPERATORS.items() if entry.family} == set(names)


def test_what_is_priced_has_a_rule_and_what_is_free_has_none():
    for name, entry in OPERATORS.items():
        assert bool(entry.rule) == (entry.family in PRICED), name
        assert entry.free == (entry.family in UNPRICED), name


def test_a_products_facts_stand_on_one_line():
    (line,) = [line for line in table().splitlines() if line.startswith("addmm ")]
    assert line.split()[1:4] == ["linear", "yes", "ends"] and "product" in line and "reads_spikes" in line


def test_nobody_looks_past_the_table():
    folder = Path(operators.__file__).parent
    for reader in READERS:
        tree = ast.parse((folder / f"{reader}.py").read_text())
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert not modules & {f"snnvtg.energy.{name}" for name in FACTS}, reader
