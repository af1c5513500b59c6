"""Write a trained model's answers to a split as a submission file.

    python experiments/predict.py --checkpoint runs/train/best.pt --data FOLDER --out submission.jsonl
    python experiments/predict.py --checkpoint best.pt --dataset qvhighlights --layout moment_detr \\
        --features moment_detr/ --split test --out submission.jsonl

A jsonl line a query, in the official layout: windows best first with their scores, one saliency score a clip. With
`--dataset` the split may lack answers. Score the file with experiments/evaluate.py, or send it to the benchmark's
server. Minutes for a validation split on a CPU.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from snnvtg.command import run
from snnvtg.data import GroundingDataset
from snnvtg.data.submissions import write_submission
from snnvtg.errors import InputError
from snnvtg.neurons import set_backend
from snnvtg.studies.benchmarks import BenchmarkOptions
from snnvtg.studies.checks import check_device
from snnvtg.training import Checkpoint, load_checkpoint
from snnvtg.training.evaluation import predict_split


@dataclass(frozen=True)
class Options(BenchmarkOptions):
    """Write a submission."""

    checkpoint: Path = Path("runs/train/best.pt")
    split: str = "test"
    """train, val or test; with --dataset the part of a jsonl file's name that says the split, --splits is not used"""
    backend: str = "auto"
    """LIF backend"""
    device: str = "cpu"
    batch_size: int = 64
    out: Path = Path("submission.jsonl")


def main(options: Options) -> None:
    """Predict and write."""
    if options.batch_size < 1:
        raise InputError(f"batch_size is {options.batch_size}; expected at least 1")
    check_device(options.device)
    checkpoint = load_checkpoint(options.checkpoint)
    dataset = split_of(options, checkpoint)
    model = checkpoint.build().to(options.device)
    set_backend(model, options.backend)
    predictions = predict_split(model, dataset, batch_size=options.batch_size, device=options.device)
    write_submission(predictions, options.out)
    print(f"{len(predictions)} queries; wrote {options.out}")


def split_of(options: Options, checkpoint: Checkpoint) -> GroundingDataset:
    """The split asked for, refused where its features or text are not those of the checkpoint."""
    if options.dataset is None:
        if options.split not in ("train", "val", "test"):
            raise InputError(f"split is {options.split!r}; expected train, val or test (other names with --dataset)")
        data = options.load()
    else:
        data = dataclasses.replace(options, splits=(options.split,) * 3).load(answers=False)
    checkpoint.require(data, options.checkpoint)
    return getattr(data, options.split if options.dataset is None else "test")


if __name__ == "__main__":
    run(Options, main, __doc__)
