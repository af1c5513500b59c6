"""Training in several processes on one CPU, for tests: each runs all jobs; and a model of one's own to train there."""

import dataclasses
import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn import functional as F

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.models import GroundingModel, Recipe
from snnvtg.models.losses import both_ways, info_nce
from snnvtg.records import Prediction
from snnvtg.training import train
from snnvtg.training.loop import _Run

DATA = SyntheticConfig(num_train=15, num_val=4, num_test=4, min_clips=10, max_clips=14, long_range_fraction=0)
"""with batches of 7 the last is of one query: a process has none"""


@dataclasses.dataclass(frozen=True)
class Job:
    """A model to train on the synthetic data of this file, perhaps cut short after some epochs."""

    recipe: Recipe
    folder: Path | None = None
    cut_after: int | None = None
    data: SyntheticConfig = DATA
    device: str = "cpu"


def run_job(job: Job):
    """Validation history and final weights; or the line of an InputError, or `cut`."""
    whole = _Run.one_epoch

    def until_cut(run):
        if run.epoch == job.cut_after:
            raise KeyboardInterrupt
        return whole(run)

    _Run.one_epoch = until_cut
    try:
        made = train(job.recipe, generate(job.data), seed=1, folder=job.folder, device=job.device, quiet=True)
        return made.progress["history"], made.state
    except InputError as error:
        return str(error)
    except KeyboardInterrupt:
        return "cut"
    finally:
        _Run.one_epoch = whole


def _work(rank: int, count: int, place: str, jobs: list[list[Job]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=count)
    torch.save([run_job(ours[rank % len(ours)]) for ours in jobs], f"{place}/{rank}.pt")
    dist.destroy_process_group()


def run_jobs(jobs: list, count: int) -> list[list]:
    """What `run_job` gave for each job, in each of `count` processes; a list of jobs is one for each process."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["OMP_NUM_THREADS"] = "1"
        mp.spawn(_work, (count, place, [job if isinstance(job, list) else [job] for job in jobs]), nprocs=count)
        return list(zip(*(torch.load(f"{place}/{rank}.pt", weights_only=False) for rank in range(count)), strict=True))


@dataclasses.dataclass(frozen=True)
class OwnConfig:
    """What is wrong with the model below, if anything."""

    form: str = "sound"


class Own(GroundingModel):
    """InfoNCE of mean clips and mean words at a learned temperature that `losses` reads; an output of plain tensors."""

    config_class = OwnConfig

    def __init__(self, config: OwnConfig, video_width: int, text_width: int):
        super().__init__(config, video_width, text_width)
        self.video, self.text = nn.Linear(video_width, 8), nn.Linear(text_width, 8)
        self.temperature, self.unused = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.ones(2))
        self.norm = nn.BatchNorm1d(8) if config.form == "batch norm" else nn.Identity()
        self.register_buffer("seen", torch.zeros(8))

    def forward(self, batch):
        """Both sides as vectors, and what a `form` adds."""
        clips = (batch.video * batch.video_mask.unsqueeze(-1)).sum(1) / batch.video_mask.sum(1, keepdim=True)
        words = (batch.text * batch.text_mask.unsqueeze(-1)).sum(1) / batch.text_mask.sum(1, keepdim=True)
        video, text = F.normalize(self.norm(self.video(clips)), dim=-1), F.normalize(self.text(words), dim=-1)
        if self.config.form == "own statistics" and self.training:
            self.seen.lerp_(video.detach().mean(0), 0.1)
        more = {"number": 3.0} if self.config.form == "number" else {}
        more |= {"first": video.T} if self.config.form == "other axis" else {}
        return {"pair": (video, text), **more}

    def losses(self, output, batch):
        """Both directions, and a term of a parameter alone."""
        video, text = output["pair"]
        paired = torch.eye(len(batch), dtype=torch.bool)
        nce = both_ways(info_nce, text @ video.T, paired, temperature=self.temperature.clamp(min=0.05))
        return {"nce": nce, "temperature": 0.1 * self.temperature.square()}

    def predict(self, output, batch):
        """The whole video."""
        return [Prediction(q.qid, q.query, q.vid, ((0.0, q.duration, 1.0),)) for q in batch.queries]
