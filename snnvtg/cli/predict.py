"""Write a trained model's answers to a split as a submission file.

    python experiments/predict.py --checkpoint runs/train/best.pt --data FOLDER --out submission.jsonl
    python experiments/predict.py --checkpoint best.pt --dataset qvhighlights --layout moment_detr \\
        --features moment_detr/ --split test --out submission.jsonl
    python experiments/predict.py --checkpoint reports/ablation_table4.csv --row full --seed 0 --data FOLDER

One jsonl line per query, in the official layout: windows best first with their scores, one saliency score per clip.
With `--dataset` the split may lack answers. Score the file with experiments/evaluate.py, or send it to the benchmark's
server. Minutes for a validation split on a CPU.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions, DataOptions
from snnvtg.errors import InputError
from snnvtg.files import check_writable

if TYPE_CHECKING:
    from snnvtg.data import GroundingDataset
    from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class Options(CheckpointOptions, DataOptions):  # `load` is the checkpoint's
    """Write a submission."""

    split: str = "test"
    """train, val or test; with --dataset the part of a jsonl file's name that says the split, --splits is not used"""
    backend: str = "auto"
    """LIF backend"""
    device: str = "cpu"
    batch_size: int = 64
    out: Path = Path("submission.jsonl")

    def check(self) -> None:
        """InputError for a batch of nothing."""
        super().check()
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; expected at least 1")


def main(options: Options) -> None:
    """Predict and write."""
    from snnvtg.data.submissions import write_submission
    from snnvtg.data.video_rankings import write_video_rankings
    from snnvtg.neurons import set_backend
    from snnvtg.sweeps.checks import check_device
    from snnvtg.training.evaluation import answer_split

    check_device(options.device)
    file = options.file()
    checkpoint = options.trained()
    dataset = split_of(options, checkpoint, file)
    check_writable(options.out)
    model = checkpoint.build().to(options.device)
    set_backend(model, options.backend)
    answers = answer_split(model, dataset, batch_size=options.batch_size, device=options.device)
    if model.needs.every_video:
        write_video_rankings(dataset.queries, [answers[query.qid] for query in dataset.queries], options.out)
    else:
        write_submission(answers, options.out)
    if said := unread(dataset):
        print(said)
    print(f"{len(dataset)} queries; wrote {options.out}")


def unread(dataset: "GroundingDataset") -> str:
    """What to say of queries with words that have no vector, and of those without any other."""
    from snnvtg.data.text import unread_words

    found = [unread_words(query.query, text) for query, text in zip(dataset.queries, dataset.texts, strict=True)]
    words = sorted({word for unknown in found for word in unknown})
    if not words:
        return ""
    count = sum(map(bool, found))
    said = f"note: {count} queries have words without a vector ({', '.join(words[:5])}{', …' * (len(words) > 5)})"
    none = [
        q for q, unknown, text in zip(dataset.queries, found, dataset.texts, strict=True) if len(unknown) == len(text)
    ]
    if none:
        said += f"; {len(none)} have no other, so their answers say nothing of the query (first: qid {none[0].qid})"
    return said


def split_of(options: Options, checkpoint: "Checkpoint", file: Path) -> "GroundingDataset":
    """The split asked for, refused where its features or text are not those of the checkpoint."""
    source, split = options.source, options.split
    if source.dataset is None:
        if split not in ("train", "val", "test"):
            raise InputError(f"split is {split!r}; expected train, val or test (other names with --dataset)")
        data = source.load()
    else:
        data, split = dataclasses.replace(source, splits=(split,) * 3).load(answers=False), "test"
    checkpoint.require(data, file)
    return getattr(data, split)


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
