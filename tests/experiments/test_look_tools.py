"""The two small tools beside the reports: power of a comparison, and what the spikes propose."""

import runpy

import numpy as np
import pandas as pd
import pytest
import torch

from snnvtg.data import GroundingDataset
from snnvtg.records import Query
from tests.conftest import EXPERIMENTS


@pytest.fixture
def table(tmp_path):
    """Two seeds of a row, 40 videos of two queries; answers differ by noise alone."""
    generator, rows = np.random.default_rng(0), []
    for seed in (0, 1):
        for query in range(80):
            overlap = float(generator.uniform(0.3, 0.7))
            rows.append(
                {"row": "full", "model": "m", "seed": seed, "query": query, "video": query // 2, "mIoU": overlap}
            )
    path = tmp_path / "t_queries.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_power_grows_with_the_difference_and_no_difference_is_seldom_seen(table):
    tool = runpy.run_path(str(EXPERIMENTS / "tools/power.py"))
    sums, counts = tool["noise"](pd.read_csv(table), "full", "mIoU")
    assert len(sums) == 40 and (counts == 2).all()
    none, some, large = (tool["power"](sums, counts, 40, 2, points) for points in (0.0, 4.0, 30.0))
    assert none < 0.12 < some < 1 and large == 1


def test_power_needs_two_seeds(table):
    tool = runpy.run_path(str(EXPERIMENTS / "tools/power.py"))
    frame = pd.read_csv(table)
    with pytest.raises(SystemExit, match="expected at least two seeds, got 1"):
        tool["noise"](frame[frame["seed"] == 0], "full", "mIoU")


def test_auc_counts_pairs_and_ties_half():
    tool = runpy.run_path(str(EXPERIMENTS / "benchmarks/proposals.py"))
    inside = torch.tensor([True, True, False, False])
    # pairs (3, 1) (3, 2) (2, 1) won, (2, 2) tied
    assert tool["auc"](torch.tensor([3.0, 2, 1, 2]), inside) == 3.5 / 4


def test_other_words_are_of_another_moment_of_the_same_video():
    tool = runpy.run_path(str(EXPERIMENTS / "benchmarks/proposals.py"))
    asked = [("a", "run", 0), ("a", "sit", 1), ("a", "rest", 1), ("b", "run", 0), ("b", "go", 0)]
    queries = tuple(Query(i, text, vid, 4.0, ((float(t), 2.0),)) for i, (vid, text, t) in enumerate(asked))
    texts = tuple(np.full((1, 1), i, np.float32) for i in range(5))
    split = GroundingDataset(queries, {v: np.zeros((4, 3), np.float32) for v in "ab"}, texts, 1.0)
    others, places = tool["with_other_words"](split)
    assert places.tolist() == [0, 1, 2]  # both queries of b have one window
    assert [int(text[0, 0]) for text in others.texts] in ([1, 0, 0], [2, 0, 0])
    assert [q.relevant_windows for q in others.queries] == [q.relevant_windows for q in queries[:3]]
