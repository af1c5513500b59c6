"""The selective scan of Mamba and the short convolution before it: one function each, many backends."""

from snnvtg.scan.convolution import causal_conv1d
from snnvtg.scan.inputs import ScanInputs
from snnvtg.scan.selective import ONE_DIRECTION, bidirectional_selective_scan, selective_scan

__all__ = [
    "ScanInputs",
    "available_backends",
    "bidirectional_selective_scan",
    "causal_conv1d",
    "selective_scan",
]


def available_backends(device: str = "cpu") -> dict[str, list[str] | None]:
    """Each backend of `selective_scan` with None where it can run on `device` ("cpu", "cuda"), else the reasons."""
    return {name: ONE_DIRECTION.why_not(name, device) or None for name in ONE_DIRECTION.backends}
