"""Mean and deviation of many arrays' rows, one array at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

ROWS = 4096
"""rows that are summed together"""


def mean_and_deviation(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (D,) float64 of the rows of all parts (L, D), which are held a few at a time.

    Sums of blocks are joined as by Chan, Golub and LeVeque (1983): as exact as two passes over all rows. ValueError
    where there is no part.
    """
    count, mean, squares = 0, 0.0, 0.0
    for block in _blocks(parts):
        own = block.mean(0)
        apart = own - mean
        squares = squares + ((block - own) ** 2).sum(0) + apart**2 * (count * len(block) / (count + len(block)))
        count += len(block)
        mean = mean + apart * (len(block) / count)
    if not count:
        raise ValueError("no rows to take the mean of")
    return mean, np.sqrt(squares / count)


def _blocks(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The rows of `parts`, float64, at least `ROWS` of them together but for the last."""
    held: list[np.ndarray] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= ROWS:
            yield np.concatenate(held, dtype=np.float64)
            held = []
    if held:
        yield np.concatenate(held, dtype=np.float64)
