"""Hooks on LIF layers that also know which positions are real."""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache

from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from snnvtg.neurons import LIF

Listener = Callable[[str, Tensor, Tensor | None, dict], None]


def listen(model: nn.Module, listener: Listener, layers: tuple[str, ...] | None = None) -> ExitStack:
    """Call `listener(layer name, output, valid_mask, keyword arguments)` after each LIF layer; close to stop.

    `valid_mask` is the argument of that name of the innermost enclosing module whose forward takes one, None where
    there is no such module. `layers` restricts it to layers of these names.
    """
    stack, masks = ExitStack(), []

    def hook(name: str) -> Callable:
        def heard(_: nn.Module, __: tuple, kwargs: dict, out: Tensor | tuple) -> None:
            spikes = out[0] if isinstance(out, tuple) else out
            with _disable_current_modes():  # observing is no part of the model's work: a ledger does not count it
                listener(name, spikes.detach(), masks[-1] if masks else None, kwargs)

        return heard

    for name, module in model.named_modules():
        if isinstance(module, LIF):
            if layers is None or name in layers:
                stack.callback(module.register_forward_hook(hook(name), with_kwargs=True).remove)
        elif "valid_mask" in _signature(type(module)).parameters:
            enter, leave = _mask_hooks(masks)
            stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(leave, always_call=True).remove)
    return stack


@cache
def _signature(kind: type[nn.Module]) -> inspect.Signature:
    return inspect.signature(kind.forward)


def _mask_hooks(masks: list) -> tuple[Callable, Callable]:
    def enter(module: nn.Module, args: tuple, kwargs: dict) -> None:
        masks.append(_signature(type(module)).bind(module, *args, **kwargs).arguments.get("valid_mask"))

    def leave(*_: object) -> None:
        if masks:
            masks.pop()

    return enter, leave
