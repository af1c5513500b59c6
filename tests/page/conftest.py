"""A small folder of reports: a few of the committed tables, a comparison, and a recording of a tiny model."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from snnvtg.models.clipwise import ClipwiseConfig, ClipwiseModel
from snnvtg.models.contract import SpikeLayer
from snnvtg.neurons import LIF, LIFParameters
from snnvtg.page.build import page
from snnvtg.page.recording import pair_up, record
from snnvtg.reporting import write_json

REPORTS = Path(__file__).parents[2] / "reports"
KEPT = (
    *(f"timestep_sweep_charades_sta{end}" for end in (".csv", ".json", "_queries.csv")),
    *("benchmark_evaluator.csv", "benchmark_evaluator.json"),
    *(f"ablation_synthetic/ablation_table4{end}" for end in (".csv", ".json", "_queries.csv")),
    *(f"energy_charades_sta/{name}" for name in ("models.csv", "provenance.json")),
)
MODELS = {"spiking one": (31.0, 60e6, 4e4), "dense one": (35.0, 90e6, 0.0), "small one": (30.0, 20e6, 0.0)}


@dataclass(frozen=True)
class TwoLayersConfig(ClipwiseConfig):
    width: int = 8
    num_timesteps: int = 3
    dropout: float = 0.0
    input_dropout: float = 0.0
    lif: LIFParameters = field(default_factory=LIFParameters)


class TwoLayers(ClipwiseModel):
    """A model that is none of the package's: one layer sees the clips with a stranger in front, one as they are."""

    config_class = TwoLayersConfig

    def __init__(self, config, video_width, text_width):
        super().__init__(config, video_width, text_width)
        self.num_timesteps = config.num_timesteps
        self.early, self.late = LIF(config.lif), LIF(config.lif)
        self.mix = nn.Linear(config.width, config.width)

    def encode(self, vis, vis_mask, tex, tex_mask):
        gated = vis * self.pool_query(tex, tex_mask)
        stranger = torch.cat([gated[:, :1] * 0 + 5.0, gated], 1)
        early = self.early(3 * stranger.expand(self.num_timesteps, *stranger.shape))
        rate = self.late(3 * self.mix(early[:, :, 1:].mean(0)), num_timesteps=self.num_timesteps, reduction="mean")
        return vis + rate, {}

    def spike_layers(self):
        return {"early": SpikeLayer("early", 1), "late": SpikeLayer("late", num_heads=2)}


@pytest.fixture(scope="session")
def spiking_model(small_data):
    torch.manual_seed(0)
    return TwoLayers(TwoLayersConfig(), small_data.video_width, small_data.text_width).eval()


@pytest.fixture(scope="session")
def recording(spiking_model, small_data):
    test = small_data.test
    groups = pair_up(test, [str(query.qid) for query in test.queries[:2]], [("a </script> query", test.texts[3])])
    return record(spiking_model, groups, small_data.clip_length)


@pytest.fixture(scope="session")
def reports(tmp_path_factory, recording):
    folder = tmp_path_factory.mktemp("reports")
    for name in KEPT:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPORTS / name, folder / name)
    rows = [
        {"model": model, "data": "charades_sta", "split": "test", "seed": seed, "mIoU": value + seed, "R1@0.5": 40.0}
        | {"energy_pj": energy, "synops": synops, "latency_ms": 2.5, "parameters": 1000}
        for model, (value, energy, synops) in MODELS.items()
        for seed in (0, 1, 2)
    ]
    pd.DataFrame(rows).to_csv(folder / "comparison_charades_sta.csv", index=False)
    told = {"command": "compare <them> & all", "commit": "abc123", "time": "2026-11-21T10:00:00+00:00"}
    (folder / "comparison_charades_sta.json").write_text(json.dumps(told))
    write_json({"data": "synthetic", "synthetic": True, **recording, "provenance": told}, folder / "explorer_tiny.json")
    return folder


@pytest.fixture(scope="session")
def html(reports):
    return page(reports)
