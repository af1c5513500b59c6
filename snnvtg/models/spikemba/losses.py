"""The losses that need spikes: L_con of Section 3.5, and the firing-rate penalty, which is not in the paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from snnvtg.errors import InputError
from snnvtg.models.clipwise import ClipwiseLossConfig
from snnvtg.models.clipwise.losses import sentence_numbers
from snnvtg.models.losses import info_nce, masked_mean
from snnvtg.models.spikemba.output import SpikeMbaOutput
from snnvtg.models.spikemba.proposals import clip_rates
from snnvtg.records import Batch


@dataclass(frozen=True)
class SpikeMbaLossConfig(ClipwiseLossConfig):
    """The losses of the heads, and those of the spikes."""

    contrastive: float = 0.1
    """α_c"""
    contrastive_form: Literal["symmetric", "infonce", "printed"] = "infonce"
    """printed pushes the matching pair apart; infonce draws it together, from spikes to queries; symmetric does in both
    directions, and does not count the same sentence elsewhere in the batch against itself"""
    contrastive_temperature: float = 0.07
    saliency: float = 0.0
    """weight of `saliency_loss`, on the rates r_i of the clips; the only loss on S in the paper is on boundaries"""
    saliency_temperature: float = 0.05
    """in spikes per neuron and step"""
    query_contrast: float = 0.0
    """weight of `query_loss`, on r_i under another query; not in the paper, twice the training time"""
    rate: float = 0.0
    """weight of the firing-rate penalty, not in the paper; 10 to 100 to matter next to the others"""
    rate_target: float = 0.1
    """spikes per neuron and step up to which a LIF layer pays nothing"""

    def __post_init__(self):
        super().__post_init__()
        for name in ("contrastive_temperature", "saliency_temperature"):
            if not getattr(self, name) > 0:
                raise InputError(f"loss.{name}: expected a number above 0, got {getattr(self, name)}")
        if not self.rate_target <= 1:
            raise InputError(f"loss.rate_target: expected spikes per neuron and step in [0, 1], got {self.rate_target}")


def spike_losses(output: SpikeMbaOutput, batch: Batch, config: SpikeMbaLossConfig) -> dict[str, Tensor]:
    """The terms that read what the detector gives, its spikes or what stands for them, weighted; none without one."""
    terms = {}
    if output.spikes and config.contrastive:
        terms["contrastive"] = config.contrastive * contrastive_loss(output, batch, config)
    if output.spikes and config.saliency:
        terms["saliency"] = config.saliency * saliency_loss(output, batch, config)
    if output.other_rates is not None:
        terms["query"] = config.query_contrast * query_loss(output, batch, config)
    if output.rates:
        terms["rate"] = config.rate * rate_loss(output.rates, config)
    return terms


def contrastive_loss(output: SpikeMbaOutput, batch: Batch, config: SpikeMbaLossConfig) -> Tensor:
    """L_con between the spikes of the moment and the queries of the batch.

    `printed`, −log(1 − softmax), is infinite where a batch holds one sample, hence clamped; kept to show what it does.
    """
    rate = output.spikes[-1].mean(0).float()
    weight = batch.foreground.float()
    pooled = (rate * weight.unsqueeze(-1)).sum(1) / weight.sum(1, keepdim=True).clamp(min=1)
    cosine = F.normalize(pooled, dim=-1) @ F.normalize(output.words.float(), dim=-1).T
    similarity = cosine / config.contrastive_temperature
    target = torch.arange(len(similarity), device=similarity.device)
    if config.contrastive_form == "symmetric":
        text = sentence_numbers(batch)
        same = (text == text.unsqueeze(1)) & (target != target.unsqueeze(1))
        similarity = similarity.masked_fill(same, -torch.inf)
        return (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target)) / 2
    if config.contrastive_form == "infonce":
        return F.cross_entropy(similarity, target)
    matching = similarity.softmax(1).diagonal()
    return -torch.log((1 - matching).clamp(min=1e-6)).mean()


def saliency_loss(output: SpikeMbaOutput, batch: Batch, config: SpikeMbaLossConfig) -> Tensor:
    """The clips of the moment should fire more than the others: −log Σ softmax(r_i / τ) over them, mean over blocks.

    r_i is the rate of clip i over time steps and channels.
    """
    inside = batch.foreground & batch.video_mask
    terms = []
    for spikes in output.spikes:
        rate = clip_rates(spikes).masked_fill(~batch.video_mask, -torch.inf)  # (B, L)
        terms.append(info_nce(rate, inside, config.saliency_temperature))
    return torch.stack(terms).mean()


def query_loss(output: SpikeMbaOutput, batch: Batch, config: SpikeMbaLossConfig) -> Tensor:
    """A clip of the moment should fire more under its own query than under another: softplus((r′_i − r_i) / τ).

    r′_i is the rate under the query before in the batch; where that is the same sentence, nothing is asked.
    """
    text = sentence_numbers(batch)
    asked = batch.foreground & batch.video_mask & (text != text.roll(1)).unsqueeze(1)
    ahead = output.other_rates - clip_rates(output.spikes[-1])
    return masked_mean(F.softplus(ahead / config.saliency_temperature), asked)


def rate_loss(rates: Mapping[str, Tensor], config: SpikeMbaLossConfig) -> Tensor:
    """Mean over the LIF layers of max(0, rate − target)², the rate being spikes per neuron and step of the layer.

    The upper-bound form of Cramer et al. (2020) and Zenke & Vogels (2021), on whole layers. One-sided, because its
    aim is energy: a layer below the target costs less, and the two-sided (rate − target)² of Bellec et al. (2018)
    would make it fire. All four layers of a detector count: the spikes of Q, K and V drive the attention products,
    the output's feed MRM.
    """
    return torch.stack(list(rates.values())).sub(config.rate_target).clamp(min=0).square().mean()
