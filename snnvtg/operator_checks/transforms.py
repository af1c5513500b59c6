"""Checks with torch.func, forward mode, second derivatives, checkpointing and autocast."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, vmap
from torch.utils.checkpoint import checkpoint

from snnvtg.operator_checks.subject import (
    Function,
    Trial,
    gradients,
    leaves,
    loss,
    same,
    same_answer,
    same_values,
    weights_like,
)

SIZE, MEMBERS = 3, 3


def _looped(function: Function, in_dims: Sequence[int | None]) -> Function:
    """What vmap means: `function` of each member of the batch, and the results stacked."""

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        batch = next(t.shape[d] for t, d in zip(tensors, in_dims, strict=True) if d is not None)
        members = (
            [t if d is None else t.select(d, i) for t, d in zip(tensors, in_dims, strict=True)] for i in range(batch)
        )
        return tuple(torch.stack(parts) for parts in zip(*(function(*m) for m in members), strict=True))

    return run


def vmap_over_inputs(trial: Trial) -> None:
    """All inputs batched, each one alone, and the first along its last axis; values and gradients."""
    members = [trial.inputs(SIZE, seed) for seed in range(MEMBERS)]
    count = len(members[0])
    ways = [(0,) * count, *(tuple(0 if i == j else None for j in range(count)) for i in range(count))]
    ways.append((-1, *(None,) * (count - 1)))
    for in_dims in ways:
        columns = zip(in_dims, zip(*members, strict=True), strict=True)
        tensors = [column[0] if d is None else torch.stack(column, d) for d, column in columns]
        expected = gradients(_looped(trial.reference, in_dims), tensors)
        mine = gradients(vmap(trial.run, in_dims=in_dims), tensors)
        same_values(trial, f"vmap {in_dims}: output", mine[0], expected[0])
        same(f"vmap {in_dims}: gradient of input", mine[1], expected[1], trial.tolerance)


def vmap_twice(trial: Trial) -> None:
    """vmap within vmap, over the first input."""
    first, *rest = trial.inputs(SIZE, 0)
    stacked = torch.stack([first, first.flip(0)]).unsqueeze(1).repeat(1, 2, *(1,) * first.dim())
    stacked[:, 1] *= 0.5

    def inner(x: Tensor) -> tuple[Tensor, ...]:
        return trial.run(x, *rest)

    mine = vmap(vmap(inner))(stacked)
    expected = [
        torch.stack(parts).unflatten(0, (2, 2))
        for parts in zip(*(trial.reference(x, *rest) for x in stacked.flatten(0, 1)), strict=True)
    ]
    same_values(trial, "vmap of vmap: output", mine, expected)


def func_grad(trial: Trial) -> None:
    """torch.func.grad to every input, and per-sample gradients with vmap(grad)."""
    members = [trial.inputs(SIZE, seed) for seed in range(MEMBERS)]
    every = tuple(range(len(members[0])))
    differentiated = grad(lambda *tensors: loss(trial.run(*tensors)), argnums=every)
    expected = [gradients(trial.reference, tensors)[1] for tensors in members]
    same("func.grad: gradient of input", differentiated(*members[0]), expected[0], trial.tolerance)
    each = vmap(differentiated)(*(torch.stack(column) for column in zip(*members, strict=True)))
    stacked = [torch.stack(column) for column in zip(*expected, strict=True)]
    same("vmap(grad): gradient of input", each, stacked, trial.tolerance)


def func_jvp(trial: Trial) -> None:
    """torch.func.jvp: right, or refused."""
    inputs = trial.inputs(SIZE, 0)
    _, mine = torch.func.jvp(trial.run, inputs, tuple(weights_like(inputs)))
    same("func.jvp: tangent of output", mine, _tangents(trial, inputs), trial.tolerance)


def forward_mode(trial: Trial) -> None:
    """Dual tensors of torch.autograd.forward_ad: right, or refused."""
    inputs = trial.inputs(SIZE, 0)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(t, tangent) for t, tangent in zip(inputs, weights_like(inputs), strict=True)]
        mine = [forward_ad.unpack_dual(out).tangent for out in trial.run(*duals)]
    expected = _tangents(trial, inputs)
    mine = [torch.zeros_like(two) if one is None else one for one, two in zip(mine, expected, strict=True)]
    same("forward_ad: tangent of output", mine, expected, trial.tolerance)


def _tangents(trial: Trial, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Tangents of the reference from reverse mode alone: the gradient is linear in the outputs' weights."""
    tensors = leaves(inputs)
    outputs = trial.reference(*tensors)
    cotangents = [torch.zeros_like(out, requires_grad=True) for out in outputs]
    pulled = torch.autograd.grad(outputs, tensors, cotangents, create_graph=True)
    along = sum((g * t).sum() for g, t in zip(pulled, weights_like(inputs), strict=True))
    return list(torch.autograd.grad(along, cotangents))


def second_derivatives(trial: Trial) -> None:
    """The gradient of a gradient penalty, by torch.autograd and by torch.func: right, or refused."""
    inputs = trial.inputs(SIZE, 0)
    expected = _penalty(trial.reference, inputs)
    same("penalty: gradient of input", _penalty(trial.run, inputs), expected, 10 * trial.tolerance)
    every = tuple(range(len(inputs)))

    def penalty(*tensors: Tensor) -> Tensor:
        return sum(g.square().sum() for g in grad(lambda *ts: loss(trial.run(*ts)), argnums=every)(*tensors))

    same("func penalty: gradient of input", grad(penalty, every)(*inputs), expected, 10 * trial.tolerance)


def _penalty(function: Function, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    tensors = leaves(inputs)
    first = torch.autograd.grad(loss(function(*tensors)), tensors, create_graph=True)
    return torch.autograd.grad(sum(g.square().sum() for g in first), tensors, materialize_grads=True)


def checkpointing(trial: Trial) -> None:
    """torch.utils.checkpoint of both kinds: values and gradients as without."""
    for reentrant in (False, True):

        def run(*tensors: Tensor, reentrant: bool = reentrant) -> tuple[Tensor, ...]:
            return checkpoint(trial.run, *tensors, use_reentrant=reentrant)

        same_answer(trial, run, trial.inputs(SIZE, 0), f"checkpoint, use_reentrant={reentrant}: ")


def autocast(trial: Trial) -> None:
    """Float32 inputs under autocast to bfloat16: values and gradients as without, to the same precision."""

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(tensors[0].device.type, torch.bfloat16):
            return trial.run(*tensors)

    same_answer(trial, run, trial.inputs(SIZE, 0), "autocast: ")


CHECKS = (
    vmap_over_inputs,
    vmap_twice,
    func_grad,
    func_jvp,
    forward_mode,
    second_derivatives,
    checkpointing,
    autocast,
)
