"""Who a spiking network competes with, counted by the same ledger: its dense twin and its quantised twin.

The dense twin has softmax attention in place of the spiking detector (Eq. 5 without SNN): the same four projections and
normalisations, each once instead of the last ones T times, no LIF layer. Nothing is folded or fused in one of the two
that is not in the other.

The quantised twin is the dense twin at the precision a T-step rate code has: T + 1 levels, b = ⌈log2(T + 1)⌉ bits. Its
products with b-bit activations cost no more than b shifted accumulates each (one a bit), or a MAC where that is less.
Its scores' and values' products count as b² and b accumulates; the softmax stays.
"""

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from snnvtg.energy.account import Account, OpRecord
from snnvtg.energy.pricing import AnyModel, energy_pj, find
from snnvtg.layers.saliency_detector import SpikingSaliencyDetector


class DenseDetector(nn.Module):
    """Softmax attention with the detector's projections; its output (1, B, M, C) takes the place of the spikes."""

    def __init__(self, spiking: SpikingSaliencyDetector):
        super().__init__()
        self.num_heads, self.scale = spiking.num_heads, spiking.scale
        self.q_proj, self.k_proj, self.v_proj = spiking.q_proj, spiking.k_proj, spiking.v_proj
        self.q_norm, self.k_norm, self.v_norm = spiking.q_norm, spiking.k_norm, spiking.v_norm
        self.out_proj, self.out_norm = spiking.out_proj, spiking.out_norm

    def forward(self, x: Tensor, valid_mask: Tensor, num_timesteps: int) -> Tensor:
        """x (B, M, C), valid_mask (B, M) -> (1, B, M, C), at least 0 like a rate."""
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
        return torch.relu(self._normed(self.out_proj, self.out_norm, attended, valid_mask)).unsqueeze(0)

    @staticmethod
    def _normed(project: nn.Linear, norm: nn.Module | None, x: Tensor, valid_mask: Tensor) -> Tensor:
        current = project(x)
        return current if norm is None else norm(current, valid_mask)


def dense_twin(model: nn.Module) -> nn.Module:
    """A copy of `model` with a DenseDetector for each SpikingSaliencyDetector; meant for counting, not for use."""
    twin = copy.deepcopy(model)
    for module in list(twin.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SpikingSaliencyDetector):
                setattr(module, name, DenseDetector(child))
    return twin


def detector_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the spiking detectors of `model` (and so of their twins)."""
    return tuple(n for n, module in model.named_modules() if isinstance(module, SpikingSaliencyDetector))


def bits(num_timesteps: int) -> int:
    """Bits that tell the T + 1 levels of a T-step rate code apart."""
    return math.ceil(math.log2(num_timesteps + 1))


def quantised_twin_pj(twin: Account, detectors: tuple[str, ...], num_timesteps: int, model: str | AnyModel) -> float:
    """Energy of the dense twin with its detectors at ⌈log2(T + 1)⌉ bits.

    Under a chip model the accumulates are synaptic operations where those are cheaper than the host's MACs.
    """
    model, b = find(model), bits(num_timesteps)
    quantised = Account([_quantised(record, detectors, b) for record in twin.phase("forward")])
    return min(energy_pj(quantised, model), energy_pj(twin, model))


def _quantised(record: OpRecord, detectors: tuple[str, ...], b: int) -> OpRecord:
    inside = any(record.module == name or record.module.startswith(f"{name}.") for name in detectors)
    if not inside or "mac" not in record.counts:
        return record
    # the two products inside attention have no weights; the scores' operands are both b-bit
    factor = b if record.weight_bytes else b * (b + 1) / 2
    macs = round(record.counts["mac"][0] * factor)
    counts = {kind: count for kind, count in record.counts.items() if kind != "mac"}
    dense = record.dense_in
    return replace(record, counts={"ac": (macs, macs), **counts}, spikes_in=round(dense * factor), dense_in=dense)
