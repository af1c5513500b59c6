"""Training: Adam, best epoch by validation, checkpoints that resume to the same figures."""

import math
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from snnvtg import memory
from snnvtg.claims import claimed, remove_leftovers
from snnvtg.data import DataSplits
from snnvtg.data.loading import Loader
from snnvtg.errors import InputError
from snnvtg.models import GroundingModel, Recipe
from snnvtg.records import Batch
from snnvtg.training.augment import drop_words
from snnvtg.training.checkpoint import Checkpoint, load_checkpoint
from snnvtg.training.evaluation import evaluate, evaluation_of
from snnvtg.training.optimisation import Optimisation
from snnvtg.training.parallel import Processes, others_lost
from snnvtg.training.step import Step, weights_alike
from snnvtg.training.watching import Terms, Watcher


def train(
    recipe: Recipe,
    data: DataSplits,
    *,
    seed: int,
    folder: Path | None = None,
    device: str = "cpu",
    quiet: bool = False,
    watch: Watcher | None = None,
    loaders: int = 0,
) -> Checkpoint:
    """Train a model and return its best epoch by the validation metric `training.select_on`.

    With a `folder`, `last.pt` is written after every epoch and `best.pt` at every new best; a run that finds its own
    `last.pt` there resumes from it, and ends with the figures of an uninterrupted run (exactly so on CPU). InputError
    where another run is training there. On a CPU the process keeps the memory it frees from then on
    (`snnvtg.memory.keep_freed_memory`). `watch` is told of every epoch (`training.live`), and changes no figure, nor do
    `loaders`, processes that make the batches ahead of time.

    Where torch's process group is there (`training.parallel.launched`), its processes train one model together, as one
    would with the same `batch_size`; every process gets the checkpoint.

    >>> import snnvtg
    >>> data = snnvtg.load_data(synthetic=snnvtg.SyntheticConfig(num_train=8, num_val=4, num_test=4))
    >>> small = snnvtg.recipe("demo", "training.epochs=1", "model.width=8", "model.num_blocks=1", "model.num_heads=2")
    >>> checkpoint = train(small, data, seed=0, quiet=True)
    >>> checkpoint.progress["best_epoch"], sorted(evaluate(checkpoint.build(), data.val)[0])
    (1, ['R1@0.3', 'R1@0.5', 'R1@0.7', 'mIoU'])
    """
    config, processes = recipe.training, Processes.here()
    if config.precision == "bf16" and device == "cpu":
        raise InputError("precision: bf16 needs a GPU (--device cuda); use float32 on a CPU")
    if device == "cpu":
        memory.keep_freed_memory()
    with others_lost(processes), Loader(data.train, config.batch_size, loaders) as loader, ExitStack() as stack:
        processes.agree((recipe, data.checksum, seed), "settings, data or seed")
        run = _Run(recipe, data, seed, device, loader, watch, processes)
        if folder is not None:
            saved = processes.first(lambda: _claimed(folder, recipe, stack))
            if saved is not None:
                run.restore(saved, folder / "last.pt")
        return _trained(run, folder, quiet or not processes.is_first)


def _claimed(folder: Path, recipe: Recipe, stack: ExitStack) -> Checkpoint | None:
    """What an earlier run left in the folder, which is this run's until `stack` ends."""
    stack.enter_context(claimed(folder / "last.pt"))
    remove_leftovers(folder / "best.pt")
    last = folder / "last.pt"
    return load_checkpoint(last, recipe.model_class) if last.is_file() else None


def _trained(run: "_Run", folder: Path | None, quiet: bool) -> Checkpoint:
    """Every epoch that is left, each written to `folder`."""
    shown = {"initial": run.epoch, "total": run.config.epochs, "leave": False, "desc": "training", "unit": "epoch"}
    # `disable` is not given where it need not be: what the environment says of it (--quiet) would not count
    shown |= {"disable": True} if quiet or not sys.stderr.isatty() else {}
    with tqdm(range(run.epoch, run.config.epochs), **shown) as epochs:
        for _ in epochs:
            figures = run.one_epoch() | {"waiting for data": run.loader.waiting}
            epochs.set_postfix_str(" · ".join(f"{name} {value:.3g}" for name, value in figures.items()))
            if folder is not None:
                run.processes.first(lambda: run.write(folder))
    return run.checkpoint()


_RESUMED = {"seed", "epoch", "best_epoch", "history", "step", "optimiser", "average", "best_state"}
"""what `progress` holds where a run can go on"""


