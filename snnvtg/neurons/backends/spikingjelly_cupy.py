"""`spikingjelly-cupy`: the CuPy kernels of SpikingJelly 0.0.0.0.14, set so that they equal Eq. 4.

Version 2.0.0 removed those kernels (and the `backend=` argument with them) for its own Triton and CUDA ones, so this
adapter speaks to 0.0.0.0.14 alone, and `spikingjelly` to 2.x alone; one environment holds one of them. Mind the
licence of 0.0.0.0.14: it has a clause on commercial use.

tau = 1 / (1 - beta), decay_input=False, v_reset=0 as for 2.x. Its kernels round `x - v / tau + v` where the
reference rounds `beta v + x`, and the compiler may fuse the product, hence the band.
"""

import threading
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

from snnvtg.errors import BackendError
from snnvtg.neurons.backends import spikingjelly
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import LIFParameters

SUPPORTED = "0.0.0.0.14"
# the surrogates whose derivative 0.0.0.0.14 can write as CUDA text in this project's convention of alpha
KERNEL_SURROGATES = {"atan": "ATan", "sigmoid": "Sigmoid"}
REMEDY = (
    f"Make an environment with: pip install --no-deps spikingjelly=={SUPPORTED} && pip install cupy-cuda13x "
    "(or the one for your CUDA), and use it on a CUDA device; or use backend 'fused'."
)


def _missing(device: str) -> list[str]:
    reasons, found = [], spikingjelly.version()
    if found is None:
        reasons.append("spikingjelly is not installed")
    elif found != SUPPORTED:
        why = (
            "removed the CuPy kernels"
            if int(found.split(".")[0]) >= 2
            else "is not the version these settings hold for"
        )
        reasons.append(f"spikingjelly {found} is installed, which {why}; {SUPPORTED} has them")
    if find_spec("cupy") is None:
        reasons.append("cupy is not installed")
    if device != "cuda":
        reasons.append(f"its kernels run on CUDA tensors only, not on {device}")
    elif not torch.cuda.is_available():
        reasons.append("torch finds no CUDA device")
    return reasons


def _refuses(neuron: Neuron) -> list[str]:
    reasons = spikingjelly.refuses(neuron)
    if neuron.parameters.learn_beta and not neuron.per_channel:
        reasons.append("the kernel of its learned leak adds up the gradient in no fixed order")
    if neuron.parameters.surrogate not in KERNEL_SURROGATES:
        reasons.append(f"it has no CUDA text for surrogate {neuron.parameters.surrogate!r}")
    return reasons


def node(parameters: LIFParameters, backend: str = "cupy"):
    """SpikingJelly's LIFNode that equals `parameters`; `backend` "torch" runs its plain loop with the same settings.

    One per thread: it holds the state of the call it is in.
    """
    return _node(parameters, backend, threading.get_ident())


@lru_cache(maxsize=64)
def _node(parameters: LIFParameters, backend: str, thread: int):
    from spikingjelly.activation_based import neuron, surrogate

    p = parameters
    made = neuron.LIFNode(
        tau=1 / (1 - p.beta),
        decay_input=False,
        v_threshold=float(p.v_threshold),
        v_reset=None if p.soft else 0.0,
        surrogate_function=getattr(surrogate, KERNEL_SURROGATES[p.surrogate])(alpha=p.surrogate_alpha),
        detach_reset=p.detach_reset,
        step_mode="m",
        backend=backend,
    )
    # in eval mode it leaves its kernels for a TorchScript loop
    return made.train()


def run_with(backend: str, neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Run SpikingJelly's node on its `backend`, "cupy" or "torch"."""
    driven = spikingjelly.with_initial_state(inputs)
    state = torch.zeros(driven.shape[1:], dtype=inputs.beta.dtype, device=driven.device)
    if driven.numel() == 0:
        return inputs.delivered(driven.to(inputs.current.dtype)), state
    if backend == "cupy" and (driven.numel() >= 2**31 or inputs.beta.dtype != torch.float32):
        reason = f"its kernels take float32 and fewer than 2^31 values, got {inputs.beta.dtype} and {driven.numel()}"
        raise BackendError("spikingjelly-cupy", [reason], REMEDY)
    layer = node(neuron.parameters, backend)
    try:
        # its kernels index memory as if it were contiguous
        spikes = layer(driven.to(inputs.beta.dtype).contiguous())
        v = inputs.beta * layer.v
    finally:
        layer.reset()
    return inputs.delivered(spikingjelly.nan_is_heard(spikes, v).to(inputs.current.dtype)), v


SPIKINGJELLY_CUPY = Backend(
    "spikingjelly-cupy",
    missing=_missing,
    refuses=_refuses,
    run=lambda neuron, inputs: run_with("cupy", neuron, inputs),
    remedy=REMEDY,
    band=8,
    transforms=False,
)
