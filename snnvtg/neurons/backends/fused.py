"""`fused`: one pass over memory forward, one backward, all T steps inside; registered as two torch operators.

`torch.compile`, autocast and operator counters see `snnvtg::lif_forward` and `snnvtg::lif_backward`, never a loop. On
the CPU they run lif.cpp, on CUDA the Triton kernels of fused_triton.py. The backward keeps the inputs of the forward
and nothing else. The gradient is analytic and once differentiable.
"""

import torch
from torch import Tensor

from snnvtg.errors import BackendError
from snnvtg.neurons.backends import fused_cpu, fused_transforms, fused_triton
from snnvtg.neurons.backends.base import Backend, Inputs, Neuron
from snnvtg.neurons.lif import LIFParameters, state_dtype
from snnvtg.neurons.surrogate import SURROGATES

KERNELS = {"cpu": fused_cpu.run, "cuda": fused_triton.run}


def _layout(current: Tensor, steps: int, repeat: bool) -> tuple[torch.Size, int, int]:
    """Shape of the state, neurons in it, and channels of its last axis."""
    state = current.shape if repeat else current.shape[1:]
    return state, state.numel(), state[-1] if state else 1


def _settings(current, beta, v_threshold, steps, repeat, mean, v_reset, soft, detach, surrogate, alpha) -> dict:
    _, neurons, channels = _layout(current, steps, repeat)
    return {
        "steps": steps,
        "neurons": neurons,
        "channels": channels,
        "reset_to": v_reset,
        "alpha": alpha,
        "dtype": fused_cpu.DTYPES[current.dtype],
        "repeat": repeat,
        "mean": mean,
        "soft": soft,
        "detach": detach,
        "surrogate": surrogate,
        "beta_per_channel": beta.numel() > 1,
        "threshold_per_channel": v_threshold.numel() > 1,
    }


def _forward(
    current: Tensor,
    v: Tensor | None,
    beta: Tensor,
    v_threshold: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    steps: int,
    repeat: bool,
    mean: bool,
    v_reset: float,
    soft: bool,
    detach: bool,
    surrogate: int,
    alpha: float,
) -> tuple[Tensor, Tensor]:
    """(spikes or mean, final state) for `current`; see lif.cpp for what the arguments mean."""
    out, state_out = _forward_outputs(current, steps, repeat, mean)
    tensors = {"current": current, "state": v, "beta": beta, "threshold": v_threshold, "scale": scale, "shift": shift}
    tensors = {name: None if t is None else t.contiguous() for name, t in tensors.items()}
    settings = _settings(current, beta, v_threshold, steps, repeat, mean, v_reset, soft, detach, surrogate, alpha)
    KERNELS[current.device.type]("forward", {**tensors, "out": out, "state_out": state_out}, settings)
    return out, state_out


def _forward_outputs(current: Tensor, steps: int, repeat: bool, mean: bool):
    state, _, _ = _layout(current, steps, repeat)
    out = torch.empty(state if mean else (steps, *state), dtype=current.dtype, device=current.device)
    return out, torch.empty(state, dtype=state_dtype(current.dtype), device=current.device)


def _forward_fake(current, v, beta, v_threshold, scale, shift, steps, repeat, mean, *rest):
    return _forward_outputs(current, steps, repeat, mean)


def _backward(
    grad_out: Tensor,
    grad_state_out: Tensor | None,
    current: Tensor,
    v: Tensor | None,
    beta: Tensor,
    v_threshold: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    steps: int,
    repeat: bool,
    mean: bool,
    v_reset: float,
    soft: bool,
    detach: bool,
    surrogate: int,
    alpha: float,
    wanted: list[bool],
) -> list[Tensor]:
    """Gradients to (current, v, beta, v_threshold, scale, shift), empty where not `wanted`."""
    grads = _backward_outputs(current, beta, steps, repeat, wanted)
    tensors = {
        "grad_out": grad_out,
        "grad_state_out": grad_state_out,
        "current": current,
        "state": v,
        "beta": beta,
        "threshold": v_threshold,
        "scale": scale,
        "shift": shift,
    }
    tensors = {name: None if t is None else t.contiguous() for name, t in tensors.items()}
    names = ("grad_current", "grad_state", "grad_beta", "grad_threshold", "grad_scale", "grad_shift")
    tensors |= {name: g if want else None for name, g, want in zip(names, grads, wanted, strict=True)}
    settings = _settings(current, beta, v_threshold, steps, repeat, mean, v_reset, soft, detach, surrogate, alpha)
    KERNELS[current.device.type]("backward", tensors, settings)
    # the kernel leaves parameter gradients per neuron
    owners = (None, None, beta, v_threshold, scale, shift)
    return [
        g if owner is None or not want else g.sum_to_size(owner.shape)
        for g, owner, want in zip(grads, owners, wanted, strict=True)
    ]


