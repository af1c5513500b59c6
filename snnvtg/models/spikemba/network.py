"""SpikeMba: multi-modal spiking saliency Mamba for temporal video grounding (Li et al., 2024).

B samples · L clips · N tokens · M = L or N plus the slots · d width (C in the paper) · E = expand · d · T time steps.
Each block joins relevant slots to both sequences, then CMR (Alg. 1) → SSD (Eq. 4, 5) → MRM (Alg. 2), and takes the
slots off again. The text is read by every block and changed by none, as Alg. 1 returns the visual tokens only.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from snnvtg.errors import InputError
from snnvtg.layers.mamba import DepthwiseConv, SelectiveSSM
from snnvtg.layers.pooling import AttentivePooling
from snnvtg.models.clipwise import ClipwiseModel
from snnvtg.models.contract import SpikeLayer
from snnvtg.models.spikemba.config import SpikeMbaConfig
from snnvtg.models.spikemba.dense_detector import DenseDetector
from snnvtg.models.spikemba.detector import LIF_LAYERS, SpikingSaliencyDetector
from snnvtg.models.spikemba.feedback import FeedbackDetector
from snnvtg.models.spikemba.losses import spike_losses
from snnvtg.models.spikemba.output import SpikeMbaOutput
from snnvtg.models.spikemba.presets import CONFIGS, PAPER
from snnvtg.models.spikemba.proposals import clip_rates
from snnvtg.models.spikemba.rates import recorded_rates
from snnvtg.models.spikemba.reading import WordReading
from snnvtg.models.spikemba.slots import SlotLayout
from snnvtg.models.spikemba.timesteps import between_clips
from snnvtg.records import Batch

READOUT = 6.0
"""logits that a clip gains at first when all its neurons fire at every step"""


MATCH_CURRENT = 5.0
"""currents of a cosine of 1: cosines of clips and queries scatter by a fifth"""


class ContextualMomentReasoner(nn.Module):
    """Alg. 1 (CMR): scans both modalities and adds the text to the video under a gate from the video.

    Line 1 uses T′ before it exists and names no modality: z = Linear(Norm(T_vis)). Line 18 adds y_vis (B, L, E) and
    y_tex (B, N, E): the text is pooled to one vector first, or (`concat`) scanned in front of the video.
    """

    def __init__(self, config: SpikeMbaConfig):
        super().__init__()
        width, inner = config.width, config.expand * config.width
        self.fusion, self.residual = config.text_fusion, config.cmr_residual
        self.norm_vis, self.norm_tex = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear_z, self.linear_x = nn.Linear(width, inner), nn.Linear(width, inner)
        self.conv_vis = DepthwiseConv(inner, config.conv_width, config.scan_direction)
        self.conv_tex = DepthwiseConv(inner, config.conv_width, config.scan_direction)
        self.ssm = SelectiveSSM(inner, config.state_size, config.scan_direction)
        self.pool = AttentivePooling(inner) if config.text_fusion == "pooled" else None
        self.read = WordReading(inner) if config.text_fusion == "attended" else None
        self.linear_out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor) -> Tensor:
        """vis (B, M, d), tex (B, M', d) with masks -> vis, conditioned on the text (B, M, d)."""
        normed = self.norm_vis(vis)
        gate = nn.functional.silu(self.linear_z(normed))  # l. 1
        x_vis = self.conv_vis(self.linear_x(normed), vis_mask)  # l. 4-6
        x_tex = self.conv_tex(self.linear_x(self.norm_tex(tex)), tex_mask)
        y = self._scan(x_vis, vis_mask, x_tex, tex_mask)  # l. 7-13
        out = self.dropout(self.linear_out(y * gate))  # l. 16-18
        return vis + out if self.residual else out

    def _scan(self, x_vis: list[Tensor], vis_mask: Tensor, x_tex: list[Tensor], tex_mask: Tensor) -> Tensor:
        if self.pool is not None:
            return self.ssm(x_vis, vis_mask) + self.pool(self.ssm(x_tex, tex_mask), tex_mask)
        if self.read is not None:
            y_vis = self.ssm(x_vis, vis_mask)
            return y_vis + self.read(y_vis, self.ssm(x_tex, tex_mask), tex_mask)
        joined = [torch.cat([tex, vis], 1) for tex, vis in zip(x_tex, x_vis, strict=True)]
        return self.ssm(joined, torch.cat([tex_mask, vis_mask], 1))[:, tex_mask.shape[1] :]


class TextAddition(nn.Module):
    """What stands in for CMR in the ablation without it: the pooled text added to every token.

    The paper does not say how its row "W/o CMR" reads the query; without any path no model could answer it.
    """

    def __init__(self, config: SpikeMbaConfig):
        super().__init__()
        self.norm, self.pool = nn.LayerNorm(config.width), AttentivePooling(config.width)

    def forward(self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor) -> Tensor:
        """As ContextualMomentReasoner."""
        return vis + self.pool(self.norm(tex), tex_mask)


class MultiModalRelevantMamba(nn.Module):
    """Alg. 2 (MRM): a Mamba over the tokens, gated by the spikes."""

    def __init__(self, config: SpikeMbaConfig):
        super().__init__()
        width, inner = config.width, config.expand * config.width
        self.norm_t = nn.LayerNorm(width)
        self.norm_s = nn.LayerNorm(width) if config.mrm_gate == "normed" or not config.use_ssd else nn.Identity()
        self.linear_x, self.linear_z = nn.Linear(width, inner), nn.Linear(width, inner)
        self.conv = DepthwiseConv(inner, config.conv_width, config.scan_direction)
        self.ssm = SelectiveSSM(inner, config.state_size, config.scan_direction)
        self.linear_out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, gate: Tensor, valid_mask: Tensor) -> Tensor:
        """tokens T (B, M, d), gate S (B, M, d), the spikes' mean over time -> O (B, M, d)."""
        xs = self.conv(self.linear_x(self.norm_t(tokens)), valid_mask)  # l. 1, 3, 5
        z = self.linear_z(self.norm_s(gate))  # l. 2, 4
        return self.dropout(self.linear_out(self.ssm(xs, valid_mask, z))) + tokens  # l. 6-9


