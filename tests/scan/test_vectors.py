"""The kernels' own elementary functions, for every kind of vector unit: AVX-512 emulated where there is none."""

import ctypes
import hashlib
from pathlib import Path

import numpy as np
import pytest

from snnvtg import native
from snnvtg.scan import cpu_kernels

HERE = Path(__file__).parent
HEADERS = (f"-I{cpu_kernels.FOLDER}", "-Wno-psabi")
EMULATION = ("-mno-avx", "-D__AVX512F__", "-D__AVX512DQ__", "-D_IMMINTRIN_H_INCLUDED")
UNITS = {
    "this machine's": (),
    "AVX2": ("-mno-avx512f",),
    "SSE": ("-mno-avx",),
    "AVX-512, emulated": (*EMULATION, "-include", str(HERE / "avx512_emulation.hpp")),
}
INFINITY = float("inf")


@pytest.fixture(params=UNITS)
def functions(request, monkeypatch):
    """name -> function of float32 arrays, compiled for one kind of vector unit."""
    if not native.compiler():
        pytest.skip("no C++ compiler")
    cpuinfo = Path("/proc/cpuinfo")
    x86 = cpuinfo.exists() and "avx2" in cpuinfo.read_text()
    if UNITS[request.param] and not x86:
        pytest.skip("the flags are those of x86")
    header = (cpu_kernels.FOLDER / "vectors.hpp").read_text() + (HERE / "avx512_emulation.hpp").read_text()
    key = f"-DCONTENT=0x{hashlib.sha256(header.encode()).hexdigest()[:16]}"
    library = native.load(HERE / "elementary_functions.cpp", (*HEADERS, *UNITS[request.param], key))

    def call(name, x, y=0.0):
        x, y = (np.atleast_1d(a).astype(np.float32) for a in np.broadcast_arrays(x, y))
        size = -(-len(x) // 16) * 16
        x, y = np.resize(x, size), np.resize(y, size)
        to = np.full(size, np.nan, np.float32)
        addresses = [a.ctypes.data_as(ctypes.c_void_p) for a in (x, y, to)]
        getattr(library, name)(*addresses, ctypes.c_int64(size))
        return to

    return call


# 88.72 is the last hundredth whose exponential is a float; the smallest normal one is exp(-87.34)
@pytest.mark.parametrize("x", [-87.0, -20.0, -1e-3, 0.0, 1e-3, 5.0, 88.0])
def test_the_exponential_is_right_over_the_range_of_floats(functions, x):
    np.testing.assert_allclose(functions("natural", x), np.exp(np.float64(np.float32(x))), rtol=1e-5)


def test_the_exponential_of_many_numbers(functions):
    x = np.random.default_rng(0).uniform(-80, 80, 4096)
    y = np.random.default_rng(1).uniform(-1.5, 1.5, 4096)
    x32, y32 = x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)
    for name in ("product", "decay"):
        np.testing.assert_allclose(functions(name, x, y), np.exp2(x32 * y32), rtol=6e-6)


@pytest.mark.parametrize("x", [-1e4, -1e7, -1e20, -1e30, -3e38, -INFINITY])
def test_the_exponential_of_something_very_negative_is_nothing_and_no_nan(functions, x):
    assert (np.abs(functions("natural", x)) <= 2.0**-126).all()


@pytest.mark.parametrize("name", ["product", "decay"])
@pytest.mark.parametrize("step, rate", [(0.5, -INFINITY), (1e30, -1e30), (INFINITY, -1.0), (1e-3, -1e9)])
def test_a_huge_rate_or_step_decays_to_nothing(functions, name, step, rate):
    assert (np.abs(functions(name, step, rate)) <= 2.0**-126).all()


@pytest.mark.parametrize("x", [88.72, 89.0, 1e3, 1e30, INFINITY])
def test_the_exponential_at_the_end_of_the_range_is_huge_and_no_nan(functions, x):
    assert (functions("natural", x) >= 2.0**127).all()


def test_two_to_the_zero_is_exactly_one(functions):
    assert (functions("product", [0.0, 0.0, 3.0, -0.0], [1.0, -1e30, 0.0, -2.0]) == 1).all()


def test_nan_stays_nan(functions):
    assert np.isnan(functions("natural", np.nan)).all()


@pytest.mark.parametrize("size", [1.0, 30.0, 100.0, 1e5, 1e10, 1e30, INFINITY])
def test_gates_and_steps_hold_for_any_input(functions, size):
    assert functions("gate", size)[0] == pytest.approx(1 / (1 + np.exp(-size)), rel=1e-5)
    assert functions("gate", -size)[0] == pytest.approx(np.exp(-size) / (1 + np.exp(-size)), rel=1e-5, abs=2e-38)
    assert functions("step", size)[0] == pytest.approx(np.logaddexp(0, size), rel=1e-5)
    assert functions("step", -size)[0] == pytest.approx(np.log1p(np.exp(-size)), rel=1e-5, abs=2e-38)
    assert functions("slope", size)[0] == pytest.approx(1 / (1 + np.exp(-size)), rel=1e-5)
