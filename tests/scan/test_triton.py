"""The Triton kernels where triton is installed: in its interpreter and its compiler; on a GPU see test_external.py."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from snnvtg.scan import available_backends


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_triton_is_refused_with_the_reason():
    assert "torch finds no CUDA device" in available_backends("cuda")["triton"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_kernels_in_the_interpreter_and_the_compiler():
    script = Path(__file__).with_name("triton_checks.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[0] for line in done.stdout.splitlines()] == ["2", "1"]
