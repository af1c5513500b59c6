"""The benchmark measures what it says."""

import importlib.util
from pathlib import Path

import pytest
import torch

from lif_profile import profile_fused
from lif_timing import DIRECTIONS, Setting, kept_bytes, measure, runnable
from snnvtg.errors import InputError

SCRIPT = Path(__file__).parents[3] / "experiments" / "benchmarks" / "lif.py"
COLUMNS = "backend,device,dtype,T,B,L,C,direction,median_ms,floor_ms,ratio_to_fused,peak_mb".split(",")
TINY = Setting((3, 2, 5, 16), repeats=3)


@pytest.fixture
def experiment(monkeypatch):
    """The experiment with shapes that take no time."""
    spec = importlib.util.spec_from_file_location("lif", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "lif", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LIF_SHAPES", ((2, 16, 3, 256), (3, 2, 3, 8)))
    monkeypatch.setattr(module, "LONGER", ())
    # a process that has used its threads, as this one may have, cannot be forked to measure memory
    monkeypatch.setattr(module, "peak_mb", lambda backend, setting, direction: 1.0)
    return module


def test_rows_hold_the_floor_and_the_ratio():
    rows = list(measure(("fused", "reference"), TINY))
    assert [(r["backend"], r["direction"]) for r in rows] == [
        (backend, direction) for direction in DIRECTIONS for backend in ("fused", "reference")
    ]
    values = 3 * 2 * 5 * 16
    assert [r["bytes_mb"] * 1e6 for r in rows] == pytest.approx([8 * values] * 2 + [24 * values] * 2)
    for row in rows:
        assert row["floor_ms"] == pytest.approx(row["bytes_mb"] / row["copy_gb_per_s"])
    assert [r["ratio_to_fused"] for r in rows if r["backend"] == "fused"] == [1, 1]


def test_kept_bytes_of_the_fused_backend_are_its_input_and_two_scalars():
    assert kept_bytes("fused", TINY) == 3 * 2 * 5 * 16 * 4 + 8


def test_parts_of_a_call_add_up():
    parts = profile_fused(TINY)
    inner = ("forward kernel", "backward kernel", "calling")
    assert sum(parts[name] for name in inner) == pytest.approx(parts["total"])
    assert all(value > 0 for value in parts.values())


def test_command_writes_table_figure_and_provenance(experiment, tmp_path, capsys):
    threads = torch.get_num_threads()
    try:
        experiment.main(experiment.Options(backends=("reference",), repeats=3, out=tmp_path / "t.csv"))
    finally:
        torch.set_num_threads(threads)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].split(",")[: len(COLUMNS)] == COLUMNS
    assert len(lines) == 1 + 2 * 2 * len(DIRECTIONS)
    assert (tmp_path / "t.png").stat().st_size > 10_000
    assert '"cpu_share_of_other_processes"' in (tmp_path / "t.json").read_text()
    assert "fused_over_floor_worst" in capsys.readouterr().out


def test_backends_that_cannot_run_are_named_with_their_reasons(experiment):
    with pytest.raises(InputError, match=r"nope cannot run on cpu.*there is no such backend"):
        experiment.main(experiment.Options(backends=("nope",)))
    with pytest.raises(InputError, match="CUDA tensors only"):
        experiment.main(experiment.Options(backends=("spikingjelly-cupy",)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_the_cuda_benchmark_says_so(experiment):
    assert "fused" not in runnable("cuda")[0]
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        experiment.main(experiment.Options(device="cuda"))
