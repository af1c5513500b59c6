"""The selective state-space model of Alg. 1 and 2: from a sequence to its scan, in one or both directions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from snnvtg.scan import ScanInputs, bidirectional_selective_scan, causal_conv1d, selective_scan

Direction = Literal["bidirectional", "forward"]


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
        if len(inputs) == 2:
            return bidirectional_selective_scan(*inputs, z=z, valid_mask=valid_mask, backend=self.backend)
        one = inputs[0]
        given = (one.u, one.delta, one.A, one.B, one.C, one.D, z, one.delta_bias)
        return selective_scan(*given, valid_mask=valid_mask, backend=self.backend)
