"""MRNet: maskable retentive network for video moment retrieval (Hu et al., 2024).

B samples · L clips as stored · T cells of the grid · M queries read together · d width · C proposals. A video becomes T
clips and a query one vector; blocks of maskable retention over both (retention.py); then the proposal map
(proposals.py) or moment queries (moments.py), and a saliency head where `loss.saliency` trains one.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnvtg.data import GroundingDataset
from snnvtg.models.contract import GroundingModel
from snnvtg.models.mrnet.config import MRNetConfig
from snnvtg.models.mrnet.decoding import predict, scored_spans
from snnvtg.models.mrnet.inputs import (
    Asked,
    Preprocessed,
    Questions,
    SentenceVectors,
    VideoInput,
    alone,
    asked_in,
    asked_of_all,
    cells_of_clips,
    together,
)
from snnvtg.models.mrnet.losses import (
    contrastive_loss,
    iou_loss,
    overlaps,
    saliency_loss,
    sparsity_loss,
    windows_as_shares,
)
from snnvtg.models.mrnet.match import Matched, MatchSpace
from snnvtg.models.mrnet.moments import MomentHead, moment_losses
from snnvtg.models.mrnet.output import MapOutput, MomentsOutput, MRNetOutput
from snnvtg.models.mrnet.presets import CONFIGS, PAPER, TRAININGS
from snnvtg.models.mrnet.proposals import MapHead, mean_pooled, proposal_spans
from snnvtg.models.mrnet.retention import MRTBlock
from snnvtg.records import Batch, Prediction

COSINE_SCALE = 10.0
"""what the IoU branch's cosine is multiplied by to be a logit"""


