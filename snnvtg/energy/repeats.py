"""What a dense twin computes alike at every step, computed once.

A spiking network that repeats its input over T steps has neurons that differ from step to step; its twin has none, so
it computes the same T times. Where every rate of the twin is the same at all steps, its modules are run once instead:
one that a time loop calls again with the same input returns what it returned, one whose input holds T equal steps on
its leading axis is given a single one. Both were tried before, module by module, and reproduced the output. Operations
that a forward does between its modules are run as often as it says. A network whose input differs from step to step (a
Poisson code, an event camera, recurrent neurons) runs T times, as it must.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from snnvtg.energy.rate_neurons import Cell, RateLIF, RateNeuron, forget_states

Called = tuple[tuple, dict, Any]
"""arguments, keyword arguments, output"""


@dataclass
class Repeats:
    """Names of a twin's modules that one input lets run once: called again by a loop, or over T steps on an axis."""

    looped: set[str] = field(default_factory=set)
    stepped: dict[str, Any] = field(default_factory=dict)
    num_timesteps: int = 1


@torch.no_grad()
def find_repeats(twin: nn.Module, run: Callable[[], Any], num_timesteps: int, without: Collection[str] = ()) -> Repeats:
    """What `run`, one call of `twin` on one input, computes alike at all of its T steps.

    Modules of the names in `without` are not tried, nor are those they lie in.
    """
    calls: dict[str, list[Called]] = {}
    hooks = []
    for name, module in twin.named_modules():

        def heard(_: nn.Module, args: tuple, kwargs: dict, out: Any, name: str = name) -> None:
            calls.setdefault(name, []).append((args, kwargs, out))

        hooks.append(module.register_forward_hook(heard, with_kwargs=True))
    forget_states(twin)
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    found = Repeats(num_timesteps=num_timesteps)
    modules = dict(twin.named_modules())
    stepping = [
        f"{name}.rate" if isinstance(module, RateNeuron) else name  # the states handed on beside it are not the twin's
        for name, module in modules.items()
        if isinstance(module, RateLIF | RateNeuron | Cell)
    ]
    if num_timesteps == 1 or not all(_steady(calls[name], num_timesteps) for name in stepping if name in calls):
        return found
    for name in [name for name in calls if any(_is_within(inner, name) for inner in without)]:
        del calls[name]
    for name, made in calls.items():
        if len(made) > 1 and all(_same(call, made[0]) for call in made[1:]):
            found.looped.add(name)
    _find_stepped(modules, calls, found)
    return found


def _is_within(name: str, outer: str) -> bool:
    return outer in ("", name) or name.startswith(f"{outer}.")


def _steady(made: list[Called], num_timesteps: int) -> bool:
    """Whether a rate is the same at every step: of a loop, or on the leading axis."""
    if len(made) > 1:
        return all(_same(call, made[0]) for call in made[1:])
    args, kwargs, _ = made[0]
    current = next(leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor))
    repeated = kwargs.get("num_timesteps") is not None
    return repeated or len(current) == 1 or _equal_steps(current, num_timesteps)


def _same(one: Called, other: Called) -> bool:
    return all(_alike(a, b) for a, b in zip(one, other, strict=True))


def _alike(one: Any, other: Any) -> bool:
    ones, shape = tree_flatten(one)
    others, other_shape = tree_flatten(other)
    if shape != other_shape:
        return False
    pairs = zip(ones, others, strict=True)
    return all(_close(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or a == b for a, b in pairs)


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.is_floating_point():
        return torch.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)
    return torch.equal(one, other)


def _equal_steps(tensor: Tensor, num_timesteps: int) -> bool:
    """Whether the leading axis is T equal steps, of one sample or more each."""
    if num_timesteps == 1 or tensor.dim() == 0 or tensor.shape[0] < num_timesteps or tensor.shape[0] % num_timesteps:
        return False
    steps = tensor.unflatten(0, (num_timesteps, -1))
    return _close(steps, steps[:1].expand_as(steps))


