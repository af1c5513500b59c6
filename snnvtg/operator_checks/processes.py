"""Checks with threads, forked and spawned workers."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from snnvtg.errors import BackendError
from snnvtg.operator_checks.subject import Mismatch, Trial, gradients, same, same_values

SIZE, ITEMS, PATIENCE = 3, 12, 120.0  # PATIENCE: seconds until a worker counts as hung
REFUSED = 4  # exit status of a child whose backend refuses


class Items(Dataset):
    """Item i is the outputs and gradients at the inputs of seed i; every other one is large."""

    def __init__(self, trial: Trial):
        self.run, self.inputs, self.sizes = trial.run, trial.inputs, (SIZE, trial.large)

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, i: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        return gradients(self.run, self.inputs(self.sizes[i % 2], i))


def _compare(trial: Trial, what: str, answers) -> None:
    for i, (outputs, grads) in enumerate(answers):
        expected = gradients(trial.reference, trial.inputs((SIZE, trial.large)[i % 2], i))
        same_values(trial, f"{what}, item {i}: output", outputs, expected[0])
        same(f"{what}, item {i}: gradient", grads, expected[1], trial.tolerance)


def threads(trial: Trial) -> None:
    """Four threads at once, as torch.nn.DataParallel runs its replicas, and as the autograd engine runs devices."""
    items = Items(trial)
    with ThreadPoolExecutor(4) as pool:
        _compare(trial, "threads", list(pool.map(items.__getitem__, range(ITEMS))))


def forked_loader_workers(trial: Trial) -> None:
    """A DataLoader whose workers are forks of a process that has computed, and computes on beside them."""
    items = Items(trial)
    items[1]
    loader = DataLoader(items, None, num_workers=2, multiprocessing_context="fork", timeout=PATIENCE)
    _compare(trial, "forked worker", loader)


def spawned_loader_workers(trial: Trial) -> None:
    """A DataLoader whose workers are fresh processes."""
    items = Items(trial)
    pickle.dumps(items)
    loader = DataLoader(items, None, num_workers=1, multiprocessing_context="spawn", timeout=PATIENCE)
    _compare(trial, "spawned worker", loader)


def results_are_private_to_a_process(trial: Trial) -> None:
    """What a forked child writes into a result leaves the parent's alone, and the child computes rightly itself."""
    inputs = trial.inputs(trial.large, 0)
    outputs = trial.run(*inputs)
    kept = [out.clone() for out in outputs]

    def child() -> None:
        torch.set_num_threads(1)  # torch's own operators hang in a fork of a process that has used more
        for out in outputs:
            out.detach().fill_(-7)
        try:
            again = trial.run(*inputs)
        except BackendError:
            os._exit(REFUSED)
        try:
            # with another number of threads sums may take another order
            same("result in a forked child", again, kept, 0.0 if trial.exact else trial.tolerance)
        except Mismatch:
            os._exit(3)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise Mismatch("a forked child hangs")
    if process.exitcode not in (0, REFUSED):
        raise Mismatch(f"a forked child ended with status {process.exitcode}, 3 is a wrong answer")
    same("result after the child wrote into its copy", outputs, kept, 0.0)


def backward_in_another_thread(trial: Trial) -> None:
    """Forward in one thread, backward in another."""
    inputs = [t.clone().requires_grad_() for t in trial.inputs(SIZE, 0)]
    outputs = trial.run(*inputs)
    found: list[tuple[Tensor, ...]] = []
    weights = [torch.ones_like(out) for out in outputs]
    thread = threading.Thread(target=lambda: found.append(torch.autograd.grad(outputs, inputs, weights)))
    thread.start()
    thread.join()
    again = [t.detach().clone().requires_grad_() for t in inputs]
    expected = torch.autograd.grad(trial.reference(*again), again, weights)
    same("backward in another thread: gradient", found[0] if found else (), expected, trial.tolerance)


CHECKS = (
    threads,
    backward_in_another_thread,
    forked_loader_workers,
    results_are_private_to_a_process,
    spawned_loader_workers,
)