class MRNet(GroundingModel):
    """The whole model. Its paper reads sentence vectors; here they are pooled from words (`text_pooling`).

    With `queries=multi` the training split's queries are kept at `fit`, so that each is trained beside all others of
    its video, whatever the batch holds; evaluation is one query at a time unless `evaluation_queries` says otherwise.
    Its neurons stand for cells of the grid and for proposals, not for clips, so there are no `spike_layers`.
    """

    config_class = MRNetConfig
    configs = CONFIGS
    trainings = TRAININGS
    ablations = ("table6", "neurons", "readings")
    config: MRNetConfig

    def __init__(self, config: MRNetConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.num_timesteps = None if config.spiking == "none" else config.num_timesteps
        self.video_features = Preprocessed(video_width, config.features, config.input_dropout, centred=True)
        self.word_features = Preprocessed(text_width, config.features, config.input_dropout, centred=False)
        self.video_input, self.text_input = VideoInput(config, video_width), SentenceVectors(config, text_width)
        self.blocks = nn.ModuleList(MRTBlock(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.head = MapHead(config) if config.head == "map" else MomentHead(config)
        self.match = MatchSpace(config, video_width, text_width) if config.match_space else None
        self.gain = _gain(config.contrastive_gain if config.head == "map" else 0.0)
        self.saliency_gain = _gain(config.saliency_gain if config.match_space and config.loss.saliency else 0.0)
        self.saliency = nn.Linear(config.width, 1) if config.loss.saliency else None
        self._asked: dict[str, list[Asked]] = {}

    def fit(self, train: GroundingDataset) -> None:
        """The statistics of `features=standardised`, and for `queries=multi` what else is asked of each video."""
        self.video_features.fit(train.videos[vid] for vid in dict.fromkeys(query.vid for query in train.queries))
        self.word_features.fit(train.texts)
        self._asked = asked_of_all(train) if self.config.queries == "multi" else {}

    def forward(self, batch: Batch) -> MRNetOutput:
        """As GroundingModel."""
        questions = self._questions(batch)
        video = self.video_features(batch.video, batch.video_mask)
        words = self.word_features(questions.words.flatten(0, 1), questions.word_mask.flatten(0, 1))
        words = words.unflatten(0, questions.word_mask.shape[:2])  # (B, M, N, Dt)
        clips = self.video_input(video, batch.video_mask)  # (B, T, d)
        rows = torch.arange(len(batch), device=clips.device)
        matched = None
        if self.match is not None:
            sentence = self.text_input.pooled(words[rows, questions.own], questions.word_mask[rows, questions.own])
            matched = self.match(video, batch.video_mask, sentence)
            clips = clips + self.match.products(matched)
        text = self.text_input(words, questions.word_mask)  # (B, M, d)
        for block in self.blocks:
            text, clips = block(text, clips, questions.mask, self.num_timesteps)
        query, clips = self.norm(text[rows, questions.own]), self.norm(clips)  # (B, d), (B, T, d)
        if isinstance(self.head, MomentHead):
            answer = MomentsOutput(*self.head(torch.cat([query.unsqueeze(1), clips], 1)))
        else:
            answer = self._map(clips, query, matched)
        tables = tuple(block.retention.table for block in self.blocks if block.retention.table is not None)
        return MRNetOutput(answer, self._saliency(clips, matched, batch), tables)

    def losses(self, output: MRNetOutput, batch: Batch) -> dict[str, Tensor]:
        """L = L_iou + λ_s L_sparse + λ_c L_contra (Eq. 12), or those of the moment queries; and the saliency head's."""
        config = self.config.loss
        if isinstance(output.answer, MomentsOutput):
            terms = moment_losses(output.answer.spans, output.answer.logits, windows_as_shares(batch), config)
        else:
            iou = overlaps(batch, output.answer.spans)
            terms = {"iou": config.iou * iou_loss(output.answer, iou, config)}
            if config.contrastive:
                terms["contrastive"] = config.contrastive * contrastive_loss(output.answer, iou, batch, config)
        if output.tables and config.sparse:
            terms["sparse"] = config.sparse * sparsity_loss(output.tables, config)
        if output.saliency is not None:
            terms["saliency"] = config.saliency * saliency_loss(output.saliency, batch, config.saliency_margin)
        return terms

    def predict(self, output: MRNetOutput, batch: Batch) -> list[Prediction]:
        """As GroundingModel."""
        return predict(output, batch, self.config)

    def relevance(self, output: MRNetOutput, batch: Batch) -> Tensor:
        """As GroundingModel: the best score of any proposal."""
        return scored_spans(output.answer)[..., 2].amax(1)

    @classmethod
    def paper_settings(cls, benchmark: str) -> Mapping[str, Any]:
        """As GroundingModel; a data set the paper has no experiment on keeps those of the preset."""
        return PAPER.get(benchmark, {})

    def _questions(self, batch: Batch) -> Questions:
        order = self.config.query_order
        if self.training and self.config.queries == "multi":
            return together(batch, self._asked or asked_in(batch), order)
        if not self.training and self.config.evaluation_queries == "joint":
            return together(batch, asked_in(batch), order)
        return alone(batch)

    def _map(self, clips: Tensor, query: Tensor, matched: Matched | None) -> MapOutput:
        """Scores of the proposals from both branches; see Section 3.3."""
        iou, contrastive = self.head(clips, self.num_timesteps)
        compared = query
        if matched is not None:
            contrastive, compared = mean_pooled(matched.clips, self.head.pairs), matched.query
        proposals, compared = F.normalize(contrastive, dim=-1), F.normalize(compared, dim=-1)
        cosine = (proposals @ compared.unsqueeze(-1)).squeeze(-1)  # (B, C)
        logits = COSINE_SCALE * (F.normalize(iou, dim=-1) @ F.normalize(query, dim=-1).unsqueeze(-1)).squeeze(-1)
        if self.gain is not None:
            logits = logits + self.gain * cosine
        likely = (0.5 * cosine + 0.5).clamp(min=1e-6) ** self.config.score_power
        spans = proposal_spans(self.head.pairs, self.config.num_clips)
        return MapOutput(logits, cosine, proposals, compared, logits.sigmoid() * likely, spans)

    def _saliency(self, clips: Tensor, matched: Matched | None, batch: Batch) -> Tensor | None:
        """(B, L): each clip's from the cell that holds its centre."""
        if self.saliency is None:
            return None
        said = self.saliency(clips).squeeze(-1)
        if self.saliency_gain is not None:
            said = said + self.saliency_gain * matched.cosine
        return said.gather(1, cells_of_clips(batch.video_mask, self.config.num_clips))


def _gain(start: float) -> nn.Parameter | None:
    return nn.Parameter(torch.tensor(start)) if start else None
