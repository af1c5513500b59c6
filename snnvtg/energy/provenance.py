"""Which tensors are spikes: followed from where they were made, never judged by their values.

Marks lie on storages, so a view, reshape, transpose or slice carries the mark of its base by construction. A mark says
where the entries come from:

    SPIKE   the output of a LIF layer or a spike encoder (times one constant, which folds into the weights it meets),
            zeros masked in or not
    MASK    comparisons and drawn bits: padding masks, dropout masks (times one constant)
    WEIGHT  parameters and buffers of the model
    ZERO    a fresh buffer of zeros nothing has been written to
    EMPTY   memory that was only allocated; who reads it reads what a kernel wrote that torch does not dispatch
    SUM     what spikes added up: a current that lies in the potential already

SPIKE and MASK carry the constant their entries were multiplied by: spikes of two constants, joined, are values.
"""

import math
from enum import IntEnum
from itertools import chain

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

Mark = IntEnum("Mark", ["SPIKE", "MASK", "WEIGHT", "ZERO", "EMPTY", "SUM"])
Origin = tuple[Mark | None, float]
"""a mark and the constant; nan: one that was computed, of unknown value"""
NOWHERE: Origin = (None, 1.0)

# the mark of the first operand: copies, gathers, padding with zeros, and what maps {0, c} onto itself
FOLLOW_FIRST = frozenset(
    """
    clone contiguous _to_copy index_select gather index repeat repeat_interleave flip roll take masked_select im2col
    pixel_shuffle channel_shuffle tril triu detach_ abs relu relu_ max amax native_dropout
    max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d
    """.split()
)
FRESH = {"zeros", "zeros_like", "new_zeros", "zero"}
UNWRITTEN = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
FILLED = {"scalar_tensor": 0, "full": 1, "full_like": 1, "new_full": 2}
"""new tensors of one value, and where the argument list holds it"""
DRAWN = {"bernoulli", "bernoulli_"}
WRITES = {"copy_", "copy", "slice_scatter", "select_scatter", "index_put_", "index_put", "index_copy", "index_copy_"}
SCALES = {"mul", "mul_", "div", "div_"}


