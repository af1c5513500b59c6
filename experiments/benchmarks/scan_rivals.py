"""Other people's selective scans, run as they are, for the benchmark. None is needed for anything else.

Each takes the tensors of `selective_scan` (softplus and z gate included) and returns y (B, L, D). `mamba2-form` is
another model's scan: a rate and a step for each head of 64 channels (see mamba2_form.py).
"""

import importlib
import sys
import types
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

from torch import Tensor
from torch.nn import functional as F

import mamba2_form
from snnvtg.scan import external, selective_scan

Scan = Callable[..., Tensor]


@lru_cache
def mambapy() -> Scan:
    """mambapy 1.2's parallel scan; raises ImportError where it is not installed."""
    block = importlib.import_module("mambapy.mamba").MambaBlock

    def scan(u, delta, A, B, C, D, z, delta_bias):
        # its method does not look at its `self`
        return block.selective_scan(None, u, F.softplus(delta + delta_bias), A, B, C, D) * F.silu(z)

    return scan


@lru_cache
def transformers() -> Scan:
    """The loop transformers' Mamba runs without CUDA kernels; raises ImportError where it is not installed."""
    modeling = importlib.import_module("transformers.models.mamba.modeling_mamba")
    try:
        function = modeling.mamba_selective_scan
    except AttributeError:
        raise ImportError("this transformers has no mamba_selective_scan; version 5.23 has") from None

    def scan(u, delta, A, B, C, D, z, delta_bias):
        rows = (t.transpose(1, 2) for t in (u, delta, B, C, z))
        u, delta, B, C, z = rows
        return function(u, delta, A, B, C, D, z, delta_bias, delta_softplus=True).transpose(1, 2)

    return scan


@lru_cache
def mamba_ssm_reference() -> Scan:
    """mamba-ssm's own loop in torch, `selective_scan_ref`; raises ImportError where it is not installed."""
    # the loop needs no kernels, but its module imports them
    stand_in = find_spec("selective_scan_cuda") is None
    if stand_in:
        sys.modules["selective_scan_cuda"] = types.ModuleType("selective_scan_cuda")
    try:
        function = external.scan_interface.__wrapped__().selective_scan_ref
    finally:
        if stand_in:
            for name in ("selective_scan_cuda", "mamba_ssm.ops.selective_scan_interface"):
                sys.modules.pop(name, None)

    def scan(u, delta, A, B, C, D, z, delta_bias):
        rows = (t.transpose(1, 2) for t in (u, delta, B, C, z))
        u, delta, B, C, z = rows
        y = function(u, delta, A, B, C, D, z, delta_bias, delta_softplus=True)
        return y.transpose(1, 2)

    return scan


RIVALS: dict[str, Callable[[], Scan]] = {
    "mambapy": mambapy,
    "transformers-slow": transformers,
    "mamba-ssm-reference": mamba_ssm_reference,
    "mamba2-form": lambda: mamba2_form.scan,
}


def expected(name: str, tensors: list[Tensor], backend: str) -> Tensor:
    """What the rival should compute on the tensors of `selective_scan`, by one of our backends."""
    if name == "mamba2-form":
        return mamba2_form.same_by_selective_scan(*tensors, backend=backend)
    return selective_scan(*tensors, backend=backend)


def absent() -> dict[str, str]:
    """The rivals that cannot be had here, each with the reason."""
    reasons = {}
    for name, load in RIVALS.items():
        try:
            load()
        except (ImportError, OSError) as error:
            reasons[name] = " ".join(str(error).split())
    return reasons
