"""What the spiking saliency detector competes with: softmax attention with the same projections and no neuron."""

import torch
from torch import Tensor, nn


class DenseDetector(nn.Module):
    """Eq. 5 without SNN: softmax attention with the detector's own four projections and normalisations.

    Each of them runs once, not the last ones T times; its output (1, B, M, C) takes the place of the spikes. Nothing
    is folded or fused in one of the two and not in the other.
    """

    def __init__(self, spiking: nn.Module):
        super().__init__()
        self.num_heads, self.scale = spiking.num_heads, spiking.scale
        self.q_proj, self.k_proj, self.v_proj = spiking.q_proj, spiking.k_proj, spiking.v_proj
        self.q_norm, self.k_norm, self.v_norm = spiking.q_norm, spiking.k_norm, spiking.v_norm
        self.out_proj, self.out_norm = spiking.out_proj, spiking.out_norm
        self.match_gain = spiking.match_gain

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int, match: Tensor | None = None) -> Tensor:
        """x (B, M, C), valid_mask (B, M), match (B, M, 1) -> (1, B, M, C), at least 0 like a rate."""
        if x.dim() == 4:
            x = x.mean(0)  # it has no time steps
        q, k, v = (
            self._normed(project, norm, x, valid_mask).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project, norm in (
                (self.q_proj, self.q_norm),
                (self.k_proj, self.k_norm),
                (self.v_proj, self.v_norm),
            )
        )
        scores = ((q @ k.transpose(-1, -2)) * self.scale).masked_fill(~valid_mask[:, None, None], float("-inf"))
        attended = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        current = self._normed(self.out_proj, self.out_norm, attended, valid_mask)
        if match is not None:
            current = current + match * self.match_gain
        return torch.relu(current).unsqueeze(0)

    @staticmethod
    def _normed(project: nn.Linear, norm: nn.Module | None, x: Tensor, valid_mask: Tensor) -> Tensor:
        current = project(x)
        return current if norm is None else norm(current, valid_mask)