class Provenance:
    """The marks of all living storages; an address is not used again while its entry stands."""

    def __init__(self):
        self._marks: dict[int, tuple[StorageWeakRef, Mark | None, int, float]] = {}

    def set(self, tensor: Tensor, mark: Mark | None, num_timesteps: int = 1, constant: float = 1.0) -> None:
        """Mark the storage of `tensor`; None takes a mark away. `num_timesteps` steps lie on its leading axis."""
        storage = tensor.untyped_storage()
        if mark is None and num_timesteps == 1:
            self._marks.pop(storage._cdata, None)
            return
        if len(self._marks) > 8192:
            self._marks = {k: v for k, v in self._marks.items() if not v[0].expired()}
        self._marks[storage._cdata] = StorageWeakRef(storage), mark, num_timesteps, constant

    def get(self, tensor: object) -> Mark | None:
        """The mark of `tensor`; a boolean tensor is a mask."""
        return self._origin(tensor)[0]

    def _origin(self, tensor: object) -> Origin:
        if not isinstance(tensor, Tensor):
            return NOWHERE
        entry = self._marks.get(tensor.untyped_storage()._cdata)
        if entry is not None and entry[1] is not None:
            return entry[1], entry[3]
        return (Mark.MASK, 1.0) if tensor.dtype is torch.bool else NOWHERE

    def num_timesteps(self, tensor: Tensor) -> int:
        """Simulation steps `tensor` covers: T where it descends from a LIF layer and time was not averaged away."""
        entry = self._marks.get(tensor.untyped_storage()._cdata)
        return 1 if entry is None else entry[2]

    def is_spike(self, tensor: object) -> bool:
        """Whether a LIF layer's output reaches this tensor unmixed."""
        return self.get(tensor) is Mark.SPIKE

    def follow(self, name: str, args: tuple, out: object, *, mutates: bool) -> None:
        """Mark the outputs of the operation `name` (an aten name without its overload)."""
        inputs = list(chain.from_iterable(a if isinstance(a, tuple | list) else (a,) for a in args))
        storages = {a.untyped_storage()._cdata for a in inputs if isinstance(a, Tensor)}
        results = [r for r in (out if isinstance(out, tuple | list) else (out,)) if isinstance(r, Tensor)]
        if not mutates:
            # a view's mark lies on the storage it shares
            results = [r for r in results if r.untyped_storage()._cdata not in storages]
        if not results:
            return
        steps, (mark, constant) = self._steps(inputs), self._derive(name, args)
        for position, result in enumerate(results):
            drawn = Mark.MASK if name == "native_dropout" else None
            left = self._time_left(name, args, steps) if result.dim() and result.numel() % steps == 0 else 1
            self.set(result, drawn if position else mark, left, constant)

    def _steps(self, inputs: list) -> int:
        return max((self.num_timesteps(t) for t in inputs if isinstance(t, Tensor)), default=1)

    @staticmethod
    def _time_left(name: str, args: tuple, steps: int) -> int:
        """A reduction over the leading axis ends the simulation's time."""
        if steps == 1 or name not in ("mean", "sum", "amax", "select", "unbind"):
            return steps
        axes = args[1] if len(args) > 1 else None
        axes = range(args[0].dim()) if axes is None else (axes,) if isinstance(axes, int) else axes
        return 1 if any(axis % max(args[0].dim(), 1) == 0 for axis in axes) else steps

    def _derive(self, name: str, args: tuple) -> Origin:
        first = args[0] if args else None
        if name in UNWRITTEN:
            return Mark.EMPTY, 1.0
        if name in FRESH:
            return Mark.ZERO, 1.0
        if name in FILLED:
            return (Mark.ZERO, 1.0) if _is_zero(args[FILLED[name]]) else NOWHERE
        if name == "zero_":
            return self._joined([self._origin(first), (Mark.ZERO, 1.0)])
        if name in DRAWN:
            return Mark.MASK, 1.0
        if name in FOLLOW_FIRST:
            return self._followed(name, args)
        if name in SCALES:
            return self._scaled(name, first, args[1])
        if name in ("cat", "stack"):
            return self._joined([self._origin(tensor) for tensor in first])
        if name in WRITES:
            if name.startswith("index_put") and len(args) > 3 and args[3]:
                return NOWHERE  # accumulates
            return self._joined([self._origin(first), self._origin(args[2 if name.startswith("index_") else 1])])
        if name in ("masked_fill", "masked_fill_", "constant_pad_nd", "where"):
            return self._filled(name, args)
        return NOWHERE

    def _followed(self, name: str, args: tuple) -> Origin:
        mark, constant = self._origin(args[0])
        if name == "native_dropout" and args[2] and args[1] < 1:
            return mark, constant / (1 - args[1])
        return mark, abs(constant) if name == "abs" else constant

    def _scaled(self, name: str, left: object, right: object) -> Origin:
        divides = name.startswith("div")
        if not isinstance(right, Tensor) or (right.dim() == 0 and isinstance(left, Tensor) and left.dim()):
            return self._times(name, left, right, divides=divides)
        if not isinstance(left, Tensor) or (left.dim() == 0 and right.dim()):
            return NOWHERE if divides else self._times(name, right, left, divides=False)
        (mark, constant), (other, by) = self._origin(left), self._origin(right)
        if divides or not {mark, other} <= {Mark.SPIKE, Mark.MASK}:
            return NOWHERE
        return (Mark.SPIKE if Mark.SPIKE in (mark, other) else Mark.MASK), constant * by

    def _times(self, name: str, tensor: Tensor, by: object, *, divides: bool) -> Origin:
        (mark, constant), factor = self._origin(tensor), math.nan if isinstance(by, Tensor) else float(by)
        if divides:
            factor = 1 / factor if factor else math.nan
        partial = tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()
        if name.endswith("_") and partial and factor != 1 and mark in (Mark.SPIKE, Mark.MASK):
            return NOWHERE  # the rest of the storage keeps another constant
        return mark, constant * factor

    @staticmethod
    def _joined(origins: list[Origin]) -> Origin:
        written = [origin for origin in origins if origin[0] not in (Mark.ZERO, Mark.EMPTY)]
        if not written:
            return (Mark.ZERO if any(mark is Mark.ZERO for mark, _ in origins) else Mark.EMPTY), 1.0
        mark, constant = written[0]
        same = all(m is mark and (c == constant or mark is Mark.WEIGHT) for m, c in written[1:])
        return (mark, constant) if same else NOWHERE

    def _filled(self, name: str, args: tuple) -> Origin:
        if name == "where":
            if len(args) < 3:
                return NOWHERE
            return self._joined([(Mark.ZERO, 1.0) if _is_zero(a) else self._origin(a) for a in args[1:3]])
        value = args[2] if len(args) > 2 else 0
        return self._origin(args[0]) if _is_zero(value) or self._is_fresh(value) else NOWHERE

    def _is_fresh(self, value: object) -> bool:
        return self.get(value) is Mark.ZERO


def _is_zero(value: object) -> bool:
    """A literal zero written in the program (a constant of the code, not a value that was computed)."""
    return isinstance(value, int | float) and value == 0
