"""The two operators of `fused`, `snnvtg::lif_forward` and `snnvtg::lif_backward`, as torch.library knows them.

Whoever calls them, at whatever sizes (a traced graph, an exported program, a transform), they read every size from
the tensors they are given and refuse shapes that do not fit, before a kernel sees an address. See lif.cpp for what
the arguments mean; `num_timesteps` 0 says that the current has its own axis T.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from snnvtg.errors import BackendError, InputError
from snnvtg.neurons.backends import fused_cpu, fused_triton
from snnvtg.neurons.lif import state_dtype

KERNELS = {"cpu": fused_cpu.run, "cuda": fused_triton.run}
PARAMETERS = ("beta", "threshold", "scale", "shift")


def _layout(current: Tensor, num_timesteps: int) -> tuple[int, torch.Size]:
    """(steps, shape of the state)."""
    return (num_timesteps, current.shape) if num_timesteps else (current.shape[0], current.shape[1:])


def _expect(name: str, tensor: Tensor | None, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
    if tensor is not None and (tensor.shape != shape or tensor.dtype != dtype or tensor.device != device):
        raise InputError(
            f"LIF {name}: expected shape {tuple(shape)}, {dtype}, on {device}, "
            f"got {tuple(tensor.shape)}, {tensor.dtype}, on {tensor.device}"
        )


def _spread(parameters: dict[str, Tensor | None], state: torch.Size, like: Tensor) -> tuple[dict, int]:
    """(parameters with one value per neuron of the trailing axes they cover, number of such values).

    A parameter has no axis, or the state's last axes; all that have axes are spread over the most any has.
    """
    dtype, device = state_dtype(like.dtype), like.device
    axes = max(0 if t is None else t.dim() for t in parameters.values())
    trailing = state[len(state) - axes :]
    spread = {}
    for name, tensor in parameters.items():
        if tensor is None or (tensor.dim() == 0 and name in ("beta", "threshold")):
            _expect(name, tensor, (), dtype, tensor.device if tensor is not None and tensor.is_cpu else device)
            spread[name] = tensor
            continue
        _expect(name, tensor, trailing[axes - tensor.dim() :] if axes <= len(state) else state, dtype, device)
        spread[name] = tensor.expand(trailing).contiguous()
    return spread, math.prod(trailing)


def _call(direction: str, current: Tensor, v: Tensor | None, parameters, others, settings) -> None:
    """Check, lay out, and run the kernel `direction`."""
    num_timesteps, mean, v_reset, soft, detach, surrogate, alpha, truncate = settings
    steps, state = _layout(current, num_timesteps)
    _expect("initial state v", v, state, state_dtype(current.dtype), current.device)
    spread, channels = _spread(dict(zip(PARAMETERS, parameters, strict=True)), state, current)
    tensors = {"current": current.contiguous(), "state": None if v is None else v.contiguous(), **spread, **others}
    numbers = {
        "steps": steps,
        "neurons": math.prod(state),
        "channels": channels,
        "truncate": truncate,
        "reset_to": v_reset,
        "alpha": alpha,
        "dtype": fused_cpu.DTYPES[current.dtype],
        "repeat": num_timesteps > 0,
        "mean": mean,
        "soft": soft,
        "detach": detach,
        "surrogate": surrogate,
        "beta_per_channel": spread["beta"].dim() > 0,
        "threshold_per_channel": spread["threshold"].dim() > 0,
    }
    KERNELS[current.device.type](direction, tensors, numbers)


def _forward(
    current: Tensor,
    v: Tensor | None,
    beta: Tensor,
    v_threshold: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    num_timesteps: int,
    mean: bool,
    v_reset: float,
    soft: bool,
    detach: bool,
    surrogate: int,
    alpha: float,
    truncate: int,
    trace: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """(spikes or mean, final state, potentials U (T, ...) if `trace`, else empty)."""
    outputs = _forward_fake(
        current, v, beta, v_threshold, scale, shift, num_timesteps, mean, v_reset, soft, detach, surrogate, alpha,
        truncate, trace,
    )  # fmt: skip
    others = {"out": outputs[0], "state_out": outputs[1], "potential": outputs[2] if trace else None}
    settings = (num_timesteps, mean, v_reset, soft, detach, surrogate, alpha, truncate)
    _call("forward", current, v, (beta, v_threshold, scale, shift), others, settings)
    return outputs


def _forward_fake(current, v, beta, v_threshold, scale, shift, num_timesteps, mean, *rest):
    steps, state = _layout(current, num_timesteps)
    dtype = state_dtype(current.dtype)
    out = current.new_empty(state if mean else (steps, *state))
    potential = current.new_empty((steps, *state) if rest[-1] else (0,), dtype=dtype)
    return out, current.new_empty(state, dtype=dtype), potential


def _backward(
    grad_out: Tensor,
    grad_state_out: Tensor | None,
    grad_potential: Tensor | None,
    current: Tensor,
    v: Tensor | None,
    beta: Tensor,
    v_threshold: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    num_timesteps: int,
    mean: bool,
    v_reset: float,
    soft: bool,
    detach: bool,
    surrogate: int,
    alpha: float,
    truncate: int,
    wanted: list[bool],
) -> list[Tensor]:
    """Gradients to (current, v, beta, v_threshold, scale, shift), empty where not `wanted`."""
    steps, state = _layout(current, num_timesteps)
    dtype, device = state_dtype(current.dtype), current.device
    _expect("gradient of the spikes", grad_out, state if mean else (steps, *state), current.dtype, device)
    _expect("gradient of the state", grad_state_out, state, dtype, device)
    _expect("gradient of the potentials", grad_potential, (steps, *state), dtype, device)
    given = {"grad_out": grad_out, "grad_state_out": grad_state_out, "grad_potential": grad_potential}
    others = {name: None if t is None else t.contiguous() for name, t in given.items()}
    names = ("grad_current", "grad_state", *(f"grad_{name}" for name in PARAMETERS))
    grads = [current.new_empty(current.shape if wanted[0] else (0,))]
    # the kernel leaves gradients of parameters per neuron
    grads += [current.new_empty(state if want else (0,), dtype=dtype) for want in wanted[1:]]
    others |= {name: g if want else None for name, g, want in zip(names, grads, wanted, strict=True)}
    settings = (num_timesteps, mean, v_reset, soft, detach, surrogate, alpha, truncate)
    parameters = (beta, v_threshold, scale, shift)
    _call("backward", current, v, parameters, others, settings)
    summed = (
        g.sum_to_size(owner.shape) if want else g
        for g, owner, want in zip(grads[2:], parameters, wanted[2:], strict=True)
    )
    return [*grads[:2], *summed]


def _backward_fake(grad_out, grad_state_out, grad_potential, current, v, beta, v_threshold, scale, shift, *rest):
    num_timesteps, wanted = rest[0], rest[-1]
    _, state = _layout(current, num_timesteps)
    dtype = state_dtype(current.dtype)
    shapes = (state, *((0,) if t is None else t.shape for t in (beta, v_threshold, scale, shift)))
    grads = [current.new_empty(current.shape if wanted[0] else (0,))]
    return grads + [
        current.new_empty(shape if want else (0,), dtype=dtype) for shape, want in zip(shapes, wanted[1:], strict=True)
    ]


def keep(ctx, inputs, output) -> None:
    """What the backward needs: the inputs, and nothing else."""
    ctx.save_for_backward(*inputs[:6])
    ctx.settings = inputs[6:]
    ctx.set_materialize_grads(False)


def differentiate(ctx, grad_out: Tensor | None, grad_state_out: Tensor | None, grad_potential, backward=None):
    """Gradients in the order of the forward's arguments."""
    *settings, trace = ctx.settings
    current, *others = ctx.saved_tensors  # once: checkpointing hands them out a single time
    grad_potential = grad_potential if trace else None
    if grad_out is None and grad_state_out is None and grad_potential is None:
        return (None,) * 15
    if grad_out is None:
        num_timesteps, mean = settings[:2]
        steps, state = _layout(current, num_timesteps)
        grad_out = current.new_zeros(state if mean else (steps, *state))
    wanted = list(ctx.needs_input_grad[:6])
    run = backward or lif_backward
    grads = run(grad_out, grad_state_out, grad_potential, current, *others, *settings, wanted)
    return (*[g if want else None for g, want in zip(grads, wanted, strict=True)], *(None,) * 9)


def refuse_twice(ctx, *grads):
    """Raise BackendError: the kernels have no second derivative."""
    raise BackendError(
        "fused", ["its gradient is differentiable once only"], "For second derivatives use backend 'torch'."
    )


def _register(name: str, function, fake) -> None:
    schema = torch.library.infer_schema(function, mutates_args=())
    torch.library.define(name, schema, tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(name, ("cpu", "cuda"))(function)
    torch.library.register_fake(name)(fake)


_register("snnvtg::lif_forward", _forward, _forward_fake)
_register("snnvtg::lif_backward", _backward, _backward_fake)
torch.library.register_autograd("snnvtg::lif_forward", differentiate, setup_context=keep)
torch.library.register_autograd("snnvtg::lif_backward", refuse_twice)
lif_forward = torch.ops.snnvtg.lif_forward.default
lif_backward = torch.ops.snnvtg.lif_backward.default
