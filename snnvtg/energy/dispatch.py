"""Operations as torch dispatches them: which are handed on, what they are called, what they read and write."""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from snnvtg.energy.provenance import FILLED, FRESH, UNWRITTEN
from snnvtg.energy.rules import RULES
from snnvtg.energy.rules.free import QUERIES, VIEWS

OVERWRITE = frozenset(
    """copy_ fill_ zero_ normal_ uniform_ random_ bernoulli_ exponential_ log_normal_ geometric_ cauchy_ index_put_
    index_copy_ scatter_ masked_fill_ resize_ set_""".split()
)
"""in-place operations that do not read what they write over"""
ALLOCATE = frozenset({*UNWRITTEN, *FRESH, *FILLED})
SILENT = VIEWS | QUERIES
"""they touch no entry: a view's mark and bytes are those of its base"""


class Dispatched(TorchDispatchMode):
    """Hands every operation that torch executes to `operation(func, args, kwargs, out)`, except while `is_inside()`."""

    def __init__(self, operation: Callable[..., None], is_inside: Callable[[], bool]):
        super().__init__()
        self.operation, self.is_inside = operation, is_inside

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if self.is_inside():
            return func(*args, **kwargs)
        if _is_made_of_others(func):
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        if name_of(func)[0] not in SILENT:
            self.operation(func, args, kwargs, out)
        return out


@cache
def _is_made_of_others(func: Any) -> bool:
    """Whether torch defines this operation through others (seen in inference mode) and no rule prices it whole."""
    composite = torch._C.DispatchKey.CompositeImplicitAutograd
    return name_of(func)[0] not in RULES and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composite)


@cache
def name_of(func: Any) -> tuple[str, bool]:
    """(name without overload, whether it writes to an argument); functions outside aten keep their namespace."""
    packet = func._overloadpacket.__name__
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)
    return packet if func.namespace == "aten" else f"{func.namespace}::{packet}", mutates


def tensors_in(values: Iterable[Any]) -> Iterable[Tensor]:
    """The tensors among the arguments or results of an operation, also in its lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from (v for v in value if isinstance(v, Tensor))


def stored_bytes(tensor: Tensor) -> int:
    """Bytes of the entries that lie in memory: an axis that was only expanded holds one."""
    stored = math.prod(n for n, stride in zip(tensor.shape, _strides(tensor), strict=True) if stride or n == 0)
    return stored * tensor.element_size()


def _strides(tensor: Tensor) -> tuple[int, ...]:
    return tensor.stride() if tensor.layout is torch.strided else (1,) * tensor.dim()
