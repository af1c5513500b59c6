"""The benchmark's own arithmetic: what it counts, what it compares, and that a rival is measured as itself."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import scan_rivals as rivals
import scan_timing
from scan_timing import Setting
from snnvtg.errors import BackendError
from snnvtg.scan import cpu_kernels, selective_scan

SMALL = Setting(L=7, B=2, D=32, N=16, budget=0.01, threads=torch.get_num_threads())


MEASURE = """
import json
from scan_timing import Setting, measure
print(json.dumps(measure("torch", Setting(L=64, B=8, D=128, N=16, budget=0.01))))
"""


def test_a_measured_backend_has_one_row_a_direction_with_its_error_and_memory():
    # a process of its own: `measure` forks, which one that has used its threads must not
    folder = Path(scan_timing.__file__).parent
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=folder, capture_output=True, text=True, timeout=100)
    rows = json.loads(done.stdout.splitlines()[-1])
    assert [row["direction"] for row in rows] == ["forward", "forward+backward"]
    assert all(0 < row["max_rel_err"] < 1e-5 for row in rows)
    assert all(row["median_ms"] >= row["min_ms"] > 0 for row in rows)
    one = 8 * 64 * 128 * 4 / 1e6
    # y; then y and the gradients of u, delta and z beside it
    assert rows[0]["peak_mb"] > one
    assert rows[1]["peak_mb"] > 4 * one


def test_the_error_is_the_largest_deviation_over_the_largest_entry():
    assert scan_timing._error(torch.tensor([1.0, -4.5]), torch.tensor([2.0, -4.0]).double()) == 1 / 4


@pytest.mark.parametrize("library", [False, True])
@pytest.mark.parametrize("states", [16, 5, 24])
def test_the_floor_evaluates_every_exponential_once_a_pass(library, states):
    rates = -torch.rand(states, 32)
    delta = torch.rand(12, 32)
    if library and platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library is not glibc")
    total = scan_timing.exponentials(library)(delta, rates, 1)
    power = torch.exp if library else torch.exp2
    assert total == pytest.approx(power(delta[:, None] * rates).sum().item(), rel=1e-4)
    floors = scan_timing.exponentials_ms(SMALL, library)
    assert floors["forward+backward"] == 2 * floors["forward"] > 0


def test_without_a_compiler_rows_are_measured_without_a_floor(monkeypatch):
    def no_compiler(*_):
        raise BackendError("exponentials", ["no C++ compiler was found"], "Install one.")

    monkeypatch.setattr(cpu_kernels, "library", no_compiler)
    assert scan_timing._floors(SMALL) == {}


@pytest.mark.parametrize("name", [name for name in rivals.RIVALS if name not in rivals.absent()] or ["none"])
def test_a_rival_computes_the_same_scan(name):
    if name == "none":
        pytest.skip(f"no rival is installed: {rivals.absent()}")
    tensors, _ = scan_timing.inputs(SMALL)
    expected = rivals.expected(name, tensors, "reference")
    torch.testing.assert_close(scan_timing.function(name)(*tensors), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("L", [1, 64, 150])
def test_mamba_2s_form_is_mambas_scan_with_a_rate_and_a_step_for_each_head(L):
    tensors, grad = scan_timing.inputs(Setting(L=L, B=2, D=128, N=4), torch.float64)
    both = [
        (y, *torch.autograd.grad(y, tensors, grad))
        for y in (rivals.RIVALS["mamba2-form"]()(*tensors), rivals.expected("mamba2-form", tensors, "reference"))
    ]
    torch.testing.assert_close(*both)
    assert not torch.allclose(both[0][0], selective_scan(*tensors, backend="reference"))


def test_an_absent_rival_is_reported_with_the_reason(monkeypatch):
    def missing():
        raise ImportError("No module named\n 'mambapy'")

    monkeypatch.setitem(rivals.RIVALS, "mambapy", missing)
    assert rivals.absent()["mambapy"] == "No module named 'mambapy'"
