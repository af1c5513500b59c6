"""Leaf operations: they count as one, whichever backend runs them, as a leaf module does in torch.fx.

A LIF layer is the same work whether a Python loop, a library or a fused kernel did it. Functions decorated with
`leaf_op` tell the active observer (the energy ledger) their name and arguments; the observer calls the function
itself and ignores what happens inside. With no observer the decorator costs one comparison.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

Observer = Callable[[str, Callable, tuple, dict], Any]

_observers: list[Observer] = []


def leaf_op(name: str) -> Callable[[Callable], Callable]:
    """Decorate a function so that an observer sees its calls as one operation called `name`."""

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def call(*args, **kwargs):
            if not _observers:
                return function(*args, **kwargs)
            return _observed(len(_observers) - 1, name, function, args, kwargs)

        return call

    return decorate


def _observed(position: int, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Tell the observer at `position`; what it calls tells those who began to look before it."""
    if position == 0:
        return _observers[0](name, function, args, kwargs)

    @wraps(function)
    def next_one(*args, **kwargs):
        return _observed(position - 1, name, function, args, kwargs)

    return _observers[position](name, next_one, args, kwargs)


@contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Send every leaf operation within the block to `observer(name, function, args, kwargs)`."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
