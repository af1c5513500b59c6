"""One model trained by one process and by several, side by side: how far apart losses and figures are.

    python experiments/benchmarks/parallel_training.py --out reports/training_parallel.csv
    python experiments/benchmarks/parallel_training.py --device cuda --precisions float32 bf16

Each model of a preset, without dropout, whose draws no split of a batch can keep, is trained by one process without a
process group and then by `processes` of them: gloo on a CPU, NCCL with a GPU for each. With `accumulate` the whole
batch is read in pieces; a model with batch statistics then trains otherwise by design, and is compared with one process
that reads the same pieces. Exit status 1 where losses differ by more than `tolerance`. On a machine with fewer cores
than processes the seconds say nothing.
"""

import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from quiet import run
from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.models import MODELS, Recipe, model_class
from snnvtg.reporting import provenance, write_csv, write_json, write_text
from snnvtg.training import train


@dataclass(frozen=True)
class Options:
    """Compare training by one process with training by several."""

    models: tuple[str, ...] = tuple(MODELS)
    preset: Literal["demo", "small"] = "demo"
    processes: tuple[int, ...] = ()
    """default: 1, 2 and 4 on a CPU; on GPUs 1, and as many as there are"""
    accumulate: tuple[int, ...] = (1, 2)
    precisions: tuple[Literal["float32", "bf16"], ...] = ("float32",)
    device: Literal["cpu", "cuda"] = "cpu"
    epochs: int = 3
    queries: int = 63
    """of the training split; with the batch size below the last batch is of three"""
    batch_size: int = 20
    tolerance: float = 1e-3
    """largest difference of an epoch's loss, as a share of it"""
    out: Path | None = None
    """CSV; a JSON with provenance and a Markdown table are written beside it"""


def main(options: Options) -> None:
    """Train, compare, report."""
    if min(options.epochs, options.queries, options.batch_size, *options.accumulate, *options.processes) < 1:
        raise InputError("epochs, queries, batch_size, accumulate and processes: expected at least 1")
    counts = options.processes or default_processes(options.device)
    torch.set_num_threads(1)
    recipes = [
        without_dropout(name, options, precision, pieces)
        for name in options.models
        for precision in options.precisions
        for pieces in options.accumulate
    ]
    data = SyntheticConfig(num_train=options.queries, num_val=12, num_test=4)
    alone = [timed(recipe, data, options.device) for recipe in recipes]
    rows = []
    for count in counts:
        together = by_several(recipes, data, options.device, count)
        rows += [compared(*row, count) for row in zip(recipes, alone, together, strict=True)]
    table = pd.DataFrame(rows).sort_values(["model", "precision", "accumulate", "processes"])
    print(table.to_string(index=False, float_format="{:.3g}".format))
    if options.out:
        write_csv(table, options.out)
        details = {"config": options, "wall_seconds": round(float(table["seconds"].sum()), 1)}
        write_json(provenance(**details), options.out.with_suffix(".json"))
        write_text(markdown(table, options), options.out.with_suffix(".md"))
    if not (table["loss_difference"] <= options.tolerance * table["loss_last"]).all():
        raise SystemExit("the losses of one process and of several differ by more than rounding")


def default_processes(device: str) -> tuple[int, ...]:
    """What there are devices for."""
    return (1, 2, 4) if device == "cpu" else tuple(sorted({1, torch.cuda.device_count()}))


def without_dropout(name: str, options: Options, precision: str, pieces: int) -> Recipe:
    """The preset of a model without any dropout, trained as the options say."""
    recipe = model_class(name).recipe(options.preset)
    drops = {f.name: 0.0 for f in fields(recipe.model) if "dropout" in f.name or f.name == "drop_path"}
    training = {"epochs": options.epochs, "batch_size": options.batch_size, "precision": precision}
    return replace(
        recipe,
        model=replace(recipe.model, **drops),
        training=replace(recipe.training, **training, accumulate=pieces),
    )


def timed(recipe: Recipe, data: SyntheticConfig, device: str) -> tuple[list[dict[str, float]], float]:
    """The history of a run, and its seconds."""
    started = time.perf_counter()
    history = train(recipe, generate(data), seed=0, device=device, quiet=True).progress["history"]
    return history, time.perf_counter() - started


def by_several(recipes: list[Recipe], data: SyntheticConfig, device: str, count: int) -> list[Any]:
    """What the first of `count` processes has of each recipe."""
    with tempfile.TemporaryDirectory() as place:
        mp.spawn(_work, (count, place, recipes, data, device), nprocs=count)
        return torch.load(f"{place}/found.pt", weights_only=False)


def _work(rank: int, count: int, place: str, recipes: list[Recipe], data: SyntheticConfig, device: str) -> None:
    torch.set_num_threads(1)
    if device == "cuda":
        device = f"cuda:{rank}"
        torch.cuda.set_device(device)
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, init_method=f"file://{place}/meeting", rank=rank, world_size=count)
    found = [timed(recipe, data, device) for recipe in recipes]
    if rank == 0:
        torch.save(found, f"{place}/found.pt")
    dist.destroy_process_group()


def compared(recipe: Recipe, alone: tuple, together: tuple, count: int) -> dict[str, Any]:
    """A row: how far the run of several processes is from that of one."""
    (ours, _), (theirs, seconds) = alone, together
    losses = [abs(mine["loss"] - other["loss"]) for mine, other in zip(ours, theirs, strict=True)]
    figures = [abs(ours[-1][name] - theirs[-1][name]) for name in ours[-1] if name != "loss"]
    return {
        "model": recipe.model_class.__module__.split(".")[2],
        "precision": recipe.training.precision,
        "accumulate": recipe.training.accumulate,
        "processes": count,
        "loss_first": ours[0]["loss"],
        "loss_last": ours[-1]["loss"],
        "loss_difference": max(losses),
        "figure_difference": max(figures),
        "seconds": seconds,
    }


def markdown(table: pd.DataFrame, options: Options) -> str:
    """The table in words a reader needs."""
    head = (
        "# One model trained by one process and by several\n\n"
        f"Preset `{options.preset}` of each model without dropout, {options.epochs} epochs of {options.queries} "
        f"synthetic queries in batches of {options.batch_size} (the last one of "
        f"{options.queries % options.batch_size or options.batch_size}), on {options.device}. `loss_difference`: the "
        "largest over the epochs between the run of one process without a process group and that of `processes`; "
        "`figure_difference`: the largest of any validation figure after the last epoch, in percent points. Batches "
        "are read in `accumulate` pieces by both. The seconds are of a machine with fewer cores than processes: they "
        "say nothing of speed.\n\n"
    )
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row) + " |")
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(Options, main, __doc__)
