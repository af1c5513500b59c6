"""A model of a user's own that retrieves videos: which video of a split holds the moment a query asks for.

The other videos of a batch are the wrong answers it learns from; every video of a split is indexed once and searched.

B queries, each with its video, L clips, d width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnvtg.models import GroundingModel, Needs
from snnvtg.records import Batch, Prediction


@dataclass(frozen=True)
class RetrievalConfig:
    width: int = 8
    temperature: float = 0.07


class Retrieval(GroundingModel):
    """Cosine of a query's mean word and a video's best clip."""

    config_class = RetrievalConfig

    def __init__(self, config: RetrievalConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.clips, self.words = nn.Linear(video_width, config.width), nn.Linear(text_width, config.width)

    @property
    def needs(self) -> Needs:
        return Needs(every_video=True)

    def index(self, videos: Batch) -> Tensor:
        """Directions of the clips (V, L, d), NaN under padding."""
        clips = nn.functional.normalize(self.clips(videos.video), dim=-1)
        return clips.masked_fill(~videos.video_mask.unsqueeze(-1), torch.nan)

    def search(self, queries: Batch, videos: Tensor) -> Tensor:
        """(Q, V): the best clip of each video."""
        return self.similarity(queries, videos).amax(-1)

    def similarity(self, queries: Batch, videos: Tensor) -> Tensor:
        """Every query beside every clip of every video: (Q, V, L), minus infinity under padding."""
        real = queries.text_mask.unsqueeze(-1)
        query = nn.functional.normalize((self.words(queries.text) * real).sum(1) / real.sum(1), dim=-1)
        padded = videos.isnan()
        found = torch.einsum("qd,vld->qvl", query, videos.masked_fill(padded, 0))
        return found.masked_fill(padded[..., 0], -torch.inf)

    def forward(self, batch: Batch) -> Tensor:
        return self.similarity(batch, self.index(batch))

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        vids = [query.vid for query in batch.queries]
        own = torch.tensor([[a == b for b in vids] for a in vids], device=output.device)
        logits = output.amax(-1) / self.config.temperature
        return {"contrastive": (logits.logsumexp(1) - logits.masked_fill(~own, -torch.inf).logsumexp(1)).mean()}

    def predict(self, output: Tensor, batch: Batch) -> list[Prediction]:
        """The best clip of the query's own video."""
        found = []
        for row, query in enumerate(batch.queries):
            scores = output[row, row, batch.video_mask[row]]
            start = float(scores.argmax()) * batch.clip_length
            window = (start, min(start + batch.clip_length, query.duration), float(scores.max()))
            found.append(Prediction(query.qid, query.query, query.vid, (window,), tuple(scores.tolist())))
        return found
