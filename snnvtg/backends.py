"""Interchangeable implementations of one operation: each runs or lists every reason why not.

A backend asked for by name runs or raises BackendError; only `auto` chooses, and says what it chose. A backend of your
own is one file anywhere that hands a `Backend` to an operation's `register`, or is named `FILE.py:OBJECT` (plugins.py).
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from snnvtg import plugins
from snnvtg.errors import BackendError, InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """One way to run an operation.

    `missing(device_type)` lists what this machine lacks for it, `refuses(call)` what it cannot do exactly of this call.
    """

    name: str
    run: Callable
    remedy: str = "Choose another backend."
    missing: Callable[[str], Sequence[str]] = field(default=lambda device_type: [])
    refuses: Callable[[Any], Sequence[str]] = field(default=lambda call: [])


class Operation:
    """An operation and its backends by name; `preference` is the order in which `auto` tries them on a device type.

    On a device that `preference` does not name, `auto` tries those of `elsewhere`. `kind` is the class of its backends.
    """

    def __init__(
        self,
        name: str,
        backends: Sequence[Backend],
        preference: Mapping[str, tuple[str, ...]] | None = None,
        elsewhere: tuple[str, ...] = ("torch",),
        kind: type[Backend] = Backend,
    ):
        self.name, self.elsewhere, self.kind = name, elsewhere, kind
        self.backends = {backend.name: backend for backend in backends}
        self.preference = dict(preference or {})
        _operations[name] = self

    def register(self, backend: Backend, preferred_on: Sequence[str] = ()) -> Backend:
        """Add a backend; `auto` tries it first on the device types named. Raises InputError where its name is taken."""
        self.check(backend, backend)
        if self.backends.get(backend.name, backend) is not backend or backend.name == "auto":
            raise InputError(f"{self.name} backend {backend.name!r}: the name is taken; choose another")
        self.backends[backend.name] = backend
        for device_type in preferred_on:
            others = [name for name in self.order(device_type) if name != backend.name]
            self.preference[device_type] = (backend.name, *others)
        return backend

    def check(self, name: object, backend: object) -> None:
        """Raise InputError unless `backend`, found as `name`, is one for this operation."""
        if not isinstance(backend, self.kind):
            expected = f"{self.kind.__module__}.{self.kind.__qualname__}"
            raise InputError(f"{self.name} backend {name!r}: expected a {expected}, got {backend!r}")

    def order(self, device_type: str) -> tuple[str, ...]:
        """The backends `auto` tries on such a device, in this order."""
        return self.preference.get(device_type, self.elsewhere)

    def available(self, device_type: str = "cpu") -> dict[str, list[str] | None]:
        """Each backend with None where it can run on `device_type` ("cpu", "cuda"), else the reasons why not."""
        return {name: self.why_not(name, device_type) or None for name in self.backends}

    def named(self, name: str) -> Backend:
        """The backend called `name`, or one from outside (see plugins.py); InputError with the names there are."""
        if name not in self.backends:
            _load(self.name, name)
        return self.backends[name]

    def why_not(self, backend: str | Backend, device_type: str, call: Any = None) -> list[str]:
        """Every reason a backend cannot run on such a device, or cannot do this call; empty where it can."""
        if isinstance(backend, str):
            missing, backend = _missing(self.name, backend, device_type), self.named(backend)
        else:
            missing = backend.missing(device_type)
        return [*missing, *(backend.refuses(call) if call is not None else ())]

    def choose(self, backend: str | Backend, device_type: str, call: Any) -> Backend:
        """The backend that runs `call`: the one asked for, or for `auto` the first that can.

        Raises BackendError with every reason where it cannot, InputError where there is none of that name.
        """
        if backend == "auto":
            return self._automatic(device_type, call)
        found = self.named(backend) if isinstance(backend, str) else backend
        reasons = self.why_not(backend, device_type, call)
        if reasons:
            raise BackendError(found.name, reasons, found.remedy)
        return found

    def _automatic(self, device_type: str, call: Any) -> Backend:
        passed_over = []
        for name in self.order(device_type):
            reasons = self.why_not(name, device_type, call)
            if not reasons:
                _announce(self.name, device_type, name, "; ".join(passed_over))
                return self.backends[name]
            passed_over.append(f"{name}: {', '.join(reasons)}")
        raise BackendError("auto", passed_over, "Ask for 'reference', which always runs.")


_operations: dict[str, Operation] = {}
_found_missing: dict[tuple[Callable, str], tuple[str, ...]] = {}
_announced: set[tuple[str, ...]] = set()


def forget() -> None:
    """Check again what this machine lacks, and announce again what `auto` chooses."""
    _found_missing.clear()
    _announced.clear()


# The next three go by names and are constant to torch.compile: what a machine lacks does not change while it runs.
@torch.compiler.assume_constant_result
def _missing(operation: str, backend: str, device_type: str) -> tuple[str, ...]:
    missing = _operations[operation].named(backend).missing
    if (missing, device_type) not in _found_missing:
        _found_missing[missing, device_type] = tuple(missing(device_type))
    return _found_missing[missing, device_type]


@torch.compiler.assume_constant_result
def _announce(operation: str, device_type: str, name: str, passed_over: str) -> None:
    """Say once what `auto` chose: quietly for its first choice, as a warning where it had to pass one over."""
    if (operation, device_type, name, passed_over) in _announced:
        return
    _announced.add((operation, device_type, name, passed_over))
    if passed_over:
        warnings.warn(f"{operation} backend auto: {name!r} on {device_type}, because {passed_over}", stacklevel=2)
    logger.info("%s backend auto: %s on %s", operation, name, device_type)


@torch.compiler.assume_constant_result
def _load(operation: str, name: str) -> None:
    """Find a backend from outside the package, and know it by that name from now on."""
    found = _operations[operation]
    backend = plugins.find(f"{operation.lower()}_backends", name, {"auto": None, **found.backends})
    found.check(name, backend)
    found.backends[name] = backend


def only_on(required: str) -> Callable[[str], list[str]]:
    """A `missing` that asks for tensors on one kind of device."""

    def missing(device_type: str) -> list[str]:
        return [] if device_type == required else [f"it needs {required} tensors, these are on {device_type}"]

    return missing
