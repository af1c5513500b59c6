"""What commands say of the words of a query that its text encoder does not know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snnvtg.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def said_of_words(query: str, vectors: "np.ndarray", source: str) -> str:
    """A line that names the words of which the token features (N, D) tell nothing; empty where there is none.

    InputError where they tell nothing of any word: an answer would be to nothing at all.
    """
    from snnvtg.data.text import unread_words

    unread = unread_words(query, vectors)
    if len(unread) == len(vectors):
        known = f"{source} knows none of its words ({some(unread)})"
        raise InputError(f"query {query!r:.80}: {known}; ask in words it knows")
    return f"note: {source} does not know {some(unread)}: the answer is to the other words\n" if unread else ""


def some(words: Sequence[str]) -> str:
    """The first few of `words`, and how many there are more."""
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    return ", ".join(f"{word:.30}" for word in words[:5]) + more
