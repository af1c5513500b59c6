"""Markers around a leaf operation in the autograd graph, so that its backward counts as one operation too.

A marker is an identity node. autograd runs nodes in the reverse order of their making, so between the marker behind a
leaf operation and the one before it only the leaf operation's own backward runs, whatever the backend made of it.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes


class _BackwardMarker(torch.autograd.Function):
    """The identity; `reached` is called when the gradients pass."""

    @staticmethod
    def forward(ctx: Any, reached: Callable[[], None], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.reached = reached
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        # backends lay their gradients out differently; without this a later copy would be counted for some of them
        with _disable_current_modes():
            grads = tuple(None if grad is None else grad.contiguous() for grad in grads)
        ctx.reached()
        return None, *grads


def is_differentiated(values: Any) -> bool:
    """Whether autograd will come back through any of these arguments."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in leaves(values))


def mark_backward(values: Any, reached: Callable[[], None]) -> Any:
    """The same arguments (nested in tuples, dicts, frozen dataclasses) behind a marker."""
    differentiated = [tensor for tensor in leaves(values) if tensor.requires_grad]
    if not differentiated:
        return values
    behind = _BackwardMarker.apply(reached, *differentiated)
    return _replaced(values, {id(old): new for old, new in zip(differentiated, behind, strict=True)})


def leaves(values: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists, dictionaries and dataclasses."""
    found: list[Tensor] = []
    _collect(values, found)
    return found


def _collect(values: Any, found: list[Tensor]) -> None:
    if isinstance(values, Tensor):
        found.append(values)
    elif isinstance(values, PLAIN):
        return
    elif isinstance(values, tuple | list):
        for value in values:
            _collect(value, found)
    elif isinstance(values, dict):
        for value in values.values():
            _collect(value, found)
    else:
        for name in fields_of(type(values)):
            _collect(getattr(values, name), found)


PLAIN = (str, int, float, type(None))


@cache
def fields_of(cls: type) -> tuple[str, ...]:
    """The names of a dataclass's fields; of another class none."""
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else ()


def _replaced(values: Any, new: dict[int, Tensor]) -> Any:
    if isinstance(values, Tensor):
        return new.get(id(values), values)
    if isinstance(values, tuple | list):
        return type(values)(_replaced(value, new) for value in values)
    if isinstance(values, dict):
        return {key: _replaced(value, new) for key, value in values.items()}
    if is_dataclass(values) and leaves(values):
        return replace(values, **{f.name: _replaced(getattr(values, f.name), new) for f in fields(values)})
    return values