def _backward_outputs(current, beta, steps: int, repeat: bool, wanted: list[bool]) -> list[Tensor]:
    state, _, _ = _layout(current, steps, repeat)
    shapes = (current.shape, *[state] * 5)
    dtypes = (current.dtype, *[beta.dtype] * 5)
    return [
        torch.empty(shape if want else (0,), dtype=dtype, device=current.device)
        for shape, dtype, want in zip(shapes, dtypes, wanted, strict=True)
    ]


def _backward_fake(grad_out, grad_state_out, current, v, beta, v_threshold, scale, shift, steps, repeat, *rest):
    wanted = rest[-1]
    grads = _backward_outputs(current, beta, steps, repeat, wanted)
    owners = (None, None, beta, v_threshold, scale, shift)
    return [
        g if owner is None or not want else g.new_empty(owner.shape)
        for g, owner, want in zip(grads, owners, wanted, strict=True)
    ]


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs[:6])
    ctx.settings = inputs[6:]
    ctx.set_materialize_grads(False)


def _differentiate(ctx, grad_out: Tensor | None, grad_state_out: Tensor | None, backward=None):
    if grad_out is None and grad_state_out is None:
        return (None,) * 14
    current = ctx.saved_tensors[0]
    if grad_out is None:
        steps, repeat, mean = ctx.settings[:3]
        state, _, _ = _layout(current, steps, repeat)
        grad_out = current.new_zeros(state if mean else (steps, *state))
    wanted = list(ctx.needs_input_grad[:6])
    grads = (backward or lif_backward)(grad_out, grad_state_out, *ctx.saved_tensors, *ctx.settings, wanted)
    return (*[g if want else None for g, want in zip(grads, wanted, strict=True)], *(None,) * 8)


def _refuse_twice(ctx, *grads):
    raise BackendError(
        "fused", ["its gradient is differentiable once only"], "For second derivatives use backend 'reference'."
    )


def _register(name: str, function, fake) -> None:
    schema = torch.library.infer_schema(function, mutates_args=())
    torch.library.define(name, schema, tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(name, ("cpu", "cuda"))(function)
    torch.library.register_fake(name)(fake)


_register("snnvtg::lif_forward", _forward, _forward_fake)
_register("snnvtg::lif_backward", _backward, _backward_fake)
torch.library.register_autograd("snnvtg::lif_forward", _differentiate, setup_context=_keep)
lif_forward = torch.ops.snnvtg.lif_forward.default
lif_backward = torch.ops.snnvtg.lif_backward.default
torch.library.register_autograd("snnvtg::lif_backward", _refuse_twice)
transformed = fused_transforms.register(lif_forward, lif_backward, _keep, _differentiate, _refuse_twice)


def _constants(p: LIFParameters) -> tuple:
    surrogate = SURROGATES[p.surrogate].number
    return float(p.v_reset), p.soft, p.detach_reset, surrogate, float(p.surrogate_alpha)


def _run(neuron: Neuron, inputs: Inputs) -> tuple[Tensor, Tensor]:
    repeat = inputs.num_timesteps is not None
    steps = inputs.num_timesteps if repeat else inputs.current.shape[0]
    tensors = (inputs.current, inputs.v, inputs.beta, inputs.v_threshold, inputs.scale, inputs.shift)
    arguments = (*tensors, steps, repeat, inputs.mean, *_constants(neuron.parameters))
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return lif_forward(*arguments)
    if torch._C._are_functorch_transforms_active():
        return transformed(*arguments)
    return _Eager.apply(*arguments)


class _Eager(torch.autograd.Function):
    """What tracers get from register_autograd, for less overhead a call."""

    @staticmethod
    def forward(ctx, *arguments):
        output = lif_forward(*arguments)
        _keep(ctx, arguments, output)
        return output

    @staticmethod
    def backward(ctx, *grads):
        return _differentiate(ctx, *grads)


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


FUSED = Backend(
    "fused",
    missing=_missing,
    run=_run,
    remedy="Install g++ or set CXX (CPU), or triton (CUDA); or ask for 'torch', which needs neither.",
)
