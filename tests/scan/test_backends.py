"""Choosing a backend: by name or an error with reasons; wrong input in one clear line."""

import logging

import pytest
import torch

from snnvtg import backends, native
from snnvtg.errors import BackendError, InputError
from snnvtg.scan import (
    available_backends,
    bidirectional_selective_scan,
    causal_conv1d,
    cpu_kernels,
    numba_scan,
    selective_scan,
)
from tests.scan.cases import direction


@pytest.fixture
def inputs():
    x = direction(torch.Generator().manual_seed(0), 2, 5, 4, 3, dtype=torch.float32, initial=False)
    return x.u, x.delta, x.A, x.B, x.C


@pytest.fixture
def no_compiler(monkeypatch):
    """A machine without a C++ compiler, where nothing has been tried yet."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


@pytest.fixture
def no_numba(monkeypatch, no_compiler):
    monkeypatch.setattr(numba_scan, "find_spec", lambda name: None)


def _forget():
    native.forget()
    cpu_kernels.library.cache_clear()
    backends.forget()


def test_every_backend_is_listed_with_its_reasons_on_each_device():
    here = available_backends("cpu")
    assert list(here) == ["reference", "cpu", "numba", "torch", "triton", "mamba-ssm"]
    assert here["reference"] is None
    assert any("cuda tensors" in reason for reason in here["mamba-ssm"])
    assert any("cpu tensors" in reason for reason in available_backends("cuda")["cpu"])


def test_an_unknown_backend_is_named_with_the_known_ones(inputs):
    with pytest.raises(InputError, match=r"no selective_scan_backend 'cuda'.*reference, cpu, numba, torch"):
        selective_scan(*inputs, backend="cuda")
    with pytest.raises(InputError, match="no causal_conv1d_backend"):
        causal_conv1d(inputs[0], torch.ones(4, 4), backend="cuda")


def test_a_backend_that_cannot_run_says_every_reason_and_the_remedy(inputs):
    with pytest.raises(BackendError) as caught:
        selective_scan(*inputs, backend="mamba-ssm")
    assert any("cuda tensors" in reason for reason in caught.value.reasons)
    assert "pip install" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_with_neither_compiler_nor_numba_both_say_so_and_auto_takes_torch_with_a_warning(no_numba, inputs):
    with pytest.raises(BackendError, match=r"no C\+\+ compiler was found.*apt-get install g\+\+"):
        selective_scan(*inputs, backend="cpu")
    with pytest.raises(BackendError, match=r"numba is not installed.*pip install numba"):
        selective_scan(*inputs, backend="numba")
    with pytest.warns(UserWarning, match=r"auto: 'torch' on cpu, because cpu: no C\+\+ compiler.*numba: numba is not"):
        y = selective_scan(*inputs)
    torch.testing.assert_close(y, selective_scan(*inputs, backend="reference"))
    with pytest.warns(UserWarning, match="causal_conv1d backend auto: 'torch'"):
        causal_conv1d(inputs[0], torch.ones(4, 4))


@pytest.mark.skipif(available_backends("cpu")["numba"] is not None, reason="numba is not installed")
def test_without_a_compiler_auto_takes_numba_where_it_is_installed(no_compiler, inputs):
    with pytest.warns(UserWarning, match=r"auto: 'numba' on cpu, because cpu: no C\+\+ compiler"):
        y = selective_scan(*inputs)
    torch.testing.assert_close(y, selective_scan(*inputs, backend="reference"))


def test_a_numba_that_does_not_import_is_explained(monkeypatch):
    def broken():
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(numba_scan, "find_spec", lambda name: "there")
    monkeypatch.setattr(numba_scan, "kernels", broken)
    assert numba_scan.missing("cpu") == ["numba does not import (ImportError: Numba needs NumPy 2.3 or less)"]
    assert len(numba_scan.missing("cuda")) == 2


def test_a_kernel_that_does_not_compile_is_explained_and_tried_once(monkeypatch, no_compiler, inputs, tmp_path):
    attempts = []

    def failing(path, source, target, flags, openmp):
        attempts.append(source)
        raise BackendError(source.stem, [f"{source.name} does not compile (error: no such option)"], "Command: g++")

    monkeypatch.setenv("SNNVTG_CACHE", str(tmp_path))
    monkeypatch.setattr(native, "compiler", lambda: "/bin/true")
    monkeypatch.setattr(native, "_compile", failing)
    for _ in range(2):
        with pytest.raises(BackendError, match="does not compile"):
            selective_scan(*inputs, backend="cpu")
    assert len(attempts) == 1


def test_auto_announces_its_choice_once(inputs, caplog):
    backends.forget()
    with caplog.at_level(logging.INFO, logger="snnvtg"):
        selective_scan(*inputs)
        selective_scan(*inputs)
    assert [r.getMessage() for r in caplog.records] == ["selective_scan backend auto: cpu on cpu"]


def test_wrong_shapes_types_and_masks_are_named(inputs):
    u, delta, A, B, C = inputs
    with pytest.raises(InputError, match=r"B: expected shape \(2, 5, 3\), got \(2, 4, 3\)"):
        selective_scan(u, delta, A, B[:, 1:], C)
    with pytest.raises(InputError, match=r"u: expected \(B, L, D\)"):
        selective_scan(u[0], delta, A, B, C)
    with pytest.raises(InputError, match=r"A: expected shape"):
        selective_scan(u, delta, A[:2], B, C)
    with pytest.raises(InputError, match=r"A: expected \(D, N\)"):
        selective_scan(u, delta, A[0], B, C)
    with pytest.raises(InputError, match="valid_mask: expected bool"):
        selective_scan(u, delta, A, B, C, valid_mask=torch.ones(2, 5))
    with pytest.raises(InputError, match="delta: expected a floating-point tensor"):
        selective_scan(u, delta.long(), A, B, C)
    with pytest.raises(InputError, match=r"z: expected shape"):
        x = direction(torch.Generator(), 2, 5, 4, 3, dtype=torch.float32, initial=False)
        bidirectional_selective_scan(x, x, z=u[:1])
    with pytest.raises(InputError, match=r"weight: expected \(4, K\)"):
        causal_conv1d(u, torch.ones(3, 4))
    with pytest.raises(InputError, match=r"bias: expected \(4,\)"):
        causal_conv1d(u, torch.ones(4, 4), torch.ones(3))
    with pytest.raises(InputError, match="activation"):
        causal_conv1d(u, torch.ones(4, 4), activation="relu")


def test_a_convolution_wider_than_the_kernel_allows_goes_to_torch(inputs):
    with pytest.raises(BackendError, match="width is at most 16, this one is 17"):
        causal_conv1d(inputs[0], torch.ones(4, 17), backend="cpu")
    backends.forget()
    with pytest.warns(UserWarning, match="at most 16"):
        causal_conv1d(inputs[0], torch.ones(4, 17))
