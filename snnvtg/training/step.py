"""The loss terms of a batch, however many processes and pieces read it; what has to be alike in all of them."""

import warnings
import zlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from snnvtg.errors import InputError
from snnvtg.models import GroundingModel, TrainingConfig
from snnvtg.records import Batch
from snnvtg.training.parallel import Processes
from snnvtg.training.shared import SharedStep, check_shareable


class Step:
    """From a batch to its loss terms by name, which every process has and whose gradients are averaged over them."""

    def __init__(self, model: GroundingModel, config: TrainingConfig, device: str, processes: Processes):
        self.model, self.config, self.device = model, config, device
        self.shared: nn.Module | None = None
        if processes.together or config.accumulate > 1:
            self.shared = SharedStep(model, processes, config.accumulate, self._mixed)
        if processes.together:
            check_shareable(model)
            with warnings.catch_warnings():  # newer versions have another word for it
                warnings.filterwarnings("ignore", category=FutureWarning, message=".*broadcast_buffers")
                self.shared = DistributedDataParallel(self.shared, broadcast_buffers=False, find_unused_parameters=True)

    def __call__(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        """The terms; `seed` is for random numbers that shares of a batch draw for themselves."""
        if self.shared is not None:
            return self.shared(batch, seed)
        with self._mixed():
            output = self.model(batch)
        return self.model.losses(output, batch)

    def _mixed(self) -> AbstractContextManager:
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.config.precision == "bf16")


def weights_alike(model: nn.Module, processes: Processes) -> None:
    """InputError where a process of the run has other weights or statistics than the first."""
    if processes.count == 1:
        return
    marks = {name: zlib.crc32(_bytes(value)) for name, value in model.state_dict().items()}
    for rank, theirs in enumerate(processes.every(marks)):
        other = [name for name, mark in marks.items() if theirs[name] != mark]
        if other:
            raise InputError(
                f"{other[0]} of the model differs between processes {processes.rank} and {rank}: it is changed by each "
                "from its own share of a batch; sum over all (snnvtg.layers.shares.summed), or train in one process"
            )


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
