import dataclasses

import pytest
import torch

from snnvtg.models.r2_tuning import R2Tuning, R2TuningConfig
from snnvtg.records import Batch, Query

LENGTHS, TOKENS = (9, 5, 7), (3, 6, 2)
PLACES, WIDTH, TEXT = 4, 6, 5
MOMENT = (1.0, 4.0)
TINY = {"width": 16, "num_heads": 2, "drop_path": 0.0, "input_dropout": 0.0, "num_timesteps": 3}


@pytest.fixture
def built():
    """A tiny model in evaluation, of two layers unless told otherwise."""

    def build(**changes):
        torch.manual_seed(0)
        config = R2TuningConfig(**{"num_layers": 2, **TINY, **changes})
        return R2Tuning(config, WIDTH if config.num_layers > 1 else WIDTH + 2, TEXT).eval()

    return build


@pytest.fixture
def layered_batch():
    """Ragged queries with one moment each, clips [1, 4); features of `num_layers`, plain for one."""

    def make(samples=(0, 1, 2), num_layers=2, windows=(MOMENT,)):
        samples = list(samples)
        lengths, tokens = torch.tensor([LENGTHS[i] for i in samples]), torch.tensor([TOKENS[i] for i in samples])
        video_mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
        text_mask = torch.arange(int(tokens.max())) < tokens.unsqueeze(1)
        frame = (WIDTH + 2,) if num_layers == 1 else (num_layers, PLACES, WIDTH)
        word = (TEXT,) if num_layers == 1 else (num_layers, TEXT)
        video, text = torch.zeros(*video_mask.shape, *frame), torch.zeros(*text_mask.shape, *word)
        for row, i in enumerate(samples):
            generator = torch.Generator().manual_seed(i)
            video[row, : LENGTHS[i]] = torch.randn(LENGTHS[i], *frame, generator=generator)
            text[row, : TOKENS[i]] = torch.randn(TOKENS[i], *word, generator=generator)
        centre = torch.arange(video_mask.shape[1]) + 0.5
        foreground = torch.zeros_like(video_mask)
        for start, end in windows:
            foreground |= (centre >= start) & (centre <= end)
        queries = tuple(Query(i, f"query {i}", f"v{i}", float(LENGTHS[i]), tuple(windows)) for i in samples)
        boundaries = torch.zeros(*video_mask.shape, 2)
        return Batch(queries, video, video_mask, text, text_mask, 1.0, foreground, boundaries, foreground.float())

    return make


@pytest.fixture
def valid():
    """The fields of an output that a sample's own clips and points decide, padding taken away."""

    def take(output, row, count):
        points = output.point_mask[row]
        parts = {"class_logits": output.class_logits[row, points], "distances": output.distances[row, points]}
        parts |= {"saliency": output.saliency[row, :count], "frames": output.frames[row, :, :count]}
        return parts | {"queries": output.queries[row], "places": output.points.place[points]}

    return take


@pytest.fixture
def changed():
    return dataclasses.replace
