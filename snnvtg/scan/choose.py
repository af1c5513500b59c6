"""Backends by name: what can run where, why not, and what `auto` takes."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from snnvtg.errors import BackendError, InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """One way to run an operation.

    `missing(device_type)` lists what this machine lacks for it, `refuses(call)` what it cannot do of this call.
    """

    name: str
    run: Callable[[Any], Any]
    remedy: str
    missing: Callable[[str], list[str]] = field(default=lambda device_type: [])
    refuses: Callable[[Any], list[str]] = field(default=lambda call: [])


@dataclass(frozen=True)
class Operation:
    """An operation, its backends by name, and for each kind of device the order in which `auto` tries them."""

    name: str
    backends: Mapping[str, Backend]
    preference: Mapping[str, tuple[str, ...]]

    def why_not(self, backend: str, device_type: str, call: Any = None) -> list[str]:
        """Every reason a backend cannot run on such tensors; empty where it can."""
        refused = self.backends[backend].refuses(call) if call is not None else []
        return list(_missing(self.name, backend, device_type)) + refused


_operations: dict[str, Operation] = {}


def operation(name: str, backends: Sequence[Backend], preference: Mapping[str, tuple[str, ...]]) -> Operation:
    """Make an operation known."""
    _operations[name] = Operation(name, {backend.name: backend for backend in backends}, preference)
    return _operations[name]


# by names and constant to torch.compile: what a machine lacks does not change while a program runs
@torch.compiler.assume_constant_result
def _missing(name: str, backend: str, device_type: str) -> tuple[str, ...]:
    key = (name, backend, device_type)
    if key not in _found_missing:
        _found_missing[key] = tuple(_operations[name].backends[backend].missing(device_type))
    return _found_missing[key]


_found_missing: dict[tuple[str, str, str], tuple[str, ...]] = {}
_announced: set[tuple[str, ...]] = set()


@torch.compiler.assume_constant_result
def _announce(operation: str, device_type: str, name: str, passed_over: str) -> None:
    """Say once what `auto` chose: quietly for its first choice, as a warning where it had to pass one over."""
    if (operation, device_type, name, passed_over) in _announced:
        return
    _announced.add((operation, device_type, name, passed_over))
    if passed_over:
        warnings.warn(f"{operation} backend auto: {name!r} on {device_type}, because {passed_over}", stacklevel=2)
    logger.info("%s backend auto: %s on %s", operation, name, device_type)


def choose(operation: Operation, name: str, call: Any) -> Backend:
    """The backend that runs `call`: the one named, or for `auto` the first of the device's preference that can."""
    device_type = call.device.type
    if name != "auto":
        if name not in operation.backends:
            raise InputError(
                f"unknown {operation.name} backend {name!r}: expected auto, {', '.join(operation.backends)}"
            )
        backend = operation.backends[name]
        reasons = operation.why_not(name, device_type, call)
        if reasons:
            raise BackendError(name, reasons, backend.remedy)
        return backend
    passed_over = []
    for candidate in operation.preference.get(device_type, ("torch",)):
        reasons = operation.why_not(candidate, device_type, call)
        if not reasons:
            _announce(operation.name, device_type, candidate, "; ".join(passed_over))
            return operation.backends[candidate]
        passed_over.append(f"{candidate}: {', '.join(reasons)}")
    raise BackendError("auto", passed_over, "The torch backend runs everywhere; this is a bug.")


def only_on(required: str) -> Callable[[str], list[str]]:
    """A `missing` that asks for tensors on one kind of device."""

    def missing(device_type: str) -> list[str]:
        return [] if device_type == required else [f"it needs {required} tensors, these are on {device_type}"]

    return missing
