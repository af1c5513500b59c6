"""Train one model and measure it.

    python experiments/train.py                                   # embedded synthetic data, about 40 seconds
    python experiments/train.py --data FOLDER --preset small --out runs/charades
    python experiments/train.py --data FOLDER --model my_package.my_model:MyModel
    python experiments/train.py --data FOLDER --preset paper --device cuda --set training.precision=bf16
    python experiments/train.py --dataset qvhighlights --layout moment_detr --features moment_detr/ --preset paper
    torchrun --nproc-per-node 4 experiments/train.py --data FOLDER --preset paper --device cuda    # one model on 4 GPUs
    python experiments/train.py --dataset tvsum --layout lighthouse --features features/tvsum \\
        --annotations data/tvsum --backbones i3d --domain BK --preset paper

Writes best.pt (the best epoch by validation), last.pt (from which the same command resumes) and metrics.json with
accuracy, firing rates, operations and energy on the validation split (`--split test` opens the test split). With
`--dataset` the folder of another toolkit is read where it lies, the figures are the benchmark's own, and the preset
`paper` has the settings the model's paper uses on it; the next step is experiments/predict.py, which writes a
submission.

Under torchrun the processes train one model, each on a share of every batch: `training.batch_size` is that of all
together, and losses, negatives and batch statistics are of the whole batch, so that the curve is that of one process
(to rounding; dropout draws other numbers). `--max-restarts 3` goes on from last.pt when a process dies; so does the
same command by hand, with any number of processes.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from snnvtg.cli.command import run
from snnvtg.cli.options import DataOptions, ModelOptions, check_loaders
from snnvtg.files import check_writable
from snnvtg.sweeps.trial import Inference, Split, check_seeds

if TYPE_CHECKING:
    from snnvtg.training.parallel import Processes


@dataclass(frozen=True)
class Options(DataOptions, ModelOptions):
    """Train a model."""

    several_processes: ClassVar[bool] = True

    timesteps: int | None = None
    """T; default that of the preset"""
    seed: int = 0
    split: Split = "val"
    """where the trained model is measured"""
    backend: str = "auto"
    """LIF backend of the measurement"""
    device: str = "cpu"
    loaders: int = 0
    """processes that make batches ahead of time, so that a fast device does not wait for packed features; no figure
    depends on it"""
    live: Literal["none", "csv", "tensorboard"] = "none"
    """watch it while it trains: losses, firing rates by layer, validation figures and the share of time spent waiting
    for data, of each epoch, in OUT/live.csv, or in OUT for TensorBoard"""
    out: Path = Path("runs/train")
    """folder of checkpoints and metrics"""

    def check(self) -> None:
        """InputError for a seed that is none, or fewer loaders than none."""
        super().check()
        check_seeds([self.seed], "--seed")
        check_loaders(self.loaders)

    def kept(self) -> str:
        """As CommandOptions: the last finished epoch."""
        last = self.out / "last.pt"
        if last.is_file():
            return f"{last} holds the last finished epoch; the same command goes on from there"
        return "no epoch was finished; the same command begins again"


def main(options: Options) -> None:
    """Train, measure, report."""
    from snnvtg.training.parallel import Processes, launched

    with launched(options.device) as device:
        trained_and_measured(options, device, Processes.here())


def trained_and_measured(options: Options, device: str, processes: "Processes") -> None:
    """Train in every process of the run; the first one measures and reports."""
    import torch

    from snnvtg.reporting import provenance, write_json
    from snnvtg.sweeps.checks import check_device, check_trial
    from snnvtg.sweeps.jobs import measure_model
    from snnvtg.sweeps.measurement import parameter_count
    from snnvtg.terminal import figures_text
    from snnvtg.training import train
    from snnvtg.training.live import watcher

    check_device(device)
    steps = () if options.timesteps is None else (f"model.num_timesteps={options.timesteps}",)
    trial = options.trial(options.source, Inference(backend=options.backend, split=options.split), steps)
    check_trial(trial, device)
    check_writable(options.out / "metrics.json")
    data = trial.data.load()
    torch.manual_seed(options.seed)
    watch = watcher(options.live, options.out) if processes.is_first else None
    run = {"seed": options.seed, "folder": options.out, "device": device, "loaders": options.loaders}
    checkpoint = train(trial.recipe, data, **run, watch=watch)
    if not processes.is_first:
        return
    model = checkpoint.build().to(device)
    model.num_timesteps = trial.inference.num_timesteps or model.num_timesteps
    costs, found = measure_model(model, getattr(data, options.split), trial.inference, (), options.seed, device)
    figures = {"parameters": parameter_count(model), "best_epoch": checkpoint.progress["best_epoch"]}
    figures |= {**next(iter(found.values())).figures, **costs}
    config = {"model_name": checkpoint.model_name, "model": trial.recipe.model, "training": trial.recipe.training}
    details = {"data": data.name, "checksum": data.checksum, "split": options.split, "config": config}
    details |= {"processes": processes.count} if processes.together else {}
    write_json(provenance(**details, seed=options.seed, figures=figures), options.out / "metrics.json")
    print(figures_text(figures))
    print(f"{data.name}, {options.split} split; wrote {options.out}/best.pt and metrics.json")


def start() -> None:
    """Run the command."""
    if (
        "TORCHELASTIC_RUN_ID" in os.environ
    ):  # before torch is imported: every process would be told how DDP could be faster
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
