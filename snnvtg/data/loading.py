"""Batches made ahead of time, in loader processes, so that a fast device does not wait for features."""

import signal
import time
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader

from snnvtg.data.dataset import GroundingDataset
from snnvtg.errors import InputError, first_line
from snnvtg.records import Batch

AHEAD = 4
"""batches that each loader process keeps ready"""

LOST, REMEDY = (
    "a loader process ended before its batch was there",
    "perhaps for want of memory: fewer --loaders need less",
)

OF_THE_TERMINAL = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))
"""signals that reach every process of a terminal: loaders are born deaf to them, the process that reads ends them"""


class Loader:
    """The batches of a split, epoch after epoch, and how long their reader waited for them.

    With `loaders` above 0 that many processes make them ahead of time, from the first epoch until `close`; which
    batches there are, and in which order, does not depend on it. Worth it where features are packed and the device is
    fast. Processes open packed features anew, by memory map, and share the memory of compact queries. `total_waited`
    is how many seconds its reader has waited so far.
    """

    def __init__(self, dataset: GroundingDataset, batch_size: int, loaders: int = 0):
        if loaders < 0:
            raise InputError(f"loaders is {loaders}; expected at least 0")
        self.dataset, self.batch_size, self.loaders = dataset, batch_size, loaders
        self.total_waited = self._waited = self._spent = 0.0
        self._order: list[list[int]] = []
        self._processes = self._started() if loaders else None

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, _, error: BaseException | None, __) -> None:
        self.close()
        # torch says it wherever this process is; a batch whose loader is gone breaks off while it is received
        if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker"):
            raise InputError(f"{LOST} ({first_line(error)}), {REMEDY}") from error

    def batches(self, *, seed: int | None = None, together: bool = False) -> Iterator[Batch]:
        """One epoch, as `GroundingDataset.batches` gives it."""
        found = self._made(seed, together)
        self._waited, begun = 0.0, time.perf_counter()
        while True:
            asked = time.perf_counter()
            batch = next(found, None)
            now = time.perf_counter()
            self._waited, self._spent = self._waited + now - asked, now - begun
            self.total_waited += now - asked
            if batch is None:
                return
            yield batch

    @property
    def waiting(self) -> float:
        """The share of the last epoch's time, from 0 to 1, in which its reader waited for a batch."""
        return self._waited / self._spent if self._spent else 0.0

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None and self._processes._iterator is not None:
            self._processes._iterator._shutdown_workers()
            self._processes._iterator = None

    def _made(self, seed: int | None, together: bool) -> Iterator[Batch]:
        if self._processes is None:
            yield from self.dataset.batches(self.batch_size, seed=seed, together=together)
            return
        indices = self.dataset.batch_indices(self.batch_size, seed=seed, together=together)
        self._order[:] = [some.tolist() for some in indices]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TERMINAL)
        try:
            found = iter(self._processes)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        while True:
            try:
                batch = next(found, None)
            except (EOFError, ConnectionError, FileNotFoundError) as error:
                raise InputError(f"{LOST} ({first_line(error)}), {REMEDY}") from error
            if batch is None:
                return
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def _started(self) -> DataLoader:
        return DataLoader(
            _Batches(self.dataset),
            batch_sampler=self._order,
            collate_fn=_as_it_is,
            num_workers=self.loaders,
            prefetch_factor=AHEAD,
            # threads of the parent do not survive a fork
            multiprocessing_context="spawn",
            worker_init_fn=_begin,
            persistent_workers=True,
            # a generator of its own: that of the process draws dropout, whatever the number of loaders
            generator=torch.Generator(),
        )


class _Batches:
    """What a loader process makes: whole batches, or the error that says why there is none."""

    def __init__(self, dataset: GroundingDataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> Batch | InputError:
        try:
            return self.dataset.batch(indices)
        except InputError as error:
            return InputError(str(error))


def _as_it_is(batch: Batch | InputError) -> Batch | InputError:
    return batch


def _begin(_: int) -> None:
    torch.set_num_threads(1)
    for number in OF_THE_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
