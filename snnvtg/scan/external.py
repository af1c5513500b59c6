"""The fused CUDA kernels of mamba-ssm and causal-conv1d, where they are installed."""

import importlib
import importlib.util
import sys
import types
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.backends import only_on
from snnvtg.scan.inputs import Scan, ScanInputs
from snnvtg.scan.transforms import forward_mode

SCAN_REMEDY = (
    "On a machine with a GPU and nvcc: pip install setuptools wheel packaging ninja einops && MAMBA_FORCE_BUILD=TRUE "
    "pip install --no-build-isolation --no-deps --no-cache-dir mamba-ssm; or ask for the torch backend."
)
CONVOLUTION_REMEDY = (
    "On a machine with a GPU and nvcc: CAUSAL_CONV1D_FORCE_BUILD=TRUE pip install --no-build-isolation --no-deps "
    "--no-cache-dir causal-conv1d; or ask for the torch backend."
)


@lru_cache
def scan_interface() -> types.ModuleType:
    """`mamba_ssm.ops.selective_scan_interface`; raises ImportError where it cannot be had.

    mamba-ssm's own `__init__` also imports Mamba-3 and with it packages the Mamba-1 kernels do not need (tilelang,
    quack-kernels); where those are missing the interface is imported without running it.
    """
    try:
        return importlib.import_module("mamba_ssm.ops.selective_scan_interface")
    except ImportError as first:
        spec = importlib.util.find_spec("mamba_ssm")
        if spec is None or spec.submodule_search_locations is None:
            raise
        package = types.ModuleType("mamba_ssm")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["mamba_ssm"] = package
        try:
            return importlib.import_module("mamba_ssm.ops.selective_scan_interface")
        except ImportError as error:
            raise error from first
        finally:
            # a later `import mamba_ssm` must run the real one
            del sys.modules["mamba_ssm"]


def scan_missing(device_type: str) -> list[str]:
    reasons = only_on("cuda")(device_type)
    if importlib.util.find_spec("mamba_ssm") is None:
        return [*reasons, "mamba-ssm is not installed"]
    try:
        scan_interface()
    except (ImportError, OSError) as error:
        reasons.append(f"mamba-ssm is installed without its Mamba-1 kernels ({error})")
    return reasons


def scan_refuses(scan: Scan) -> list[str]:
    reasons = []
    if any(x.u.dtype == torch.float64 for x in scan.directions):
        reasons.append("it has no float64")
    if any(x.initial_state is not None for x in scan.directions):
        reasons.append("it takes no initial state")
    if any(x.A.shape[1] > 256 for x in scan.directions):
        reasons.append("it has at most 256 states")
    if scan.seq_idx is not None:
        reasons.append("it has no packed sequences (seq_idx)")
    if scan.return_state and scan.needs_gradient:
        reasons.append("its final state has no gradient")
    return reasons + forward_mode()


def run_scan(scan: Scan) -> tuple[Tensor, list[Tensor]]:
    """Output (B, L, D) in the type of u, and the last state (B, D, N) of each direction."""
    scan = scan.masked()
    y, states = 0, []
    # the gate is fused into the kernel where there is one direction
    z = scan.z if len(scan.directions) == 1 else None
    for direction, reverse in zip(scan.directions, scan.reverse, strict=True):
        output, state = _one_direction(direction, z, scan.valid_mask, reverse)
        y, states = y + output, [*states, state]
    if z is None and scan.z is not None:
        y = y * F.silu(scan.z)
    if scan.valid_mask is not None:
        y = torch.where(scan.valid_mask[..., None], y, 0)
    return y.to(scan.directions[0].u.dtype), states


def _one_direction(x: ScanInputs, z: Tensor | None, valid_mask: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    def rows(tensor: Tensor) -> Tensor:
        """(B, L, ·) as the (B, ·, L) the kernel reads, in scan order and in u's type."""
        tensor = tensor.to(x.u.dtype).transpose(1, 2)
        return (tensor.flip(-1) if reverse else tensor).contiguous()

    delta, bias, softplus = x.delta, x.delta_bias, x.delta_softplus
    if valid_mask is not None:
        # a step of length zero keeps the state; it has to be zero after bias and softplus
        delta = delta if bias is None else delta + bias
        delta = torch.where(valid_mask[..., None], F.softplus(delta) if softplus else delta, 0)
        bias, softplus = None, False
    y, state = scan_interface().selective_scan_fn(
        rows(x.u),
        rows(delta),
        x.A.float().contiguous(),
        rows(x.B),
        rows(x.C),
        None if x.D is None else x.D.float(),
        None if z is None else rows(z),
        None if bias is None else bias.float(),
        softplus,
        return_last_state=True,
    )
    return (y.flip(-1) if reverse else y).transpose(1, 2), state


def convolution_missing(device_type: str) -> list[str]:
    reasons = only_on("cuda")(device_type)
    if importlib.util.find_spec("causal_conv1d") is None:
        return [*reasons, "causal-conv1d is not installed"]
    try:
        importlib.import_module("causal_conv1d")
    except (ImportError, OSError) as error:
        reasons.append(f"causal-conv1d does not import ({error})")
    return reasons


def convolution_refuses(call) -> list[str]:
    reasons = []
    if call.x.dtype == torch.float64:
        reasons.append("it has no float64")
    if call.weight.shape[1] not in (2, 3, 4):
        reasons.append(f"its kernel width is 2 to 4, this one is {call.weight.shape[1]}")
    if call.seq_idx is not None:
        reasons.append("its packed sequences (seq_idx) are not used here")
    return reasons + forward_mode()


def run_convolution(call) -> Tensor:
    """(B, L, D) in the type of x."""
    x = call.masked_x()
    x = x.flip(1) if call.reverse else x
    bias = None if call.bias is None else call.bias.to(x.dtype)
    function = importlib.import_module("causal_conv1d").causal_conv1d_fn
    # its channels-last kernel needs a multiple of 8 channels
    rows = x.contiguous().transpose(1, 2)
    rows = rows if x.shape[2] % 8 == 0 else rows.contiguous()
    y = function(rows, call.weight.to(x.dtype).contiguous(), bias, activation=call.activation).transpose(1, 2)
    y = y.flip(1) if call.reverse else y
    return y if call.valid_mask is None else torch.where(call.valid_mask[..., None], y, 0)
