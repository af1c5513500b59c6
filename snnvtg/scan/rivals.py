"""Other people's selective scans, run as they are, for the benchmark. None is needed for anything else.

Each takes the tensors of `selective_scan` (softplus and z gate included) and returns y (B, L, D).
"""

import importlib
import sys
import types
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.scan import external

Scan = Callable[..., Tensor]


@lru_cache
def mambapy() -> Scan:
    """mambapy 1.2's parallel scan; raises ImportError where it is not installed."""
    block = importlib.import_module("mambapy.mamba").MambaBlock

    def scan(u, delta, A, B, C, D, z, delta_bias):
        # its method does not look at its `self`
        return block.selective_scan(None, u, F.softplus(delta + delta_bias), A, B, C, D) * F.silu(z)

    return scan


class _Given(nn.Module):
    """A layer that returns a tensor made beforehand, whatever comes in."""

    def forward(self, _: Tensor) -> Tensor:
        return self.tensor


class _GateOnly(nn.Module):
    """SiLU on every second call: the mixer calls its activation on the convolution's output, then on the gate."""

    gate = False

    def forward(self, x: Tensor) -> Tensor:
        self.gate = not self.gate
        return x if self.gate else F.silu(x)


@lru_cache
def transformers() -> Scan:
    """The path transformers' Mamba takes without CUDA kernels; raises ImportError where it is not installed.

    Its projections and convolution are replaced by the tensors they would give, so that only its scan is left.
    """
    modeling = importlib.import_module("transformers.models.mamba.modeling_mamba")
    configuration = importlib.import_module("transformers.models.mamba.configuration_mamba")

    def scan(u, delta, A, B, C, D, z, delta_bias):
        width, states = A.shape
        config = configuration.MambaConfig(
            hidden_size=8, state_size=states, intermediate_size=width, time_step_rank=width, num_hidden_layers=1
        )
        # the weights are replaced below; on "meta" making them costs nothing
        with torch.device("meta"):
            mixer = modeling.MambaMixer(config, layer_idx=0)
        mixer.in_proj, mixer.x_proj, mixer.dt_proj = _Given(), _Given(), nn.Identity()
        mixer.conv1d, mixer.out_proj, mixer.act = nn.Identity(), nn.Identity(), _GateOnly()
        mixer.in_proj.tensor = torch.cat([u, z], -1)
        mixer.x_proj.tensor = torch.cat([delta + delta_bias, B, C], -1)
        mixer.intermediate_size, mixer.time_step_rank = width, width
        del mixer.A_log, mixer.D
        mixer.A_log, mixer.D = torch.log(-A), D
        return mixer.slow_forward(u)

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
}


def absent() -> dict[str, str]:
    """The rivals that cannot be had here, each with the reason."""
    reasons = {}
    for name, load in RIVALS.items():
        try:
            load()
        except (ImportError, OSError) as error:
            reasons[name] = " ".join(str(error).split())
    return reasons
