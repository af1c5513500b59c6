"""Batches made ahead of time, in worker processes, so that a fast device does not wait for features."""

from collections.abc import Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader

from snnvtg.data.dataset import GroundingDataset, collate
from snnvtg.errors import InputError
from snnvtg.records import Batch


def prefetched_batches(
    dataset: GroundingDataset,
    batch_size: int,
    *,
    seed: int | None = None,
    workers: int = 2,
    ahead: int = 4,
) -> Iterator[Batch]:
    """The batches of `dataset.batches(batch_size, seed=seed)`, the same in the same order, `ahead` per worker.

    Worth it where features are packed (`PackedFeatures`) and the device is fast; 0 workers make them in this process.
    """
    if workers < 0 or ahead < 1:
        raise InputError(f"workers is {workers} and ahead {ahead}; expected at least 0 and 1")
    order = dataset.order(seed).tolist()
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=partial(collate, clip_length=dataset.clip_length),
        num_workers=workers,
        prefetch_factor=ahead if workers else None,
        # threads of the parent do not survive a fork
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_one_thread,
    )
    yield from loader


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
