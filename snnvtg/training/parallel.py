"""The processes of a training run: one, or those that torchrun started, one for each device.

torchrun --nproc-per-node 4 experiments/train.py --device cuda ...
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from snnvtg.errors import InputError, first_line
from snnvtg.models.shares import Samples

Result = TypeVar("Result")
PATIENCE = timedelta(hours=12)
"""how long a process waits for another that lives: the first validates meanwhile; of a dead one torchrun knows"""
LOST = ("closed by peer", "reset by peer", "Broken pipe", "Socket closed", "remote process", "Connection refused")
"""what the libraries below say where another process has gone"""


@dataclass(frozen=True)
class Processes:
    """This process among those of the run, the first of which reads, validates and writes for all."""

    rank: int = 0
    count: int = 1
    together: bool = False
    """whether there is a process group; it may be of one process"""

    @classmethod
    def here(cls) -> "Processes":
        """Those of torch's default process group, where there is one."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), True)

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def first(self, work: Callable[[], Result]) -> Result:
        """What `work` gives in the first process, in all of them; its InputError is raised in all of them."""
        if not self.together:
            return work()
        found: list[Any] = [None]
        if self.is_first:
            try:
                found = [work()]
            except InputError as error:
                found = [error]
        dist.broadcast_object_list(found)
        if isinstance(found[0], InputError):
            raise found[0]
        return found[0]

    def every(self, mine: Result) -> list[Result]:
        """What each process has, in their order."""
        if not self.together:
            return [mine]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, mine)
        return found

    def agree(self, mine: Any, what: str) -> None:
        """InputError, in all processes, where one has another value than the first."""
        everyone = self.every(mine)
        for rank, theirs in enumerate(everyone):
            if theirs != everyone[0]:
                raise InputError(f"process {rank} of this run has other {what} than process 0; start all with the same")

    def gather(self, tensors: Sequence[Tensor], places: Sequence[tuple[Samples, str]]) -> list[Tensor]:
        """The samples of all processes, in their order; InputError where the tensors differ in another axis.

        Differentiable where every process then computes the same from it, as `losses` of the whole batch, and
        gradients are averaged over the processes.
        """
        shapes = self.every([tuple(tensor.shape) for tensor in tensors])
        whole = []
        for number, (tensor, (samples, name)) in enumerate(zip(tensors, places, strict=True)):
            theirs, axis = [shape[number] for shape in shapes], samples.axis
            if axis is None:
                whole.append(tensor)
                continue
            if len({(*shape[:axis], *shape[axis + 1 :]) for shape in theirs}) > 1:
                raise InputError(
                    f"{name} has sizes {', '.join(map(str, theirs))} in the processes of this run: beside the samples "
                    f"on axis {axis} they have to be the same; train this model in one process"
                )
            whole.append(_Gathered.apply(tensor, axis, [shape[axis] for shape in theirs], self.rank))
        return whole


class _Gathered(torch.autograd.Function):
    """The tensors of all processes, one behind the other along `axis`.

    Each process computes the same loss from them, so that its own part of the gradient is all there is; times the
    number of processes, because the average over them follows.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int, sizes: list[int], rank: int) -> Tensor:
        ctx.axis, ctx.sizes, ctx.rank = axis, sizes, rank
        rows = x.movedim(axis, 0)
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        carried = padded.view(torch.uint8) if padded.dtype == torch.bool else padded
        found = [torch.empty_like(carried) for _ in sizes]
        dist.all_gather(found, carried)
        cut = [part[:size].view(x.dtype) for part, size in zip(found, sizes, strict=True)]
        return torch.cat(cut).movedim(0, axis)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        start, size = sum(ctx.sizes[: ctx.rank]), ctx.sizes[ctx.rank]
        return gradient.narrow(ctx.axis, start, size) * len(ctx.sizes), None, None, None


@contextmanager
def launched(device: str) -> Iterator[str]:
    """The device of this process, with its process group if torchrun started it; InputError where there are too few."""
    if not dist.is_torchelastic_launched():
        yield device
        return
    local, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    kind, _, number = device.partition(":")
    if number and here > 1:
        raise InputError(f"--device {device}: torchrun gives each process a device of its own; say --device {kind}")
    if kind == "cuda" and here > torch.cuda.device_count():
        raise InputError(
            f"torchrun started {here} processes and there are {torch.cuda.device_count()} GPUs; "
            "give --nproc-per-node gpu, or --device cpu"
        )
    if kind == "cuda":
        device = device if number else f"cuda:{local}"
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if kind == "cpu" else f"cpu:gloo,{kind}:nccl", timeout=PATIENCE, **_meeting())
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _meeting() -> dict[str, Any]:
    """Where the processes find one another, as `init_process_group` takes it; empty where that is torchrun's affair.

    torchrun (2.13) keeps one store over its restarts, and processes started again would find the addresses of dead
    ones in it. On one machine the number of restarts tells them apart; over several it may differ between machines.
    """
    told = os.environ
    if told["WORLD_SIZE"] != told["LOCAL_WORLD_SIZE"] or told.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store = dist.TCPStore(told["MASTER_ADDR"], int(told["MASTER_PORT"]), is_master=False, timeout=PATIENCE)
    own = dist.PrefixStore(f"restart {told['TORCHELASTIC_RESTART_COUNT']}", store)
    return {"store": own, "rank": int(told["RANK"]), "world_size": int(told["WORLD_SIZE"])}


@contextmanager
def others_lost(processes: Processes) -> Iterator[None]:
    """InputError in place of what the libraries below say where another process of the run has ended."""
    try:
        yield
    except RuntimeError as error:
        if not processes.together or not any(words in str(error) for words in LOST):
            raise
        raise InputError(
            f"another process of this run has ended ({first_line(error):.120}); see what it said, and run the same "
            "command: it goes on from the last finished epoch"
        ) from error
