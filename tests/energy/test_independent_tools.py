"""Other counters on the four networks: their figures, and the ledger's plus what separates them.

The whole table, and how to install NeuroBench beside the project: tests/energy/independent_tools.py.
"""

import pytest

from tests.energy import independent_tools


def compared(tool: str) -> dict[tuple[str, str, str], float]:
    """{(network, quantity, tool): figure}, after each difference has been accounted for."""
    rows = independent_tools.comparisons(tool)
    for row in rows:
        assert row.unexplained == pytest.approx(0, abs=1e-9), row
    return {(row.network, row.quantity, row.tool): row.figure for row in rows}


def test_spikingjelly():
    pytest.importorskip("spikingjelly.activation_based.op_counter")
    found = compared("spikingjelly")
    quantity, tool = "synaptic operations", "SpikingJelly SynOpCounter"
    assert found["case A", quantity, tool] == 137
    assert found["case A, X × 0.5", "MACs", "SpikingJelly"] == 192
    assert found["case A, X × 0.5", "synaptic operations", "SpikingJelly"] == 18
    # by hand in test_networks.py; one-hot tokens pass for spikes: 36 more
    assert found["attention, scores first", quantity, tool] == 12 + 12 + 36
    assert found["attention, values first", quantity, tool] == 5 + 12 + 36
    # the same accesses in the memory-aware model
    assert found["case A", "potentials read and written", "SpikingJelly, Lemaire"] == 2 * (137 + 32 + 24)


def test_neurobench():
    pytest.importorskip("neurobench", reason="NeuroBench is not installed; tests/energy/independent_tools.py says how")
    found = compared("neurobench")
    assert found["case A", "synops, zero weights skipped", "NeuroBench"] == 2 * 58.5
    assert found["case A", "dense operations", "NeuroBench"] == 288
    assert found["case A", "neuron updates", "NeuroBench"] == 2 * 27
    assert found["case A", "activation sparsity", "NeuroBench"] == pytest.approx(0.607143, abs=1e-6)
    assert found["case A", "connection sparsity, 4 digits", "NeuroBench"] == 0.1389


def test_fvcore_and_torch():
    found = compared("fvcore")
    assert found["case A", "dense MACs", "fvcore"] == 288
    assert found["case A", "operations, two a MAC", "torch FlopCounterMode"] == 576
    assert found["convolution", "dense MACs", "fvcore"] == 2 * 6 * 3 * 3 * 2 * 3 * 3
    assert found["attention, scores first", "dense MACs", "fvcore"] == 4 * 48 + 2 * 36


def test_the_table_names_every_tool_that_ran(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["independent_tools.py", "--out", str(tmp_path / "table.md")])
    monkeypatch.setattr(independent_tools, "TOOLS", {"fvcore": "dense", "nosuchtool": "nosuchtool"})
    independent_tools.main()
    assert "nosuchtool left out" in capsys.readouterr().out
    assert "| case A | dense MACs | fvcore | 288 | 288 | none |" in (tmp_path / "table.md").read_text()
