import math
from dataclasses import replace

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models.losses import diversity_loss
from snnvtg.models.mamfusion.config import MamFusionLossConfig
from snnvtg.models.mamfusion.losses import mamfusion_losses
from snnvtg.models.mamfusion.output import MamFusionOutput
from snnvtg.models.retrieval import PairScores
from snnvtg.models.retrieval_losses import retrieval_losses

# three queries, the first two of video 0; the best clip of each pair decides
DOTS = torch.tensor([[[0.0, 2.0], [1.0, 0.0]], [[1.0, 0.0], [3.0, 1.0]], [[0.0, 0.0], [2.0, 1.0]]])
COSINES = DOTS / 4
OWNER = torch.tensor([0, 0, 1])
POSITIVE = torch.tensor([[True, False], [True, False], [False, True]])
SCORES = PairScores(DOTS, COSINES, DOTS.amax(-1), COSINES.amax(-1))
CONFIG = MamFusionLossConfig(clip_nce=1.0, frame_nce=2.0, unfused=0.5, diversity=1.0)


def log_share(chosen, everything):
    return math.log(sum(map(math.exp, everything))) - math.log(sum(map(math.exp, chosen)))


def test_info_nce_in_both_directions_by_hand():
    found = retrieval_losses(SCORES, POSITIVE, CONFIG, hardest=False)
    to_videos = (log_share([2], [2, 1]) + log_share([1], [1, 3]) + log_share([2], [0, 2])) / 3
    to_queries = (log_share([2, 1], [2, 1, 0]) + log_share([2], [1, 3, 2])) / 2
    assert found["clip_nce"].item() == pytest.approx(to_videos + to_queries)
    assert found["frame_nce"].item() == pytest.approx(2 * (to_videos + to_queries))


def test_info_nce_of_cosines_has_a_temperature():
    config = replace(CONFIG, nce_logits="cosine", temperature=0.25)  # cosines are the dots over 4
    same = retrieval_losses(SCORES, POSITIVE, CONFIG, hardest=False)["clip_nce"]
    assert retrieval_losses(SCORES, POSITIVE, config, hardest=False)["clip_nce"].item() == pytest.approx(same.item())


def test_triplets_by_hand_before_and_after_hard_negatives():
    # best cosines: query 0: .5 | .25, query 1: .25 | .75, query 2: 0 | .5; margin .2
    found = retrieval_losses(SCORES, POSITIVE, CONFIG, hardest=False)["clip_triplet"].item()
    to_videos = (0 + 0.7 + 0) / 3
    # video 0: positives .5 and .25, negative 0; video 1: positive .5, negatives .25 and .75
    to_queries = (0 + 0 + 0 + 0.45) / 4
    assert found == pytest.approx(to_videos + to_queries)
    hardest = retrieval_losses(SCORES, POSITIVE, CONFIG, hardest=True)["clip_triplet"].item()
    assert hardest == pytest.approx(to_videos + (0 + 0 + 0.45) / 3)


def test_the_diversity_loss_by_hand():
    queries = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
    same = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    found = diversity_loss(queries, same, scale=32.0, margin=0.2).item()
    assert found == pytest.approx(2 * math.log(1 + math.exp(32 * (0.6 + 0.2))) / 3, rel=1e-6)


def test_queries_of_videos_of_their_own_have_no_diversity_loss():
    assert diversity_loss(torch.ones(3, 2), torch.eye(3, dtype=torch.bool), scale=32.0, margin=0.2).item() == 0


def output():
    return MamFusionOutput(OWNER, SCORES, SCORES, torch.eye(3))


def test_terms_before_fusion_are_weighted_apart():
    found = mamfusion_losses(output(), CONFIG, epoch=0)
    assert found["unfused_clip_nce"].item() == pytest.approx(found["clip_nce"].item() / 2)
    assert found["diversity"].item() == pytest.approx(2 * math.log(1 + math.exp(32 * 0.15)) / 3, rel=1e-6)
    assert not any(name.startswith("unfused") for name in mamfusion_losses(output(), replace(CONFIG, unfused=0), 0))


def test_hard_negatives_begin_at_their_epoch():
    config = replace(CONFIG, hard_negatives_from=3)
    terms = [mamfusion_losses(output(), config, epoch)["clip_triplet"].item() for epoch in (0, 2, 3, 9)]
    assert terms[0] == terms[1] != terms[2] == terms[3]


def test_a_batch_of_one_video_trains_without_negatives():
    alone = PairScores(DOTS[:1, :1], COSINES[:1, :1], DOTS[:1, :1].amax(-1), COSINES[:1, :1].amax(-1))
    for hardest in (False, True):
        found = retrieval_losses(alone, torch.ones(1, 1, dtype=torch.bool), CONFIG, hardest)
        assert sum(found.values()).item() == 0


@pytest.mark.parametrize("wrong", [{"margin": -1.0}, {"temperature": 0.0}, {"clip_nce": math.nan}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=f"loss.{next(iter(wrong))}: expected"):
        MamFusionLossConfig(**wrong)