def _find_stepped(modules: dict[str, nn.Module], calls: dict[str, list[Called]], found: Repeats) -> None:
    """From the outside in: what a module is given once, all inside it is."""
    for name, module in modules.items():
        covered = any(_is_within(name, outer) for outer in found.stepped)
        if covered or len(calls.get(name, [])) != 1:
            continue
        args, kwargs, out = calls[name][0]
        once, shapes = _one_step((args, kwargs), found.num_timesteps), _shapes((args, kwargs))
        if once is None:
            continue
        try:
            repeated = _as_before(module(*once[0], **once[1]), out, found.num_timesteps)
        except Exception:  # whatever a module raises that cannot be run on a single step
            continue
        if repeated is not None and _alike(repeated, out):
            found.stepped[name] = shapes, _shapes(out)


def _one_step(values: Any, num_timesteps: int) -> Any:
    """The values with the first step in place of T equal ones; None where no tensor holds such."""
    leaves, shape = tree_flatten(values)
    steady = [isinstance(leaf, Tensor) and _equal_steps(leaf, num_timesteps) for leaf in leaves]
    if not any(steady):
        return None
    first = [leaf[: len(leaf) // num_timesteps] if yes else leaf for leaf, yes in zip(leaves, steady, strict=True)]
    return tree_unflatten(first, shape)


def _shapes(values: Any) -> Any:
    return tree_map(lambda leaf: tuple(leaf.shape) if isinstance(leaf, Tensor) else None, values)


def _as_before(made: Any, before: Any, num_timesteps: int) -> Any:
    """The output of a single step repeated to the shapes of the T steps' output; None where they do not fit."""
    leaves, shape = tree_flatten(made)
    wanted, wanted_shape = tree_flatten(before)
    if shape != wanted_shape:
        return None
    full = [leaf.shape if isinstance(leaf, Tensor) else None for leaf in wanted]
    return tree_unflatten([_widened(leaf, size, num_timesteps) for leaf, size in zip(leaves, full, strict=True)], shape)


def _widened(leaf: Any, size: torch.Size | None, num_timesteps: int) -> Any:
    if not isinstance(leaf, Tensor) or size is None or leaf.shape == size:
        return leaf
    return leaf.unsqueeze(0).expand(num_timesteps, *leaf.shape).flatten(0, 1)


@contextmanager
def run_once(twin: nn.Module, found: Repeats) -> Iterator[None]:
    """Within the block `twin` runs once what `found` says it repeats."""
    kept: dict[str, Any] = {}
    patched = []
    for name, module in twin.named_modules():
        if name in found.looped or name in found.stepped:
            module.forward = _once(name, module.forward, found, kept)
            patched.append(module)
    forget_states(twin)
    try:
        yield
    finally:
        for module in patched:
            del module.forward


def _once(name: str, forward: Callable[..., Any], found: Repeats, kept: dict[str, Any]) -> Callable[..., Any]:
    def again(*args: Any, **kwargs: Any) -> Any:
        if name in found.looped:
            if name not in kept:
                kept[name] = forward(*args, **kwargs)
            with _disable_current_modes():
                return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, kept[name])
        given, returned = found.stepped[name]
        if _shapes((args, kwargs)) != given:
            return forward(*args, **kwargs)
        with _disable_current_modes():
            first = _one_step((args, kwargs), found.num_timesteps)
        if first is None:
            return forward(*args, **kwargs)
        made = forward(*first[0], **first[1])
        with _disable_current_modes():
            leaves, shape = tree_flatten(made)
            sizes = tree_flatten(returned, is_leaf=lambda leaf: leaf is None or _is_size(leaf))[0]
            full = zip(leaves, sizes, strict=True)
            return tree_unflatten([_widened(leaf, size, found.num_timesteps) for leaf, size in full], shape)

    return again


def _is_size(leaf: Any) -> bool:
    return isinstance(leaf, tuple) and all(isinstance(n, int) for n in leaf)
