"""LIF neurons: one law (Eq. 4), one module, interchangeable backends."""

from snnvtg.neurons.backends import available_backends
from snnvtg.neurons.encoding import SpikeCode, SpikeEncoder, encode, hashed_uniform
from snnvtg.neurons.lif import LIFParameters, lif_reference, lif_step
from snnvtg.neurons.module import LIF, lif, set_backend
from snnvtg.neurons.surrogate import SURROGATES

__all__ = [
    "LIF",
    "SURROGATES",
    "LIFParameters",
    "SpikeCode",
    "SpikeEncoder",
    "available_backends",
    "encode",
    "hashed_uniform",
    "lif",
    "lif_reference",
    "lif_step",
    "set_backend",
]
