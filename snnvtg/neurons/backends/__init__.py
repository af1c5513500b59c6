"""Everything that can run a LIF layer, one file each, and the explicit list of them.

A backend asked for by name runs or raises BackendError with every reason; only `auto` chooses, and says what it chose.
"""

import logging
import warnings

import torch

from snnvtg.errors import BackendError, InputError
from snnvtg.neurons.backends.base import Backend, Neuron
from snnvtg.neurons.backends.fused import FUSED
from snnvtg.neurons.backends.reference import REFERENCE
from snnvtg.neurons.backends.snntorch import SNNTORCH
from snnvtg.neurons.backends.spikingjelly import SPIKINGJELLY
from snnvtg.neurons.backends.spikingjelly_cupy import SPIKINGJELLY_CUPY
from snnvtg.neurons.backends.torch_ops import TORCH

BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (REFERENCE, FUSED, TORCH, SNNTORCH, SPIKINGJELLY, SPIKINGJELLY_CUPY)
}
AUTO_ORDER = ("fused", "torch")

logger = logging.getLogger(__name__)


def available_backends(device: str = "cpu") -> dict[str, list[str] | None]:
    """Each backend with None where it can run on `device` ("cpu", "cuda"), else the reasons why not."""
    return {name: backend.missing(device) or None for name, backend in BACKENDS.items()}


def choose(name: str | Backend, neuron: Neuron, device: str) -> Backend:
    """The backend called `name` (or given itself), or for `auto` the first of AUTO_ORDER that runs `neuron` here.

    Raises BackendError with every reason where the backend asked for cannot run, InputError where there is none of
    that name.
    """
    if name == "auto":
        return _automatic(neuron, device)
    backend = name if isinstance(name, Backend) else named(name)
    reasons = [*backend.missing(device), *backend.refuses(neuron)]
    if reasons:
        raise BackendError(backend.name, reasons, backend.remedy)
    return backend


def named(name: str) -> Backend:
    """The backend called `name`; raises InputError with the names there are."""
    if name not in BACKENDS:
        raise InputError(f"unknown LIF backend {name!r}: expected auto, {', '.join(BACKENDS)}")
    return BACKENDS[name]


def _automatic(neuron: Neuron, device: str) -> Backend:
    passed_over: list[str] = []
    for name in AUTO_ORDER:
        backend = BACKENDS[name]
        reasons = [*backend.missing(device), *backend.refuses(neuron)]
        if not reasons:
            _announce(name, device, "; ".join(passed_over))
            return backend
        passed_over.append(f"{name}: {', '.join(reasons)}")
    raise BackendError("auto", passed_over, "Ask for 'reference', which always runs.")


_announced: set[tuple[str, str, str]] = set()


@torch.compiler.assume_constant_result
def _announce(name: str, device: str, passed_over: str) -> None:
    """Say once what `auto` chose: quietly for its first choice, as a warning where it had to pass one over."""
    if (name, device, passed_over) in _announced:
        return
    _announced.add((name, device, passed_over))
    if passed_over:
        warnings.warn(f"LIF backend auto: {name!r} on {device}, because {passed_over}", stacklevel=2)
    logger.info("LIF backend auto: %s on %s", name, device)
