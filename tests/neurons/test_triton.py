"""The Triton kernels where triton is installed: in its interpreter and its compiler; on a GPU where there is one."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from snnvtg.neurons import available_backends
from snnvtg.neurons.backends.fused import FUSED
from snnvtg.neurons.conformance import Subject, values


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_cuda_tensors_are_refused_with_the_reason():
    assert "torch finds no CUDA device" in available_backends("cuda")["fused"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_kernels_in_the_interpreter_and_the_compiler():
    script = Path(__file__).with_name("triton_checks.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == ["1", "2"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_kernels_on_the_gpu_equal_the_reference():
    assert [r for r in values(Subject(FUSED, "cuda")) if r.outcome != "passed"] == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_launches_do_not_grow_with_t():
    from torch.profiler import ProfilerActivity, profile

    from snnvtg.neurons import lif

    def launches(steps):
        x = torch.randn(steps, 4096, device="cuda", requires_grad=True)
        lif(x, backend="fused")[0].sum().backward()  # compiles
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            lif(x, backend="fused")[0].sum().backward()
        return sum(event.count for event in seen.key_averages())

    assert launches(4) == launches(16)
