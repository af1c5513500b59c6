"""The spiking saliency detector (SSD): Eq. 4 and 5 of SpikeMba."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from snnvtg.layers.norm import MaskedBatchNorm
from snnvtg.models.spikemba.dense_detector import DenseDetector
from snnvtg.neurons import LIF, LIFParameters, SpikeCode, SpikeEncoder

Encoding = Literal["direct", "between", SpikeCode]
LIF_LAYERS = {"q_lif": "queries", "k_lif": "keys", "v_lif": "values", "out_lif": "saliency proposals"}
"""the neurons of a detector and what they spike for"""


class SpikingSaliencyDetector(nn.Module):
    """Spiking self-attention over the clips; its output spikes are the saliency proposals.

        Q, K, V = SNN(W_q X), SNN(W_k X), SNN(W_v X);  G = scale · Q Kᵀ V;  S = SNN(BN(Linear(G)))          (Eq. 5)

    The paper leaves X undefined. `direct` encoding makes it the current of every time step, so its projections are
    computed once, not T times; with `poisson` and `latency` it becomes spikes first, T steps of them, whose projections
    add weights up instead of multiplying. There is no softmax. The paper prints BN before the last neuron only;
    `qkv_bn` puts one before the other three as well, without which their currents have no scale to meet the threshold
    with. Where X is spikes its statistics run over T too, as those of the last one do.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        parameters: LIFParameters,
        *,
        scale: float,
        qkv_bn: bool,
        order: Literal["scores", "values"],
        encoding: Encoding = "direct",
        matched: bool = False,
        spread: float = 0.0,
        seed: int = 0,
    ):
        """`matched`: the proposing neurons hear how well a clip matches the query, each channel by a weight of its own.

        `spread`: the thresholds of S differ by channel from 1 − spread to 1 + spread at first, as shifts of its norm.
        `seed`: of the noise that Poisson encoding meets in evaluation; another one for each detector.
        """
        super().__init__()
        self.num_heads, self.scale, self.order = num_heads, scale, order
        self.encoder = None if encoding in ("direct", "between") else SpikeEncoder(encoding, seed)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.q_norm, self.k_norm, self.v_norm = (MaskedBatchNorm(width) if qkv_bn else None for _ in range(3))
        self.out_norm = MaskedBatchNorm(width)
        self.match_gain = nn.Parameter(torch.full((width,), 0.5)) if matched else None
        with torch.no_grad():  # a lower shift is a higher threshold
            self.out_norm.bias.copy_(torch.linspace(spread, -spread, width))
        self.q_lif, self.k_lif, self.v_lif, self.out_lif = (LIF(parameters) for _ in range(4))

    def dense_twin(self) -> DenseDetector:
        """What an energy report sets beside it: softmax attention with the same weights."""
        return DenseDetector(self)

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int, match: Tensor | None = None) -> Tensor:
        """x (B, M, C), or (T, B, M, C); valid_mask (B, M) -> spikes (T, B, M, C); padded positions do not spike.

        `match` (B, M, 1): see `matched`.
        """
        keep = valid_mask.unsqueeze(-1).to(x.dtype)
        current = self.out_proj(self.attended(*self._qkv(x, valid_mask, num_timesteps, keep)))
        scale, shift = self.out_norm.affine(current, valid_mask)
        if match is None:
            return self.out_lif(current, scale=scale, shift=shift) * keep
        return self.out_lif(current * scale + shift + match * self.match_gain) * keep

    def _qkv(self, x: Tensor, valid_mask: Tensor, num_timesteps: int, keep: Tensor) -> Iterator[Tensor]:
        if self.encoder is not None:
            x = self.encoder(x, num_timesteps)
        if x.dim() == 4:
            num_timesteps = None  # (T, B, M, C): time is an axis already
        for project, norm, lif, padded in (
            (self.q_proj, self.q_norm, self.q_lif, False),
            (self.k_proj, self.k_norm, self.k_lif, True),
            (self.v_proj, self.v_norm, self.v_lif, False),
        ):
            current = project(x)
            scale, shift = (None, None) if norm is None else norm.affine(current, valid_mask)
            spikes = lif(current, num_timesteps=num_timesteps, scale=scale, shift=shift)
            # a padded key would be attended to; a padded query or value of a silent key reaches nothing
            yield spikes * keep if padded else spikes

    def attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """G = scale · Q Kᵀ V from spikes (T, B, M, C), head by head -> (T, B, M, C)."""
        q, k, v = (self._heads(spikes) for spikes in (q, k, v))
        together = (q @ k.transpose(-1, -2)) @ v if self.order == "scores" else q @ (k.transpose(-1, -2) @ v)
        return (together * self.scale).transpose(2, 3).flatten(3)

    def _heads(self, spikes: Tensor) -> Tensor:
        """(T, B, M, C) -> (T, B, heads, M, C / heads)."""
        return spikes.unflatten(-1, (self.num_heads, -1)).transpose(2, 3)
