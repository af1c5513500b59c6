import runpy
import sys
from pathlib import Path

import pytest
import torch

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.models import Recipe, TrainingConfig
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig
from snnvtg.records import Batch, Query

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
LENGTHS, TOKENS = (9, 5, 7), (3, 6, 2)


@pytest.fixture
def tiny() -> SpikeMbaConfig:
    return SpikeMbaConfig(
        width=16, num_blocks=2, num_timesteps=3, num_heads=2, num_slots=2, state_size=4, dropout=0, input_dropout=0
    )


@pytest.fixture
def recipe():
    """A recipe of SpikeMba from its settings and its training."""
    return lambda model, training: Recipe(SpikeMba, model, training)


def _make_batch(samples=range(3), video_width=6, text_width=5) -> Batch:
    """Three ragged queries with one moment each, [clip 1, clip 4) of one-second clips, always the same numbers."""
    samples = list(samples)
    lengths, tokens = torch.tensor([LENGTHS[i] for i in samples]), torch.tensor([TOKENS[i] for i in samples])
    video_mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    text_mask = torch.arange(int(tokens.max())) < tokens.unsqueeze(1)
    video, text = torch.zeros(*video_mask.shape, video_width), torch.zeros(*text_mask.shape, text_width)
    for row, i in enumerate(samples):
        generator = torch.Generator().manual_seed(i)
        video[row, : LENGTHS[i]] = torch.randn(LENGTHS[i], video_width, generator=generator)
        text[row, : TOKENS[i]] = torch.randn(TOKENS[i], text_width, generator=generator)
    foreground = torch.zeros_like(video_mask)
    foreground[:, 1:4] = True
    centre = torch.arange(video_mask.shape[1]) + 0.5
    boundaries = torch.stack([centre - 1, 4 - centre], -1).expand(len(samples), -1, -1) * foreground.unsqueeze(-1)
    queries = tuple(Query(i, f"query {i}", f"v{i}", float(LENGTHS[i]), ((1.0, 4.0),)) for i in samples)
    return Batch(queries, video, video_mask, text, text_mask, 1.0, foreground, boundaries, foreground.float())


@pytest.fixture
def make_batch():
    return _make_batch


@pytest.fixture
def command(monkeypatch):
    """Run an experiment in this process, by name and arguments; its exit status."""

    def run(name, *arguments):
        path = EXPERIMENTS / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            return end.code
        return 0

    return run


@pytest.fixture(scope="session")
def small_data():
    return generate(
        SyntheticConfig(num_train=24, num_val=8, num_test=8, min_clips=16, max_clips=20, long_range_fraction=0)
    )


@pytest.fixture
def quick() -> TrainingConfig:
    return TrainingConfig(
        epochs=3, batch_size=8, learning_rate=1e-3, schedule="cosine", ema_decay=0.9, word_dropout=0.2
    )
