"""What device_parity.py asks of a GPU, asked of the CPU's kernels: every switch of the Triton kernels is on and off."""

import pytest
import torch

from snnvtg.scan import operator, triton_scan
from tests.scan import device_parity
from tests.scan.triton_checks import SWITCHES


def test_each_switch_of_the_kernels_is_on_and_off_alone_and_with_all_others(monkeypatch):
    launched = {name: set() for name in SWITCHES}

    def record(name, call, k, tensors, sizes, checkpoints, flags):
        launched[name].add(frozenset(switch for switch in SWITCHES[name] if flags[switch]))

    monkeypatch.setitem(operator.KERNELS, "cpu", triton_scan)
    monkeypatch.setattr(triton_scan, "_launch", record)
    for on in device_parity.combinations():
        device_parity.answer(on, device_parity.SHAPES[1], torch.float32, "cpu", "cpu")
    for name, switches in SWITCHES.items():
        for switch in switches:
            assert {switch in on for on in launched[name]} == {True, False}, (name, switch)
        # nothing is left out of the fullest kernel of one direction but the sum with another one's output
        assert max(map(len, launched[name])) == len(set(switches) - {"ADD"})


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("dtype", device_parity.TOLERANCE, ids=str)
def test_a_backend_of_the_cpu_passes(backend, dtype):
    for on in device_parity.combinations():
        device_parity.check((backend, on, (2, 19, 8, 5), dtype), "cpu")


def test_a_scan_that_is_wrong_is_seen(monkeypatch):
    answer = device_parity.answer

    def wrong(on, shape, rounded, backend, device):
        return [t * (1.001 if backend == "torch" else 1) for t in answer(on, shape, rounded, backend, device)]

    monkeypatch.setattr(device_parity, "answer", wrong)
    with pytest.raises(AssertionError):
        device_parity.check(("torch", frozenset({"gradients"}), (1, 5, 8, 4), torch.float32), "cpu")
