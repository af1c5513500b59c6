"""What is checked: one operator run by one backend, its reference, and inputs for both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]


class Mismatch(AssertionError):
    """The backend and the reference disagree; the message says where."""


@dataclass(frozen=True)
class Trial:
    """One operator run by one backend, as a function of tensors.

    `run` and `reference` take the tensors of `inputs` and return a tuple of tensors; every input and output is
    floating point and differentiable · `inputs(size, seed)` makes inputs whose dynamic axes (batch, length, channels)
    all grow with `size` >= 2; the other axes stay · `large` a size at which the first output has at least 2 MB ·
    `operators()` lists (registered operator, arguments) for torch.library.opcheck · `exact` holds values to the last
    bit, else to `tolerance`, which is also the tolerance of gradients, relative to the largest value.

    `run` must be picklable for the check with spawned processes: a function of a module or an instance, no lambda.
    """

    name: str
    run: Function
    reference: Function
    inputs: Callable[[int, int], tuple[Tensor, ...]]
    large: int
    operators: Callable[[], Sequence[tuple[Callable, tuple]]] = lambda: ()
    exact: bool = False
    tolerance: float = 1e-5


def leaves(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Fresh copies that take gradients."""
    return tuple(t.detach().clone().requires_grad_() for t in tensors)


def weights_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Fixed uneven numbers between -1 and 1 in the shapes of `tensors`; made without randomness, for vmap's sake."""
    numbers = (torch.arange(t.numel(), dtype=torch.float64).mul(1.7).add(i + 1).sin() for i, t in enumerate(tensors))
    return [n.reshape(t.shape).to(t.device, t.dtype) for n, t in zip(numbers, tensors, strict=True)]


def loss(outputs: Sequence[Tensor]) -> Tensor:
    """A scalar every output weighs in with random weights."""
    return sum((out * weight).sum() for out, weight in zip(outputs, weights_like(outputs), strict=True))


def gradients(function: Function, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(outputs, gradients of `loss` to fresh copies of `tensors`)."""
    inputs = leaves(tensors)
    outputs = function(*inputs)
    # backward() and not autograd.grad, for the sake of reentrant checkpointing
    loss(outputs).backward()
    return tuple(out.detach() for out in outputs), tuple(t.grad for t in inputs)


def same(what: str, mine: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> None:
    """Raise Mismatch unless each tensor equals its reference, to `tolerance` of the reference's largest value."""
    if len(mine) != len(expected):
        raise Mismatch(f"{what}: {len(mine)} tensors, the reference gives {len(expected)}")
    for i, (one, two) in enumerate(zip(mine, expected, strict=True)):
        if one.shape != two.shape or one.dtype != two.dtype:
            raise Mismatch(
                f"{what} {i}: {tuple(one.shape)} {one.dtype}, the reference gives {tuple(two.shape)} {two.dtype}"
            )
        error = (one - two).detach().abs().max().item() if two.numel() else 0.0
        size = max(two.detach().abs().max().item(), 1.0) if two.numel() else 1.0
        if not error <= tolerance * size:
            raise Mismatch(f"{what} {i}: off by {error:.3g}, largest value {size:.3g}, allowed {tolerance:g} relative")


def same_values(trial: Trial, what: str, mine: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """`same` with the trial's tolerance for values."""
    same(what, mine, expected, 0.0 if trial.exact else trial.tolerance)


def same_answer(trial: Trial, function: Function, tensors: Sequence[Tensor], what: str = "") -> None:
    """Raise Mismatch unless `function` has the reference's outputs and gradients at `tensors`."""
    mine, expected = gradients(function, tensors), gradients(trial.reference, tensors)
    same_values(trial, f"{what}output", mine[0], expected[0])
    same(f"{what}gradient of input", mine[1], expected[1], trial.tolerance)
