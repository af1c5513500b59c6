"""Counting by query: queries as they are without padding, one at a time, and the sums over them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch.utils._python_dispatch import _disable_current_modes

from snnvtg.energy.account import Account, OpRecord, compact, totals_of
from snnvtg.records import Batch


class QueryAccounts(Account):
    """Sums over queries: `records` added up, `queries` the totals of each; `mean` is per query."""

    def __init__(self):
        self._records: list[OpRecord] = []
        self.queries: list[dict[str, int]] = []
        self.batch_size = 1

    @property
    def records(self) -> list[OpRecord]:
        """Records added up over all queries."""
        self._records = compact(self._records)
        return self._records

    def take(self, account: Account) -> None:
        """Move what `account` has recorded since the last call into one more query."""
        self.queries.append(totals_of(account.phase("forward")))
        self._records += account.records
        account.records = []
        if len(self._records) > MOST_APART:
            self._records = compact(self._records)

    @property
    def mean(self) -> dict[str, float]:
        """`totals` divided by the number of queries."""
        return {name: total / max(len(self.queries), 1) for name, total in self.totals.items()}


MOST_APART = 16384
"""records beyond these are added up: memory does not grow with the number of queries"""


def one_by_one(inputs: Iterable[Any]) -> Iterator[Any]:
    """The queries of `inputs`, made without a ledger looking: preparing a query is no work of the model."""
    queries = (query for entry in inputs for query in unpadded(entry))
    while True:
        with _disable_current_modes():
            try:
                query = next(queries)
            except StopIteration:
                return
        yield query


def unpadded(entry: Any) -> Iterator[Any]:
    """The queries of a Batch, each alone and without its padding; anything else as it is."""
    if not isinstance(entry, Batch):
        yield entry
        return
    for row, query in enumerate(entry.queries or [None] * len(entry.video)):
        clips, tokens = entry.video_mask[row], entry.text_mask[row]
        yield replace(
            entry,
            queries=() if query is None else (query,),
            video=entry.video[row, clips].unsqueeze(0),
            video_mask=clips[clips].unsqueeze(0),
            text=entry.text[row, tokens].unsqueeze(0),
            text_mask=tokens[tokens].unsqueeze(0),
            foreground=entry.foreground[row, clips].unsqueeze(0),
            boundaries=entry.boundaries[row, clips].unsqueeze(0),
            saliency=entry.saliency[row, clips].unsqueeze(0),
        )
