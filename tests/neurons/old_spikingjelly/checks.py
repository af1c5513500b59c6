"""Run inside the environment with SpikingJelly 0.0.0.0.14 (see make_environment.py): does the adapter speak to it?

1. The two SpikingJelly adapters say which version each wants.
2. The node the CuPy adapter builds equals the reference: the conformance suite on SpikingJelly's torch loop.
3. The CUDA text SpikingJelly would hand to CuPy equals the reference, compiled as C++ and run on the host.
4. nvcc compiles that text for sm_90, where there is an nvcc. CuPy itself and the GPU are not exercised here.
"""

import ctypes
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from spikingjelly.activation_based.auto_cuda import neuron_kernel

from snnvtg.neurons import LIFParameters, available_backends, lif_reference
from snnvtg.neurons.backends import spikingjelly, spikingjelly_cupy
from snnvtg.neurons.conformance import Subject, values

ON_THE_HOST = """
#include <cmath>
#define __global__
using std::exp;
static struct { int x; } blockIdx, blockDim = {1}, threadIdx;
extern "C" void neuron_number(int i) { blockIdx.x = i; }
"""
KINDS = [
    LIFParameters(beta=beta, reset=reset, detach_reset=detach, surrogate=surrogate)
    for beta in (0.5, 0.8)
    for reset in ("hard", "soft")
    for detach in (True, False)
    for surrogate in spikingjelly_cupy.KERNEL_SURROGATES
]


def kernels(parameters: LIFParameters):
    """SpikingJelly's forward and backward kernel objects for a neuron, as its LIFNode makes them."""
    layer = spikingjelly_cupy.node(parameters, "torch")  # the one for CuPy cannot be made without it
    shared = {"hard_reset": not parameters.soft, "dtype": "float", "decay_input": False}
    forward = neuron_kernel.LIFNodeFPTTKernel(**shared)
    own = {"surrogate_function": layer.surrogate_function.cuda_codes, "detach_reset": parameters.detach_reset}
    return forward, neuron_kernel.LIFNodeBPTTKernel(**own, **shared)


def on_the_host(kernel, folder: Path):
    """The kernel's CUDA text compiled as C++: a function of a dictionary of tensors and numbers."""
    text = kernel.full_codes
    source, library = folder / "kernel.cpp", folder / f"{kernel.kernel_name}{abs(hash(text))}.so"
    source.write_text(ON_THE_HOST + text.replace("#include <cuda_fp16.h>", ""))
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))

    def run(values: dict, neurons: int) -> None:
        pointers = []
        for name in kernel.cparams:
            value = values[name]
            if isinstance(value, torch.Tensor):
                pointers.append(ctypes.c_void_p(value.data_ptr()))
            else:
                pointers.append(ctypes.byref((ctypes.c_int if isinstance(value, int) else ctypes.c_float)(value)))
        for i in range(neurons):
            loaded.neuron_number(i)
            getattr(loaded, kernel.kernel_name)(*pointers)

    return run


def check_versions() -> None:
    assert spikingjelly.version() == spikingjelly_cupy.SUPPORTED, spikingjelly.version()
    reasons = available_backends()
    assert "0.0.0.0.14 is installed; this adapter speaks to 2.x" in reasons["spikingjelly"][0]
    told = " ".join(available_backends("cuda")["spikingjelly-cupy"] or [])
    assert "is installed, which" not in told, told
    print("1 versions: each adapter knows its own")


def check_settings() -> None:
    backend = replace(
        spikingjelly_cupy.SPIKINGJELLY_CUPY,
        missing=lambda device: [],
        run=lambda neuron, inputs: spikingjelly_cupy.run_with("torch", neuron, inputs),
    )
    results = list(values(Subject(backend)))
    failed = [r for r in results if r.outcome == "failed"]
    assert not failed, failed
    passed = sum(r.outcome == "passed" for r in results)
    assert passed, "nothing ran"
    print(f"2 settings on its torch loop: {passed} passed, {len(results) - passed} refused, 0 failed")


def check_kernel_text(folder: Path) -> None:
    steps, neurons = 6, 257
    for p in KINDS:
        x = torch.randn(steps, neurons, requires_grad=True)
        spikes, state = lif_reference(x, p)
        w, w_state = torch.randn(steps, neurons), torch.randn(neurons)
        ((spikes * w).sum() + (state * w_state).sum()).backward()

        forward, backward = (on_the_host(kernel, folder) for kernel in kernels(p))
        h, s, v, gx, gv = (torch.zeros(n, neurons) for n in (steps, steps, steps + 1, steps, 1))
        shared = {"N": neurons, "numel": x.numel(), "v_th": p.v_threshold, "v_reset": 0.0, "decay": 1 - p.beta}
        forward({**shared, "x_seq": x.detach(), "h_seq": h, "spike_seq": s, "v_v_seq": v}, neurons)
        assert torch.equal(s, spikes.detach()), p
        torch.testing.assert_close(p.beta * v[-1], state.detach())
        # the gradient of our state H = beta V enters at the last V
        grad_v = torch.cat([torch.zeros(steps - 1, neurons), p.beta * w_state[None]])
        grads = {"grad_spike_seq": w, "grad_v_seq": grad_v, "grad_x_seq": gx, "grad_v_init": gv}
        backward({**shared, **grads, "h_seq": h}, neurons)
        torch.testing.assert_close(gx, x.grad, rtol=1e-5, atol=1e-5)
    print(f"3 kernel text on the host: {len(KINDS)} kinds of neuron, spikes equal, gradients to 1e-5")


def check_nvcc(folder: Path) -> None:
    if shutil.which("nvcc") is None:
        print("4 nvcc: not found, kernels not compiled for a GPU")
        return
    texts = {kernel.full_codes for p in KINDS for kernel in kernels(p)}
    for text in texts:
        (folder / "kernel.cu").write_text(text)
        command = [
            "nvcc",
            "-arch=sm_90",
            "-cubin",
            "-diag-suppress=177",
            folder / "kernel.cu",
            "-o",
            folder / "kernel.cubin",
        ]
        subprocess.run(command, check=True)
    print(f"4 nvcc: {len(texts)} kernels compile for sm_90")


if __name__ == "__main__":
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        check_versions()
        check_settings()
        check_kernel_text(Path(name))
        check_nvcc(Path(name))
    sys.exit(0)
