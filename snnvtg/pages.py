"""Large CPU results in recycled memory.

A fresh tensor of tens of megabytes comes from the kernel page by page, and touching each page for the first time can
cost more than the computation that fills it (on the virtual machine this was written on: 1 GB/s against 36 GB/s for
memory touched before). The C library hands such blocks back to the kernel on every free. Here they are kept for the
next call: a tensor from `empty` returns its block to the shelf when nothing refers to it any more.

`SNNVTG_SHELF_MB` bounds what may lie on the shelf (default 1024; 0 switches the shelf off).

Torch's own operators do not ask the shelf; training has the C library keep what they free (`keep_freed_memory`), unless
the shelf is off.
"""

import ctypes
import math
import mmap
import os
import platform
import threading
import weakref
from collections import deque
from functools import lru_cache

import torch
from torch import Tensor

# mallopt's numbers of M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD (malloc.h of glibc). Blocks above 256 MB still
# come and go, because the gaps that such would leave are as large. A glibc that refuses the first is left as it is.
KEEPING = {-3: 256 << 20, -1: 2**31 - 1, -2: 64 << 20}
MINIMUM = 1 << 20  # bytes; the C library recycles smaller blocks itself
GRAIN = 1 << 21  # one huge page


class Shelf:
    """Blocks of memory by size; takes them back when their tensors are gone. Safe to use from several threads."""

    def __init__(self, limit: int):
        self.limit = limit
        self._free: dict[int, list[mmap.mmap]] = {}
        self._order: deque[int] = deque()  # sizes in the order they were laid down: the oldest goes first
        self._held = 0
        # a finaliser may run inside any allocation of this thread, hence reentrant
        self._lock = threading.RLock()

    @property
    def held(self) -> int:
        """Bytes on the shelf, in no tensor."""
        return self._held

    def take(self, size: int) -> mmap.mmap:
        """A block of `size` bytes, used before if there is one."""
        with self._lock:
            blocks = self._free.get(size)
            if blocks:
                self._order.remove(size)
                self._held -= size
                return blocks.pop()
        block = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            block.madvise(mmap.MADV_HUGEPAGE)
        return block

    def give_back(self, block: mmap.mmap) -> None:
        """Lay `block` on the shelf, dropping the oldest blocks beyond the limit."""
        with self._lock:
            self._free.setdefault(len(block), []).append(block)
            self._order.append(len(block))
            self._held += len(block)
            while self._held > self.limit:
                oldest = self._order.popleft()
                self._free[oldest].pop(0)
                self._held -= oldest


shelf = Shelf(int(os.environ.get("SNNVTG_SHELF_MB", "1024")) << 20)


def empty(shape, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Like torch.empty, from the shelf for large CPU tensors."""
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < MINIMUM or size > shelf.limit:
        return torch.empty(shape, dtype=dtype, device=device)
    block = shelf.take(-(-size // GRAIN) * GRAIN)
    # the tensor's storage holds the lease, the lease holds the block; when the storage goes, the block comes back
    lease = (ctypes.c_char * size).from_buffer(block)
    weakref.finalize(lease, shelf.give_back, block).atexit = False
    return torch.frombuffer(lease, dtype=dtype).view(shape)


def contiguous(tensor: Tensor) -> Tensor:
    """`tensor` itself where its entries lie in order, else a copy, from the shelf where it is large."""
    if tensor.is_contiguous():
        return tensor
    return empty(tensor.shape, tensor.dtype, tensor.device).copy_(tensor)


@lru_cache
def keep_freed_memory() -> bool:
    """Have the C library keep what this process frees, for the next allocation; False where it does not take that.

    Activations above 32 MB otherwise go back to the kernel at each free: half the time of a training step at batch 64.
    For the rest of the process its memory stays at its peak, and gaps make that about a tenth higher (glibc 2.36).
    `SNNVTG_SHELF_MB=0` leaves the C library as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    return bool(mallopt and shelf.limit and all(mallopt(option, value) for option, value in KEEPING.items()))


def give_back_freed_memory() -> None:
    """Hand what the C library keeps to the kernel, so that memory in use can be told from memory kept."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
