"""Choosing a backend: by name it runs or says why not; only `auto` chooses, and announces it."""

import logging
import warnings

import pytest
import torch
from torch import nn

from snnvtg import backends, native
from snnvtg.errors import BackendError, InputError
from snnvtg.leaf_ops import observe
from snnvtg.neurons import LIF, LIFParameters, available_backends, lif, set_backend
from snnvtg.neurons.backends import fused_cpu


@pytest.fixture
def no_compiler(monkeypatch):
    """A machine without a C++ compiler, where nothing has been announced yet."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget():
    native.forget()
    fused_cpu.library.cache_clear()
    backends.forget()


def test_refusal_lists_every_reason_and_the_remedy():
    wanted = LIFParameters(v_reset=0.5, detach_reset=False)
    with pytest.raises(BackendError) as caught:
        LIF(wanted, backend="snntorch")
    assert len(caught.value.reasons) == 2
    assert "detach_reset=False" in str(caught.value) and "v_reset=0.5" in str(caught.value)
    assert "'fused'" in caught.value.remedy and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "parameters, told",
    [
        (LIFParameters(v_reset=0.5), "leaks towards v_reset"),
        (LIFParameters(beta=0.0), "strictly between 0 and 1"),
        (LIFParameters(learn_threshold=True), "cannot be learned"),
    ],
)
def test_spikingjelly_refuses_what_it_would_do_differently(parameters, told):
    with pytest.raises(BackendError, match=told):
        lif(torch.ones(2, 3), parameters, backend="spikingjelly")


def test_a_learned_value_given_in_the_call_counts_as_learned():
    with pytest.raises(BackendError, match="one number, not one per channel"):
        lif(torch.ones(2, 3), beta=torch.full((3,), 0.5), backend="spikingjelly")


def test_unknown_backend_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no lif_backend 'cuda'; known: auto, reference, fused"):
        LIF(backend="cuda")


def test_set_backend_changes_all_or_none():
    model = nn.Sequential(LIF(backend="torch"), LIF(LIFParameters(v_reset=0.5), backend="torch"))
    set_backend(model, "reference")
    assert [layer.backend for layer in model] == ["reference", "reference"]
    with pytest.raises(BackendError):
        set_backend(model, "snntorch")
    assert [layer.backend for layer in model] == ["reference", "reference"]


def test_auto_takes_the_fused_kernel_and_logs_it_once(caplog):
    backends.forget()
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = LIF()
        layer(torch.ones(2, 3))
    assert layer.active_backend == "fused"
    assert [r.message for r in caplog.records] == ["LIF backend auto: fused on cpu"]


def test_without_a_compiler_auto_warns_and_answers_the_same(no_compiler):
    x = torch.randn(4, 5)
    expected = lif(x, backend="reference")
    with pytest.warns(UserWarning, match=r"'torch' on cpu, because fused: no C\+\+ compiler was found"):
        answer = LIF()(x)
    assert LIF().active_backend == "torch"
    assert torch.equal(answer, expected[0])


def test_without_a_compiler_fused_by_name_is_refused_with_the_remedy(no_compiler):
    with pytest.raises(BackendError, match=r"no C\+\+ compiler was found.*Install g\+\+"):
        LIF(backend="fused")
    assert available_backends()["fused"] == ["no C++ compiler was found"]


@pytest.mark.parametrize("backend", [name for name, reasons in available_backends().items() if reasons is None])
def test_an_observer_sees_the_same_call_whichever_backend_runs(backend):
    seen = []

    def observer(name, function, args, kwargs):
        seen.append((name, args, set(kwargs), kwargs["num_timesteps"]))
        return function(*args, **kwargs)

    layer = LIF(backend=backend)
    with observe(observer):
        layer(torch.ones(3), num_timesteps=4)
    keywords = {"current", "parameters", "num_timesteps", "v", "beta", "v_threshold", "scale", "shift"}
    assert seen == [("lif", (), keywords | {"reduction", "backend"}, 4)]
