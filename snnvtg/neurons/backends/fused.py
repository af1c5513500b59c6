"""`fused`: one pass over memory forward, one backward, all T steps inside; registered as two torch operators.

`torch.compile`, autocast and operator counters see `snnvtg::lif_forward` and `snnvtg::lif_backward`, never a loop. On
the CPU they run lif.cpp, on CUDA the Triton kernels of fused_triton.py. The backward keeps the inputs of the forward
and nothing else. The gradient is analytic and once differentiable.
"""

import torch
from torch import Tensor

from snnvtg.errors import BackendError
from snnvtg.neurons.backends import fused_cpu, fused_triton
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.backends.fused_operator import lif_forward
from snnvtg.neurons.backends.fused_transforms import Eager, Transformed
from snnvtg.neurons.lif import LIFParameters
from snnvtg.neurons.surrogate import SURROGATES


def _constants(p: LIFParameters) -> tuple:
    number = SURROGATES[p.surrogate].number
    return float(p.v_reset), p.soft, p.detach_reset, number, float(p.surrogate_alpha), p.truncate or 0


def arguments(neuron: Neuron, inputs: Inputs) -> tuple:
    """Arguments of the operator `snnvtg::lif_forward`."""
    tensors = (inputs.current, inputs.v, inputs.beta, inputs.v_threshold, inputs.scale, inputs.shift)
    return (*tensors, inputs.num_timesteps or 0, inputs.mean, *_constants(neuron.parameters), inputs.trace)


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, ...]:
    call = arguments(neuron, inputs)
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        results = lif_forward(*call)
    elif torch._C._are_functorch_transforms_active():
        results = Transformed.apply(*call)
    else:
        results = Eager.apply(*call)
    return results if inputs.trace else results[:2]


@torch.compiler.assume_constant_result
def _missing(device: str) -> list[str]:
    if device == "cuda":
        return fused_triton.missing()
    if device != "cpu":
        return [f"it has kernels for CPU and CUDA, not for {device}"]
    try:
        fused_cpu.library()
    except BackendError as error:
        return list(error.reasons)
    return []


def _refuses(neuron: Neuron) -> list[str]:
    reasons = list(neuron.beyond_one_state)
    if SURROGATES[neuron.parameters.surrogate].number is None:
        reasons.append(f"its kernels do not know the surrogate {neuron.parameters.surrogate!r}, which is your own")
    return reasons


FUSED = Backend(
    "fused",
    missing=_missing,
    refuses=_refuses,
    run=_run,
    examples=lambda neuron, inputs: [(lif_forward, arguments(neuron, inputs))],
    remedy="Install g++ or set CXX (CPU), or triton (CUDA); or ask for 'torch', which needs neither.",
)
