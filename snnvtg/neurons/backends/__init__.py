"""Everything that can run a LIF layer, one file each, and the explicit list of them."""

from snnvtg.backends import Operation
from snnvtg.neurons.backends.base import Backend, Neuron
from snnvtg.neurons.backends.fused import FUSED
from snnvtg.neurons.backends.reference import REFERENCE
from snnvtg.neurons.backends.snntorch import SNNTORCH
from snnvtg.neurons.backends.spikingjelly import SPIKINGJELLY
from snnvtg.neurons.backends.spikingjelly_cupy import SPIKINGJELLY_CUPY
from snnvtg.neurons.backends.torch_ops import TORCH

LIF_OPERATION = Operation(
    "LIF",
    (REFERENCE, FUSED, TORCH, SNNTORCH, SPIKINGJELLY, SPIKINGJELLY_CUPY),
    elsewhere=("fused", "torch", "reference"),
    kind=Backend,
)
BACKENDS: dict[str, Backend] = LIF_OPERATION.backends


def available_backends(device: str = "cpu") -> dict[str, list[str] | None]:
    """Each backend with None where it can run on `device` ("cpu", "cuda"), else the reasons why not."""
    return LIF_OPERATION.available(device)


def choose(name: str | Backend, neuron: Neuron, device: str) -> Backend:
    """The backend called `name` (or given itself), or for `auto` the first that runs `neuron` on `device`.

    Raises BackendError with every reason where the backend asked for cannot run, InputError where there is none of
    that name.
    """
    return LIF_OPERATION.choose(name, device, neuron)
