"""What a model gives for the shares of a batch, joined to what it gives for the whole.

A field of an output holds tensors with the samples on the first axis, unless it says otherwise:

    spikes: Tensor = field(metadata=samples_on(1))       # (T, B, L, d)
    spans: Tensor = field(metadata=samples_on(None))     # (C, 2), the same for every share
    frames: Tensor = field(metadata=OF_VIDEOS)           # (V, d), V of its own for each share
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from snnvtg.errors import InputError

_KEY = "snnvtg.samples"


@dataclass(frozen=True)
class Samples:
    """Where the tensors of a field have their samples."""

    axis: int | None = 0
    """None: nowhere, they are the same for every share"""
    queries: bool = True
    """whether there is one for each query; else each share has as many as it has"""


def samples_on(axis: int | None) -> dict[str, Samples]:
    """Metadata of a field whose tensors have the samples on another axis than the first, or on none."""
    return {_KEY: Samples(axis)}


OF_VIDEOS = {_KEY: Samples(queries=False)}
"""metadata of a field whose tensors have a row for each video of a share"""


Join = Callable[[Sequence[Tensor], Samples, str], Tensor]
"""the tensors of a place in the outputs, one per share · where its samples are · its name"""


def joined(parts: Sequence[Any], join: Join, samples: Samples = Samples(), name: str = "output") -> Any:
    """Outputs of one structure, one per share, as one; InputError where a place holds what cannot be joined.

    Tensors in dataclasses, mappings, tuples and lists; None stays None.
    """
    first = parts[0]
    if isinstance(first, Tensor):
        return join(parts, samples, name)
    if is_dataclass(first):
        places = {f.name: f.metadata.get(_KEY, samples) for f in fields(first) if f.init}
        return replace(
            first,
            **{
                field: joined([getattr(part, field) for part in parts], join, where, f"{name}.{field}")
                for field, where in places.items()
            },
        )
    if isinstance(first, Mapping):
        return {key: joined([part[key] for part in parts], join, samples, f"{name}[{key!r}]") for key in first}
    if isinstance(first, tuple | list):
        items = [joined(part, join, samples, f"{name}[{i}]") for i, part in enumerate(zip(*parts, strict=True))]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    if first is None or samples.axis is None:
        return first
    raise InputError(
        f"{name} is a {type(first).__name__}: shares of a batch are joined from tensors alone; give the field "
        "metadata=samples_on(None) where it is the same for every share, or train in one process with accumulate=1"
    )


def check_samples(tensor: Tensor, samples: Samples, name: str, queries: int) -> None:
    """InputError unless `tensor` has as many samples as its share has queries, where it should."""
    if samples.axis is None or not samples.queries:
        return
    if tensor.dim() <= samples.axis or tensor.shape[samples.axis] != queries:
        raise InputError(
            f"{name} is {tuple(tensor.shape)} for a share of {queries} queries, expected them on axis {samples.axis}; "
            "say where they are by the field's metadata (snnvtg.models.shares.samples_on), or train in one process"
        )