class _Run:
    """The state of one training run: all of it is in `checkpoint(resumable=True)`."""

    def __init__(
        self,
        recipe: Recipe,
        data: DataSplits,
        seed: int,
        device: str,
        loader: Loader,
        watch: Watcher | None = None,
        processes: Processes = Processes(),  # noqa: B008 (frozen)
    ):
        torch.manual_seed(seed)
        self.loader = loader
        self.recipe, self.config, self.data, self.seed, self.device = recipe, recipe.training, data, seed, device
        self.processes = processes
        self.model = processes.first(lambda: _fitted(recipe, data)).to(device)
        self.select_on = self.config.select_on or evaluation_of(self.model, data.val).select_on
        self.steps_per_epoch = math.ceil(len(data.train) / self.config.batch_size)
        self.optimisation = Optimisation(self.model, self.config, self.steps_per_epoch)
        self.terms_of = Step(self.model, self.config, device, processes)
        self.epoch = self.best_epoch = 0
        self.best_state: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.watch, self.terms = watch, Terms()

    def one_epoch(self) -> dict[str, float]:
        """Train one epoch, validate, and keep the weights if they are the best so far."""
        self.model.train()
        self.model.begin_epoch(self.epoch)
        together = self.model.needs.videos_together
        # seeded anew each epoch, so that a resumed run draws what an uninterrupted one would
        epoch_seed = self.seed * 1_000_003 + self.epoch
        torch.manual_seed(epoch_seed)
        total = 0.0
        for batch in self.loader.batches(seed=epoch_seed, together=together):
            total += self._one_step(batch.to(self.device))
        weights_alike(self.model, self.processes)
        self.epoch += 1
        metrics, rates = self.processes.first(self._validate)
        self.history.append({"loss": total / self.steps_per_epoch, **metrics})
        if self.watch and self.processes.is_first:
            apart = {**rates, "time/waiting_for_data": self.loader.waiting}
            self.watch.write(self.epoch, {**self.history[-1], **self.terms.take(), **apart})
        if not self.best_state or metrics[self.select_on] > self.history[self.best_epoch - 1][self.select_on]:
            self.best_epoch = self.epoch
            weights = self.optimisation.weights()
            self.best_state = {key: value.detach().cpu().clone() for key, value in weights.items()}
        return self.history[-1]

    def _one_step(self, batch: Batch) -> float:
        step = self.optimisation.step
        if self.config.word_dropout:
            batch = drop_words(batch, self.config.word_dropout)
        terms = self.terms_of(batch, self.seed * 1_000_003 + step)
        loss = sum(terms.values())
        if not torch.isfinite(loss):
            raise InputError(
                f"training diverged at step {step} (loss {loss.item()}); lower learning_rate "
                f"(now {self.config.learning_rate}) or gradient_clip (now {self.config.gradient_clip})"
            )
        if self.watch:
            self.terms.add(terms)
        self.optimisation.descend(loss)
        return float(loss.detach())

    def _validate(self) -> tuple[dict[str, float], dict[str, float]]:
        """Figures of validation and, where somebody watches, firing rates by layer."""
        kept = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.optimisation.weights())
        try:
            with self.watch.rates(self.model) if self.watch else nullcontext({}) as rates:
                metrics, _ = evaluate(self.model, self.data.val, device=self.device)
        finally:
            self.model.load_state_dict(kept)
        return metrics, {f"firing_rate/{layer}": rate for layer, rate in rates.items()}

    def write(self, folder: Path) -> None:
        """First a new best, so that the last epoch never lacks it."""
        if self.best_epoch == self.epoch:
            self.checkpoint().save(folder / "best.pt")
        self.checkpoint(resumable=True).save(folder / "last.pt")

    def checkpoint(self, resumable: bool = False) -> Checkpoint:
        """The best weights; `resumable` gives the latest ones with all that is needed to go on."""
        progress: dict[str, Any] = {
            "seed": self.seed,
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "data_checksum": self.data.checksum,
        }
        state = self.best_state
        if resumable:
            state = self.model.state_dict()
            progress |= {
                "step": self.optimisation.step,
                "optimiser": self.optimisation.optimiser.state_dict(),
                "average": self.optimisation.average,
                "best_state": self.best_state,
            }
        return Checkpoint(
            recipe=self.recipe,
            video_width=self.data.video_width,
            text_width=self.data.text_width,
            feature_names=tuple(self.data.feature_names),
            clip_length=self.data.clip_length,
            state=state,
            progress=progress,
            text_name=self.data.text_name,
            text_marks=dict(self.data.text_marks),
            longest=self.data.train.longest,
        )

    def restore(self, saved: Checkpoint, path: Path) -> None:
        """Resume from `saved`; refuses a run of another configuration or seed."""
        lacking = _RESUMED - saved.progress.keys()
        if lacking:
            raise InputError(f"{path}: cannot be resumed from, it lacks {min(lacking)}; remove it to begin again")
        mine = (self.recipe, self.seed, self.data.video_width, self.data.text_width)
        theirs = (saved.recipe, saved.progress["seed"], saved.video_width, saved.text_width)
        # written by older versions without it
        same_data = saved.progress.get("data_checksum", self.data.checksum) == self.data.checksum
        if mine != theirs or not same_data:
            raise InputError(
                f"{path}: belongs to a run with other settings, data or seed; choose another folder or remove it"
            )
        saved.require(self.data, path)
        self.model.load_state_dict(saved.state)
        progress = saved.progress
        self.optimisation.optimiser.load_state_dict(progress["optimiser"])
        self.optimisation.average = {key: value.to(self.device) for key, value in progress["average"].items()}
        self.optimisation.step = progress["step"]
        self.best_state, self.history = progress["best_state"], progress["history"]
        self.epoch, self.best_epoch = progress["epoch"], progress["best_epoch"]


def _fitted(recipe: Recipe, data: DataSplits) -> GroundingModel:
    """A model that has not been trained, and what of it is fitted before training."""
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    check_needs(model, data)
    model.fit(data.train)
    return model


def check_needs(model: GroundingModel, data: DataSplits) -> None:
    """InputError where the data lacks the feature layers that the model needs, or the model lacks what it is for."""
    if model.needs.every_video and not model.ranks_videos():
        raise InputError(f"{type(model).__name__} needs every video, and lacks `search` or `relevance` to rank them by")
    wanted, there = model.needs.num_layers, data.num_layers
    if wanted != there:
        raise InputError(
            f"{type(model).__name__} reads {wanted} feature layers, {data.name} has {there}; "
            f"extract the features with --layers {wanted}, or change the model's settings"
        )
