"""Sums over a batch that several processes read in shares, for layers whose statistics are of the whole of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed
from torch import Tensor

_COUNTED: ContextVar[bool | None] = ContextVar("_COUNTED", default=None)


@contextmanager
def sharing(counted: bool = True) -> Iterator[None]:
    """Within the block this process reads its share of a batch, all the others theirs.

    `counted` False: it has none and reads something in its place, which counts nowhere.
    """
    token = _COUNTED.set(counted)
    try:
        yield
    finally:
        _COUNTED.reset(token)


def summed(x: Tensor) -> Tensor:
    """The sum of `x` over the processes that read a batch in shares, its gradient that of all of them; else `x`."""
    counted = _COUNTED.get()
    return x if counted is None else _Sum.apply(x if counted else x * 0)


class _Sum(torch.autograd.Function):
    """All processes' `x`, added; what each does with the sum comes back to every `x`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total
