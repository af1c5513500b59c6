"""Do the spikes propose the moment, and does it move with the query? AUC of r_i and the proposal set, level by level.

    python experiments/benchmarks/proposals.py runs/.../finished.pt --data FOLDER --split val

Every query is asked as it is and, where its video has one with another moment, with the words of another query of the
same video; both against the own moment. A detector that follows the query does worse with the other's words.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
import tyro
from torch import Tensor

from quiet import run
from snnvtg.data import GroundingDataset
from snnvtg.data.source import DataSource
from snnvtg.models.spikemba import SpikeMba, clip_rates, proposal_set
from snnvtg.training import load_checkpoint
from snnvtg.windows import pairwise_iou


def with_other_words(split: GroundingDataset) -> tuple[GroundingDataset, np.ndarray]:
    """Queries whose video has another sentence with other windows, asked with its words; and their places (Q',)."""
    places, partners = [], []
    for place, query in enumerate(split.queries):
        others = [
            other
            for other, candidate in enumerate(split.queries)
            if candidate.vid == query.vid
            and candidate.query != query.query
            and candidate.relevant_windows != query.relevant_windows
        ]
        if others:
            places.append(place)
            partners.append(others[place % len(others)])
    asked = split.subset(places)
    return replace(asked, texts=tuple(split.texts[i] for i in partners)), np.array(places)


def auc(rates: Tensor, inside: Tensor) -> float:
    """Share of pairs of a clip inside and one outside in which the first fires more, ties half; NaN without pairs."""
    first, second = rates[inside].unsqueeze(1), rates[~inside].unsqueeze(0)
    return float(((first > second).float() + 0.5 * (first == second)).mean())


@torch.no_grad()
def measured(model: SpikeMba, split: GroundingDataset, levels: str) -> tuple[list[float], list[list[tuple]]]:
    """AUC of r_i of every query, and for each of its levels (number of windows, best IoU)."""
    areas, sets = [], []
    for batch in split.batches(64):
        spikes = model(batch).spikes[-1]
        for row, query in enumerate(batch.queries):
            count = int(batch.video_mask[row].sum())
            own = spikes[:, row, :count]
            areas.append(auc(clip_rates(own), batch.foreground[row, :count]))
            moments = torch.tensor(query.relevant_windows, dtype=torch.float32)
            found = [torch.tensor(runs, dtype=torch.float32) * split.clip_length for runs in proposal_set(own, levels)]
            best = [float(pairwise_iou(windows, moments).max()) if len(windows) else 0.0 for windows in found]
            sets.append(list(zip(map(len, found), best, strict=True)))
    return areas, sets


@dataclass(frozen=True)
class Options:
    """Measure the proposals of a trained model."""

    checkpoint: tyro.conf.Positional[Path]
    data: Path | None = None
    """folder of the data; none: the embedded synthetic set"""
    split: Literal["train", "val", "test"] = "val"


def main(options: Options) -> None:
    """Print the tables."""
    split = getattr(DataSource(data=options.data).load(), options.split)
    model = load_checkpoint(options.checkpoint, SpikeMba).build().eval()
    others, places = with_other_words(split)
    for levels in ("absolute", "relative"):
        (areas, sets), (other_areas, other_sets) = (measured(model, part, levels) for part in (split, others))
        own_areas = np.array(areas)[places]
        if levels == "absolute":
            print(f"AUC of r_i on {options.split}, {len(split)} queries: {np.nanmean(areas):.3f}")
            print(
                f"of {len(places)} queries whose video has another: {np.nanmean(own_areas):.3f} with their own words, "
                f"{np.nanmean(other_areas):.3f} with the other's"
            )
        rows = []
        for level in range(len(sets[0])):
            own, other = (np.array([found[level] for found in part]) for part in (sets, other_sets))
            rows.append({
                "level": level + 1,
                "windows": own[:, 0].mean(),
                "best IoU": own[:, 1].mean(),
                "recall@0.5": 100 * (own[:, 1] >= 0.5).mean(),
                "best IoU, own words": own[places, 1].mean(),
                "other's words": other[:, 1].mean(),
            })  # fmt: skip
        whole = np.array([[sum(n for n, _ in found), max(iou for _, iou in found)] for found in sets])
        print(f"\n{levels} levels; all together {whole[:, 0].mean():.1f} windows, best IoU {whole[:, 1].mean():.2f}, "
              f"recall@0.5 {100 * (whole[:, 1] >= 0.5).mean():.1f}")  # fmt: skip
        print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    run(Options, main, __doc__)
