"""Mamba: from a sequence to its selective scan, as mamba_ssm's block and as the two-way form of SpikeMba.

`ScanParameters` is the core of both. `Mamba` has the parameter names and shapes of `mamba_ssm.Mamba`, so that state
dicts load in both directions; `DepthwiseConv` and `SelectiveSSM` run it in one or both directions. Sources: Gu and Dao
2023, Fig. 3 and Alg. 2; Li et al. 2024, Alg. 1 and 2. Glossary: d model width, E = expand·d inner width, N states, K
convolution width, R rank of Δ, M positions.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.scan import ScanInputs, bidirectional_selective_scan, causal_conv1d, selective_scan

Direction = Literal["bidirectional", "forward"]


class ScanParameters(nn.Module):
    """Lines 7-12 of Alg. 1 for one direction: Δ, B, C from the input, with A and the skip D.

    As printed these lines lack the exponential and give B and C the wrong shape; built as in Mamba (Gu and Dao, 2023,
    Alg. 2): A = −exp(A_log), Ā = exp(ΔA), B̄ = ΔB, Δ = softplus(Linear(x) + bias), B and C of N states.
    """

    def __init__(self, width: int, state_size: int, rank: int, delta_range: tuple[float, float] = (1e-3, 1e-1)):
        super().__init__()
        self.state_size, self.rank = state_size, rank
        self.x_proj = nn.Linear(width, rank + 2 * state_size, bias=False)
        self.dt_proj = nn.Linear(rank, width)
        self.A_log = nn.Parameter(torch.arange(1, state_size + 1, dtype=torch.float32).log().repeat(width, 1))
        self.D = nn.Parameter(torch.ones(width))
        low, high = map(math.log, delta_range)
        with torch.no_grad():
            self.dt_proj.weight.uniform_(-(rank**-0.5), rank**-0.5)
            delta = torch.exp(torch.rand(width) * (high - low) + low)
            self.dt_proj.bias.copy_(delta + torch.log(-torch.expm1(-delta)))  # the inverse of softplus

    def forward(self, x: Tensor) -> ScanInputs:
        """x (B, M, E), after the convolution -> what the scan of this direction reads."""
        low_rank, B, C = self.x_proj(x).split([self.rank, self.state_size, self.state_size], -1)
        delta = nn.functional.linear(low_rank, self.dt_proj.weight)
        A = -torch.exp(self.A_log)
        return ScanInputs(u=x, delta=delta, A=A, B=B, C=C, D=self.D, delta_bias=self.dt_proj.bias)


def _scan(s: ScanInputs, z: Tensor | None, **options) -> Tensor | tuple[Tensor, Tensor]:
    return selective_scan(s.u, s.delta, s.A, s.B, s.C, s.D, z, s.delta_bias, **options)


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

    def forward(
        self,
        x: Tensor,
        valid_mask: Tensor | None = None,
        *,
        reverse: bool = False,
        seq_idx: Tensor | None = None,
        state: MambaState | None = None,
        return_state: bool = False,
    ) -> Tensor | tuple[Tensor, MambaState]:
        """x (B, L, d), valid_mask (B, L) -> (B, L, d); with `reverse` from the last position to the first.

        Invalid positions leave the state and give out_proj of 0. `seq_idx` (B, L) packs sequences into a row: where it
        changes the next begins. `state` is what came before (zeros by default); with `return_state` also the state
        after the last valid position, from which `step` goes on.
        """
        x, z = self.in_proj(x).chunk(2, -1)  # (B, L, E) each
        options = {"valid_mask": valid_mask, "reverse": reverse, "seq_idx": seq_idx, "return_state": return_state}
        before = (None, None) if state is None else state
        weight = self.conv1d.weight[:, 0]  # (E, K)
        u = causal_conv1d(x, weight, self.conv1d.bias, initial_state=before[0], **options)
        u, conv = u if return_state else (u, None)
        y = _scan(super().forward(u), z, initial_state=before[1], backend=self.backend, **options)
        y, ssm = y if return_state else (y, None)
        out = self.out_proj(y)  # (B, L, d)
        return (out, MambaState(conv, ssm)) if return_state else out

    def initial_state(self, batch: int) -> MambaState:
        """The state before the first step of a stream: zeros."""
        weight = self.in_proj.weight
        return MambaState(
            weight.new_zeros(batch, self.config.d_conv - 1, self.config.d_inner),
            torch.zeros(batch, self.config.d_inner, self.config.d_state, device=weight.device, dtype=self.A_log.dtype),
        )

    def step(self, x: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """One position of a stream: x (B, d) -> (B, d) and the state after it."""
        y, state = self(x[:, None], state=state, return_state=True)
        return y[:, 0], state


class DepthwiseConv(nn.Module):
    """SiLU(Conv1d) along the sequence, causal; for both directions one causal and one anticausal convolution."""

    def __init__(self, width: int, kernel_size: int, direction: Direction):
        super().__init__()
        count = 2 if direction == "bidirectional" else 1
        bound = 1 / math.sqrt(kernel_size)
        self.weight = nn.Parameter(torch.empty(count, width, kernel_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, width).uniform_(-bound, bound))

    def forward(self, x: Tensor, valid_mask: Tensor) -> list[Tensor]:
        """x (B, M, E) -> one (B, M, E) per direction."""
        return [
            causal_conv1d(x, self.weight[k], self.bias[k], valid_mask=valid_mask, reverse=k == 1)
            for k in range(len(self.weight))
        ]


class SelectiveSSM(nn.Module):
    """SSM(Ā, B̄, C)(x) with input-dependent parameters; both directions are summed."""

    def __init__(self, width: int, state_size: int, direction: Direction, backend: str = "auto"):
        super().__init__()
        count = 2 if direction == "bidirectional" else 1
        rank = math.ceil(width / 32)
        self.directions = nn.ModuleList(ScanParameters(width, state_size, rank) for _ in range(count))
        self.backend = backend

    def forward(self, xs: list[Tensor], valid_mask: Tensor, z: Tensor | None = None) -> Tensor:
        """xs: one (B, M, E) per direction; valid_mask (B, M); gate z (B, M, E) -> (B, M, E)."""
        inputs = [parameters(x) for parameters, x in zip(self.directions, xs, strict=True)]
        if len(inputs) == 1:
            return _scan(inputs[0], z, valid_mask=valid_mask, backend=self.backend)
        return bidirectional_selective_scan(*inputs, z=z, valid_mask=valid_mask, backend=self.backend)
