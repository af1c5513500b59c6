"""Memory the C library keeps for the next call, where asked to."""

import os
import platform
import subprocess
import sys

import pytest

# what a process of its own prints: whether it was kept, the pages touched anew by a second use of 100 MB, and the
# megabytes resident when they are free, then when they were handed back
SCRIPT = """
import resource
from pathlib import Path
import numpy as np
from snnvtg import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

kept = memory.keep_freed_memory()
np.ones(12_500_000)
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(12_500_000)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun
free = resident()
memory.give_back_freed_memory()
print(kept, faults, free - resident())
"""


def outcome(keep: str) -> tuple[bool, int, float]:
    environment = os.environ | {"SNNVTG_KEEP_MEMORY": keep}
    words = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=100, env=environment
    ).stdout.split()
    return words[0] == "True", int(words[1]), float(words[2])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_freed_memory_is_used_again_without_a_visit_to_the_kernel_until_it_is_handed_back():
    kept, faults, handed_back = outcome("1")
    if not kept:
        pytest.skip("this glibc does not take a threshold of 256 MB")
    assert faults < 100  # 100 MB are 24,414 pages, or 48 huge ones
    assert handed_back > 90


def test_the_c_library_is_left_alone_where_told_so():
    kept, _, handed_back = outcome("0")
    assert not kept
    assert handed_back < 50
