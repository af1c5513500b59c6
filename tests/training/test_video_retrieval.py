from types import SimpleNamespace

import numpy as np
import pytest
import torch

from snnvtg.data import GroundingDataset
from snnvtg.metrics.video_retrieval import relevance, video_retrieval_metrics
from snnvtg.models import GroundingModel
from snnvtg.models.spikemba import SpikeMba
from snnvtg.records import Query
from snnvtg.training.evaluation import video_scores


@pytest.fixture
def dataset():
    """Three videos of 2, 4 and 3 clips whose clips are one-hot; each query's word is its own video's direction."""
    videos = {f"v{i}": np.tile(np.eye(3, dtype=np.float32)[i], (length, 1)) for i, length in enumerate((2, 4, 3))}
    owners = (0, 1, 2, 1)
    queries = tuple(Query(i, "words", f"v{owner}", 4.0, ((0.0, 1.0),)) for i, owner in enumerate(owners))
    texts = tuple(np.eye(3, dtype=np.float32)[[owner]] for owner in owners)
    return GroundingDataset(queries, videos, texts, 1.0)


class DotProduct(GroundingModel):
    """A model whose clip logit is clip · word − `less`, and whose relevance is that of a video's best clip."""

    def __init__(self, less=1.0):
        super().__init__(None, 3, 3)
        self.less = less

    def forward(self, batch):
        return SimpleNamespace(logits=(batch.video * batch.text[:, :1]).sum(-1) - self.less)

    def relevance(self, output, batch):
        return output.logits.masked_fill(~batch.video_mask, -torch.inf).amax(1)

    losses = predict = None


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_every_query_meets_every_video_and_padding_counts_for_nothing(dataset, batch_size):
    scores, vids = video_scores(DotProduct(), dataset, batch_size=batch_size)
    assert vids == ("v0", "v1", "v2")
    assert scores.tolist() == [[0, -1, -1], [-1, 0, -1], [-1, -1, 0], [-1, 0, -1]]


def test_a_model_that_knows_the_video_is_perfect_and_its_opposite_never_first(dataset):
    scores, vids = video_scores(DotProduct(), dataset)
    own = relevance([query.vid for query in dataset.queries], vids)
    perfect = dict.fromkeys(("R@1", "R@5", "R@10", "R@100"), 100.0) | {"SumR": 400.0}
    assert video_retrieval_metrics(scores, own) == perfect
    assert video_retrieval_metrics(-scores, own)["R@1"] == 0


def test_a_grounding_model_scores_a_video_alike_alone_and_in_a_padded_batch(dataset, tiny):
    torch.manual_seed(0)
    model = SpikeMba(tiny, 3, 3).eval()
    alone, _ = video_scores(model, dataset, batch_size=1)
    np.testing.assert_allclose(video_scores(model, dataset, batch_size=3)[0], alone, atol=1e-4)


def test_options_that_cannot_be_are_refused(command, capsys):
    assert command("tools/video_retrieval", "--queries", 0) == 2
    assert capsys.readouterr().err == "error: queries is 0; expected at least 1\n"
