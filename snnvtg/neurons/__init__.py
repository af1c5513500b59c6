"""LIF neurons: one reference (Eq. 4), one module, interchangeable backends."""

import logging

from snnvtg.neurons.backends import available_backends
from snnvtg.neurons.encoding import SpikeCode, SpikeEncoder, encode, hashed_uniform
from snnvtg.neurons.extended import LIFState
from snnvtg.neurons.functional import lif
from snnvtg.neurons.lif import LIFParameters, lif_reference, lif_step
from snnvtg.neurons.module import LIF, set_backend
from snnvtg.neurons.surrogate import SURROGATES, register_surrogate

# torch says it once for every operator that a library registers; who has no triton cannot change it
logging.getLogger("torch._library.triton").addFilter(lambda record: "Triton not available" not in record.getMessage())

__all__ = [
    "LIF",
    "SURROGATES",
    "LIFParameters",
    "LIFState",
    "SpikeCode",
    "SpikeEncoder",
    "available_backends",
    "encode",
    "hashed_uniform",
    "lif",
    "lif_reference",
    "lif_step",
    "register_surrogate",
    "set_backend",
]
