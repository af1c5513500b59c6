"""The CuPy adapter: what it says here, and (slow) what it does in an environment of its own."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from snnvtg.backends import forget
from snnvtg.errors import BackendError
from snnvtg.neurons import LIF, LIFParameters, available_backends
from snnvtg.neurons.backends import spikingjelly
from snnvtg.neurons.backends.base import Neuron
from snnvtg.neurons.backends.spikingjelly_cupy import SPIKINGJELLY_CUPY
from snnvtg.neurons.conformance import Subject, values

SCRIPT = Path(__file__).parent / "old_spikingjelly" / "make_environment.py"


def test_on_a_cpu_tensor_it_says_that_its_kernels_are_for_cuda():
    assert "its kernels run on CUDA tensors only, not on cpu" in available_backends()["spikingjelly-cupy"]


@pytest.mark.parametrize(
    "version, told",
    [
        ("2.0.0", "spikingjelly 2.0.0 is installed, which removed the CuPy kernels; 0.0.0.0.14 has them"),
        ("0.0.0.0.12", "which is not the version these settings hold for"),
        (None, "spikingjelly is not installed"),
    ],
)
def test_other_versions_are_refused_with_the_reason(monkeypatch, version, told):
    monkeypatch.setattr(spikingjelly, "version", lambda: version)
    forget()
    with pytest.raises(BackendError) as caught:
        LIF(backend="spikingjelly-cupy")
    forget()
    assert told in caught.value.reasons[0]
    assert "spikingjelly==0.0.0.0.14" in caught.value.remedy


@pytest.mark.parametrize(
    "parameters, told",
    [
        (LIFParameters(learn_beta=True), "no fixed order"),
        (LIFParameters(surrogate="erf"), "no CUDA text for surrogate 'erf'"),
        (LIFParameters(v_reset=0.1), "leaks towards v_reset"),
    ],
)
def test_neurons_it_cannot_be_exactly_are_refused(parameters, told):
    assert told in " ".join(SPIKINGJELLY_CUPY.refuses(Neuron(parameters)))


def test_the_environment_is_made_for_the_version_the_adapter_supports():
    assert runpy.run_path(str(SCRIPT))["VERSION"] in SPIKINGJELLY_CUPY.remedy


@pytest.mark.slow
def test_adapter_in_its_own_environment():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == ["1", "2", "3", "4"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cupy_kernels_on_the_gpu():
    reasons = available_backends("cuda")["spikingjelly-cupy"]
    if reasons:
        pytest.skip("; ".join(reasons))
    assert [r for r in values(Subject(SPIKINGJELLY_CUPY, "cuda")) if r.outcome == "failed"] == []
