"""Train one SpikeMba and measure it.

    python experiments/train.py                                   # embedded synthetic data, about 40 seconds
    python experiments/train.py --data FOLDER --preset small --out runs/charades
    python experiments/train.py --data FOLDER --preset paper --device cuda --set training.precision=bf16

Writes best.pt (the best epoch by validation), last.pt (to go on from; the same command resumes) and metrics.json with
accuracy, firing rates, operations and energy on the test split.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from snnvtg.command import run
from snnvtg.neurons import set_backend
from snnvtg.reporting import provenance, write_json
from snnvtg.studies.measure import accuracy, cost, parameter_count
from snnvtg.studies.options import DataOptions, PresetOptions
from snnvtg.training import train


@dataclass(frozen=True)
class Options(DataOptions, PresetOptions):
    """Train SpikeMba."""

    timesteps: int | None = None
    """T; default that of the preset"""
    seed: int = 0
    split: Literal["val", "test"] = "test"
    """where the trained model is measured"""
    backend: str = "auto"
    """LIF backend of the measurement"""
    device: str = "cpu"
    out: Path = Path("runs/train")
    """folder of checkpoints and metrics"""


def main(options: Options) -> None:
    """Train, measure, report."""
    preset = options.chosen(options.data)
    model_config = preset.model
    if options.timesteps is not None:
        model_config = dataclasses.replace(model_config, num_timesteps=options.timesteps)
    torch.manual_seed(options.seed)
    data = options.load()
    settings = {"seed": options.seed, "folder": options.out, "device": options.device}
    checkpoint = train("spikemba", model_config, preset.training, data, **settings)
    model = checkpoint.build().to(options.device)
    set_backend(model, options.backend)
    split = getattr(data, options.split)
    figures = {"parameters": parameter_count(model), "best_epoch": checkpoint.progress["best_epoch"]}
    figures |= {**accuracy(model, split, options.device), **cost(model, split, options.device)}
    config = {"model": model_config, "training": preset.training}
    details = {"data": data.name, "checksum": data.checksum, "split": options.split, "config": config}
    write_json(provenance(**details, seed=options.seed, figures=figures), options.out / "metrics.json")
    for name, value in figures.items():
        print(f"{name:40} {value:,.4g}")
    print(f"{data.name}, {options.split} split; wrote {options.out}/best.pt and metrics.json")


if __name__ == "__main__":
    run(Options, main, __doc__)
