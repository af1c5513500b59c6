"""Queries and texts of a large data set, made objects where they are read."""

import marshal
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import chain, pairwise

import numpy as np
import torch

from snnvtg.records import Query

_FIELDS = tuple(field.name for field in fields(Query))


class CompactQueries(Sequence[Query]):
    """Queries as bytes in two tensors: about a fifth of the memory of the objects, and loader processes share it."""

    def __init__(self, queries: Iterable[Query]):
        ends, content = array("q", [0]), bytearray()
        for query in queries:
            content += marshal.dumps(tuple(getattr(query, name) for name in _FIELDS))
            ends.append(len(content))
        self._ends = torch.frombuffer(ends, dtype=torch.int64)
        self._content = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place):
        if isinstance(place, slice):
            return tuple(self[number] for number in range(len(self))[place])
        place = range(len(self))[place]
        start, end = self._ends[place : place + 2].tolist()
        return Query(*marshal.loads(self._content[start:end].numpy()))

    def __iter__(self) -> Iterator[Query]:
        content = memoryview(self._content.numpy())
        for start, end in pairwise(self._ends.tolist()):
            yield Query(*marshal.loads(content[start:end]))


class Joined(Sequence[Query]):
    """Several sequences of queries as one."""

    def __init__(self, *parts: Sequence[Query]):
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, place):
        place = range(len(self))[place]
        for part in self.parts:
            if place < len(part):
                return part[place]
            place -= len(part)
        raise IndexError(place)

    def __iter__(self) -> Iterator[Query]:
        return chain.from_iterable(self.parts)


class TextsOnDemand(Sequence[np.ndarray]):
    """The text features (N, Dt) of queries, looked up at each access: for an encoder that keeps what it looks up."""

    def __init__(self, queries: Sequence[Query], encoder: Callable[[Query], np.ndarray]):
        self.queries, self.encoder = queries, encoder

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return tuple(self[number] for number in range(len(self))[place])
        return self.encoder(self.queries[place])
