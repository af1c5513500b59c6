"""The selective scan of Mamba and the short convolution before it: one function each, many backends."""

from snnvtg.scan.convolution import CAUSAL_CONV1D, causal_conv1d
from snnvtg.scan.inputs import ScanInputs
from snnvtg.scan.selective import SELECTIVE_SCAN, bidirectional_selective_scan, selective_scan

__all__ = [
    "CAUSAL_CONV1D",
    "SELECTIVE_SCAN",
    "ScanInputs",
    "available_backends",
    "bidirectional_selective_scan",
    "causal_conv1d",
    "selective_scan",
]


def available_backends(device: str = "cpu") -> dict[str, list[str] | None]:
    """Each backend of `selective_scan` with None where it can run on `device` ("cpu", "cuda"), else the reasons."""
    return SELECTIVE_SCAN.available(device)
