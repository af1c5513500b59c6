"""What the benchmarks measure with: a process of one's own, memory, company; and large tensors from the shelf."""

import os

import pytest
import torch

from snnvtg import pages
from snnvtg.measuring import Company, in_own_process, peak_of


def test_a_function_runs_in_a_process_of_its_own():
    assert in_own_process(lambda a, b: (os.getpid() != a, b), os.getpid(), "given") == (True, "given")


def test_a_process_that_dies_is_an_error_with_its_status():
    with pytest.raises(RuntimeError, match="ended with status 7"):
        in_own_process(lambda: os._exit(7))


def test_the_peak_is_what_the_call_needs_at_once_and_not_what_it_leaves():
    def run():
        temporary = bytearray(b"1") * 40_000_000
        return len(temporary)

    peak, result = peak_of(run, "cpu")
    assert result == 40_000_000
    assert 39 < peak < 60


def test_the_share_of_others_lies_between_none_and_all():
    company = Company()
    sum(range(200_000))
    assert 0 <= company.share() <= 1.1


@pytest.mark.parametrize("size", [3, 1200])
def test_a_strided_tensor_is_copied_and_one_in_order_is_not(size):
    wide = torch.randn(size, 2 * size)
    half = wide.chunk(2, -1)[1]
    copy = pages.contiguous(half)
    assert copy.is_contiguous() and torch.equal(copy, half)
    assert pages.contiguous(wide) is wide
