"""A training step whose batch is read in shares: by several processes, in pieces one after the other, or both.

Each share goes through `forward_share` by itself; what all of them gave is joined, and every process computes the
losses of the whole batch from it. A loss is therefore what it is in one process, whatever it compares, and models need
not know of it. Pieces are read again in the backward pass instead of being kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from snnvtg.errors import InputError
from snnvtg.layers.shares import sharing
from snnvtg.models import GroundingModel
from snnvtg.models.shares import Samples, check_samples, joined
from snnvtg.records import Batch, Query
from snnvtg.training.parallel import Processes

Span = tuple[int, int]
"""rows [first, stop) of a batch"""


class SharedStep(nn.Module):
    """From a batch to its loss terms; a module, so that DistributedDataParallel sees every use of a parameter."""

    def __init__(
        self,
        model: GroundingModel,
        processes: Processes,
        pieces: int,
        mixed: Callable[[], AbstractContextManager] = nullcontext,
    ):
        """`mixed` gives the precision that the network runs in."""
        super().__init__()
        self.model, self.processes, self.pieces, self.mixed = model, processes, pieces, mixed

    def forward(self, batch: Batch, seed: int) -> dict[str, Tensor]:
        """The terms of the whole batch, in every process.

        Random numbers of the shares are drawn by `seed`, other ones for each; those of the losses, as they come, are
        the same in all processes.
        """
        together = self.model.needs.videos_together
        pieces = [span for span in cut(batch.queries, (0, len(batch)), self.pieces, together) if span[0] < span[1]]
        with self.mixed():
            parts = []
            for number, piece in enumerate(pieces):
                mine = cut(batch.queries, piece, self.processes.count, together)[self.processes.rank]
                drawn = (seed * self.pieces + number) * self.processes.count + self.processes.rank
                with _drawing(drawn % 2**63, batch.video.device):
                    parts.append(self._part(batch, piece, mine))
            output = self.model.forward_joint(joined(parts, _behind_one_another), batch)
        return self.model.losses(output, batch)

    def _part(self, batch: Batch, piece: Span, mine: Span) -> Any:
        """What all processes gave for a piece of the batch, of which this one reads the rows `mine`."""
        counted = mine[0] < mine[1]
        first, stop = mine if counted else (piece[0], piece[0] + 1)  # something to read that counts nowhere
        share = batch.rows(first, stop)
        if self.pieces == 1:
            part = self._read(share, counted)
        else:
            keep = {"use_reentrant": False, "context_fn": lambda: (nullcontext(), unmoved(self.model))}
            part = checkpoint(self._read, share, counted, **keep)
        tensors: list[Tensor] = []
        places: list[tuple[Samples, str]] = []

        def take(found: Sequence[Tensor], samples: Samples, name: str) -> Tensor:
            check_samples(found[0], samples, name, stop - first)
            own = found[0] if counted or samples.axis is None else found[0].narrow(samples.axis, 0, 0)
            tensors.append(own)
            places.append((samples, name))
            return own

        part = joined([part], take)
        if not self.processes.together:
            return part
        whole = iter(self.processes.gather(tensors, places))
        return joined([part], lambda *_: next(whole))

    def _read(self, share: Batch, counted: bool) -> Any:
        with sharing(counted) if self.processes.together else nullcontext():
            return self.model.forward_share(share)


def cut(queries: Sequence[Query], span: Span, count: int, together: bool) -> list[Span]:
    """The rows [first, stop) of `span` in `count` parts of about one size, some perhaps empty.

    `together` parts no two neighbours of one video.
    """
    first, stop = span
    between = range(first + 1, stop)
    places = [first, *(i for i in between if not together or queries[i].vid != queries[i - 1].vid), stop]
    ideal = (first + (stop - first) * number / count for number in range(count + 1))
    edges = [min(places, key=lambda place: abs(place - wanted)) for wanted in ideal]
    return list(pairwise(edges))


@contextmanager
def unmoved(model: nn.Module) -> Iterator[None]:
    """The buffers of `model` after the block are those before it: a second reading moves no running statistics."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


def check_shareable(model: nn.Module) -> None:
    """InputError where a model has a layer of torch's own that takes statistics of a share for those of the batch."""
    for name, layer in model.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise InputError(
                f"{name}: {type(layer).__name__} has the statistics of one process's share alone; use "
                "snnvtg.layers.norm.MaskedBatchNorm, or train this model in one process"
            )


def _behind_one_another(parts: Sequence[Tensor], samples: Samples, _: str) -> Tensor:
    return parts[0] if samples.axis is None or len(parts) == 1 else torch.cat(list(parts), samples.axis)


@contextmanager
def _drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers by `seed` within the block; after it they go on as if nothing had been drawn."""
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=_accelerator(device)):
        torch.manual_seed(seed)
        yield


def _accelerator(device: torch.device) -> str:
    return "cuda" if device.type == "cpu" else device.type
