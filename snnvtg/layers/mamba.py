"""The Mamba block, with the parameter names and shapes of `mamba_ssm.Mamba`: state dicts load in both directions.

Source: Gu and Dao 2023, Fig. 3 and Alg. 2. Glossary: d model width, E = expand·d inner width, N states, K convolution
width, R rank of Δ.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.layers.ssm import ScanParameters
from snnvtg.scan import causal_conv1d, selective_scan


@dataclass(frozen=True)
class MambaConfig:
    """Sizes of a Mamba block; the defaults are mamba_ssm's."""

    d_model: int
    d_state: int = 16
    d_conv: int = 4
    expand: int = 2
    dt_rank: int | None = None  # None: ceil(d_model / 16)
    conv_bias: bool = True
    bias: bool = False
    delta_range: tuple[float, float] = (1e-3, 1e-1)

    def __post_init__(self):
        for name in ("d_model", "d_state", "d_conv", "expand"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.dt_rank is not None and self.dt_rank < 1:
            raise InputError(f"dt_rank: expected at least 1 or None, got {self.dt_rank}")

    @property
    def d_inner(self) -> int:
        return self.expand * self.d_model

    @property
    def rank(self) -> int:
        return math.ceil(self.d_model / 16) if self.dt_rank is None else self.dt_rank


class MambaState(NamedTuple):
    """What a block remembers between two steps of a stream."""

    conv: Tensor  # (B, K - 1, E): the last inputs of the convolution
    ssm: Tensor  # (B, E, N)


class Mamba(ScanParameters):
    """in_proj → (x, z) → causal convolution, SiLU → selective scan, gated by silu(z) → out_proj."""

    def __init__(self, config: MambaConfig, backend: str = "auto"):
        super().__init__(config.d_inner, config.d_state, config.rank, config.delta_range)
        self.config, self.backend = config, backend
        width, kernel = config.d_inner, config.d_conv
        self.in_proj = nn.Linear(config.d_model, 2 * width, bias=config.bias)
        # holds the weights under mamba_ssm's names; the convolution itself is `causal_conv1d`
        self.conv1d = nn.Conv1d(width, width, kernel, groups=width, padding=kernel - 1, bias=config.conv_bias)
        self.out_proj = nn.Linear(width, config.d_model, bias=config.bias)

    def forward(self, x: Tensor, valid_mask: Tensor | None = None, *, reverse: bool = False) -> Tensor:
        """x (B, L, d), valid_mask (B, L) -> (B, L, d); with `reverse` from the last position to the first.

        Invalid positions leave the state and give out_proj of 0.
        """
        x, z = self.in_proj(x).chunk(2, -1)
        u = self._convolve(x, valid_mask, reverse)
        return self.out_proj(self._scan(u, z, valid_mask=valid_mask, reverse=reverse))

    def initial_state(self, batch: int) -> MambaState:
        """The state before the first step of a stream: zeros."""
        weight = self.in_proj.weight
        return MambaState(
            weight.new_zeros(batch, self.config.d_conv - 1, self.config.d_inner),
            torch.zeros(batch, self.config.d_inner, self.config.d_state, device=weight.device, dtype=self.A_log.dtype),
        )

    def step(self, x: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """One position of a stream: x (B, d) -> (B, d) and the state after it."""
        x, z = self.in_proj(x[:, None]).chunk(2, -1)
        window = torch.cat([state.conv, x], 1)
        # the newest output of the window is the one causal output with all K inputs
        u = self._convolve(window, None, False)[:, -1:]
        y, ssm = self._scan(u, z, initial_state=state.ssm, return_state=True)
        return self.out_proj(y)[:, 0], MambaState(window[:, 1:], ssm)

    def _convolve(self, x: Tensor, valid_mask: Tensor | None, reverse: bool) -> Tensor:
        weight = self.conv1d.weight[:, 0]
        return causal_conv1d(x, weight, self.conv1d.bias, valid_mask=valid_mask, reverse=reverse)

    def _scan(self, u: Tensor, z: Tensor, **options):
        s = super().forward(u)
        given = (s.u, s.delta, s.A, s.B, s.C, s.D, z, s.delta_bias)
        return selective_scan(*given, backend=self.backend, **options)