class SpikeMbaBlock(nn.Module):
    """CMR → SSD → MRM, with slots of its own for both modalities."""

    def __init__(self, config: SpikeMbaConfig, number: int):
        super().__init__()
        slots = (config.num_slots, config.width)
        self.slots_vis = nn.Parameter(torch.randn(slots) * 0.02) if config.num_slots else None
        self.slots_tex = nn.Parameter(torch.randn(slots) * 0.02) if config.num_slots else None
        self.cmr = ContextualMomentReasoner(config) if config.use_cmr else TextAddition(config)
        self.ssd = self._detector(config, number) if config.use_ssd else None
        self.between = config.encoding == "between"
        self.mrm = MultiModalRelevantMamba(config)

    @staticmethod
    def _detector(config: SpikeMbaConfig, number: int) -> SpikingSaliencyDetector | DenseDetector:
        kind = FeedbackDetector if config.feedback else SpikingSaliencyDetector
        spiking = kind(
            config.width,
            config.num_heads,
            config.lif,
            scale=config.attention_scale,
            qkv_bn=config.qkv_bn,
            order=config.attention_order,
            encoding=config.encoding,
            matched=config.proposal_current == "matched",
            spread=config.threshold_spread,
            seed=number,
        )
        return spiking if config.detector == "spiking" else spiking.dense_twin()

    def forward(
        self,
        vis: Tensor,
        vis_layout: SlotLayout,
        tex: Tensor,
        tex_layout: SlotLayout,
        num_timesteps: int,
        match: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """vis (B, L, d), tex (B, N, d) -> O (B, L, d) and the spikes (T, B, L, d), None without a detector.

        T is 1 for a detector without neurons, whose values are no spikes. `match` (B, L): heard by the proposing
        neurons, how well a clip matches the query.
        """
        mask = vis_layout.valid_mask
        tokens = vis_layout.join(vis, self.slots_vis)
        tokens = self.cmr(tokens, mask, tex_layout.join(tex, self.slots_tex), tex_layout.valid_mask)
        if self.ssd is None:
            return vis_layout.rows(self.mrm(tokens, tokens, mask)), None
        heard = None if match is None else _beside_slots(match.unsqueeze(-1), vis_layout)
        currents = tokens
        if self.between:
            is_clip = _beside_slots(torch.ones_like(vis[..., :1]), vis_layout).squeeze(-1).bool() & mask
            currents = between_clips(tokens, is_clip, num_timesteps)
        spikes = self.ssd(currents, mask, num_timesteps, heard)
        out = self.mrm(tokens, spikes.mean(0), mask)  # S as its mean over T
        return vis_layout.rows(out), vis_layout.rows(spikes)


def _beside_slots(values: Tensor, layout: SlotLayout) -> Tensor:
    """values (B, L, 1) of the clips -> (B, M, 1), 0 at the slots."""
    return layout.join(values, values.new_zeros(layout.num_slots, 1))


class SpikeMba(ClipwiseModel):
    """The whole model: input projections, blocks, heads.

    `num_timesteps` may be changed on a built model to read it out at another T than it was trained with.
    """

    config_class = SpikeMbaConfig
    output_class = SpikeMbaOutput
    configs = CONFIGS
    ablations = ("table4", "figure3", "neuron")
    config: SpikeMbaConfig

    def __init__(self, config: SpikeMbaConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.num_timesteps = config.num_timesteps
        self.blocks = nn.ModuleList(SpikeMbaBlock(config, number) for number in range(config.num_blocks))
        reads = config.proposals_weigh and config.use_ssd
        self.proposal_readout = nn.Linear(config.width, 1) if reads else None
        if reads and config.proposals_replace:
            self.saliency_gain = None
        if reads:  # starts as a multiple of r_i, as s_i does that it replaces
            nn.init.constant_(self.proposal_readout.weight, READOUT / config.width)
            nn.init.zeros_(self.proposal_readout.bias)

    @staticmethod
    def pools_words(config: SpikeMbaConfig) -> bool:
        """As ClipwiseModel; L_con compares the spikes with them."""
        return ClipwiseModel.pools_words(config) or (config.use_ssd and config.loss.contrastive > 0)

    def forward(self, batch: Batch) -> SpikeMbaOutput:
        """As ClipwiseModel; in training also what the losses on firing rates are made of, where they have a weight."""
        if not (self.training and self.config.loss.rate):
            output = self._answer(batch)
        else:
            with recorded_rates(self) as rates:
                output = self._answer(batch)
            output = dataclasses.replace(output, rates=rates)
        if self.training and self.config.loss.query_contrast and output.spikes:
            output = dataclasses.replace(output, other_rates=self._rates_of_other_queries(batch))
        return output

    def _rates_of_other_queries(self, batch: Batch) -> Tensor:
        asked = dataclasses.replace(batch, text=batch.text.roll(1, 0), text_mask=batch.text_mask.roll(1, 0))
        return clip_rates(super().forward(asked).spikes[-1])

    def forward_share(self, share: Batch) -> SpikeMbaOutput:
        """As GroundingModel: of the spikes what the losses read, their mean over time, of the blocks they read."""
        if self.config.loss.query_contrast:
            raise InputError("loss.query_contrast needs the whole batch; train in one process, with accumulate=1")
        output = self(share)
        read = output.spikes if self.config.loss.saliency else output.spikes[-1:]
        return dataclasses.replace(output, spikes=tuple(spikes.mean(0, keepdim=True) for spikes in read))

    def _answer(self, batch: Batch) -> SpikeMbaOutput:
        output = super().forward(batch)
        if self.proposal_readout is None:
            return output
        weight = self.proposal_readout(output.spikes[-1].mean(0)).squeeze(-1)  # (B, L)
        return dataclasses.replace(output, foreground_logits=output.foreground_logits + weight)

    def windows_from(self, clips: Tensor, more: Mapping[str, Any]) -> Tensor:
        """As ClipwiseModel; with `boundaries_read=proposals` the last block's spikes, as their mean over T."""
        reads = self.config.boundaries_read == "proposals" and more["spikes"]
        return more["spikes"][-1].mean(0) if reads else clips

    def encode_matched(
        self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor, saliency: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """As ClipwiseModel; with `proposal_current=matched` the proposing neurons hear s_i as well."""
        heard = MATCH_CURRENT * saliency if self.config.proposal_current == "matched" else None
        return self.encode(vis, vis_mask, tex, tex_mask, heard)

    def encode(
        self, vis: Tensor, vis_mask: Tensor, tex: Tensor, tex_mask: Tensor, match: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """As ClipwiseModel, with the spikes of every block."""
        vis_layout = SlotLayout.of(vis_mask, self.config.num_slots, self.config.slot_position)
        tex_layout = SlotLayout.of(tex_mask, self.config.num_slots, self.config.slot_position)
        spikes = []
        for block in self.blocks:
            vis, fired = block(vis, vis_layout, tex, tex_layout, self.num_timesteps, match)
            spikes += [] if fired is None else [fired]
        return vis, {"spikes": tuple(spikes)}

    def losses(self, output: SpikeMbaOutput, batch: Batch) -> dict[str, Tensor]:
        """L_all = α_c L_con + α_s L_s + α_e L_e, with the named additions."""
        if self.training and self.config.loss.rate and output.spikes and not output.rates:
            raise InputError("loss.rate: expected the firing rates of a run in training mode; call model.train() first")
        return super().losses(output, batch) | spike_losses(output, batch, self.config.loss)

    def spike_layers(self) -> Mapping[str, SpikeLayer]:
        """The neurons of the last block's saliency detector; none without one."""
        if not self.config.fires:
            return {}
        last = len(self.blocks) - 1
        first = self.config.num_slots if self.config.slot_position == "prefix" else 0
        return {
            # the last neurons' channels are mixed over heads by the projection before them
            f"blocks.{last}.ssd.{layer}": SpikeLayer(
                f"block {last + 1}, {words}", first, 1 if layer == "out_lif" else self.config.num_heads
            )
            for layer, words in LIF_LAYERS.items()
        }

    def proposing_layers(self) -> Mapping[str, SpikeLayer]:
        """The neurons of every block whose spikes are the saliency proposals S."""
        if not self.config.fires:
            return {}
        first = self.config.num_slots if self.config.slot_position == "prefix" else 0
        numbers = range(len(self.blocks))
        return {f"blocks.{k}.ssd.out_lif": SpikeLayer(f"block {k + 1}, saliency proposals", first) for k in numbers}

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """As GroundingModel; a data set the paper has no experiment on keeps those of the preset."""
        return PAPER.get(benchmark, {})
