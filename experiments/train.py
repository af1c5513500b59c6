"""Train one SpikeMba and measure it.

    python experiments/train.py                                   # embedded synthetic data, about 40 seconds
    python experiments/train.py --data FOLDER --preset small --out runs/charades
    python experiments/train.py --data FOLDER --preset paper --device cuda --set training.precision=bf16
    python experiments/train.py --dataset qvhighlights --layout moment_detr --features moment_detr/ --preset paper
    python experiments/train.py --dataset tvsum --layout lighthouse --features features/tvsum \\
        --annotations data/tvsum --backbones i3d --domain BK --preset paper

Writes best.pt (the best epoch by validation), last.pt (to go on from; the same command resumes) and metrics.json with
accuracy, firing rates, operations and energy on the test split. With `--dataset` the folder of another toolkit is read
where it lies, the figures are the benchmark's own, and the preset `paper` has the paper's settings for it; the next
step is experiments/predict.py, which writes a submission.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from snnvtg.command import run
from snnvtg.neurons import set_backend
from snnvtg.reporting import provenance, write_json
from snnvtg.studies.benchmarks import BenchmarkOptions, benchmark_settings
from snnvtg.studies.checks import check_device, check_selection
from snnvtg.studies.measure import accuracy, cost, parameter_count
from snnvtg.studies.options import PresetOptions
from snnvtg.training import Preset, train


@dataclass(frozen=True)
class Options(BenchmarkOptions, PresetOptions):
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
    check_device(options.device)
    preset = chosen_preset(options)
    data = options.load()
    check_selection(preset.training.select_on, data)
    model_config = preset.model
    if options.timesteps is not None:
        model_config = dataclasses.replace(model_config, num_timesteps=options.timesteps)
    torch.manual_seed(options.seed)
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


def chosen_preset(options: Options) -> Preset:
    """The preset with the benchmark's settings, then those of the command line."""
    if options.dataset is None:
        return options.chosen(options.data)
    settings = benchmark_settings(options.dataset, paper=options.preset == "paper")
    return dataclasses.replace(options, set=(*settings, *options.set)).chosen(options.features)


if __name__ == "__main__":
    run(Options, main, __doc__)
