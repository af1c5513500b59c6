"""Long videos in overlapping windows of the length a model was trained on; memory holds the windows of a batch."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from snnvtg.data.dataset import Example, collate
from snnvtg.data.features import join_backbones
from snnvtg.errors import InputError
from snnvtg.records import Batch, Query


def window_starts(num_clips: int, size: int, overlap: int) -> list[int]:
    """First clips of windows of `size` clips that cover all of them, each sharing at least `overlap` with the next.

    The last window is moved back so that it is full too; a video of at most `size` clips is one window.
    """
    if size < 1 or not 0 <= overlap < size:
        raise InputError(f"window of {size} clips with overlap {overlap}; expected size above 0 and 0 ≤ overlap < size")
    if num_clips <= size:
        return [0]
    return [*range(0, num_clips - size, size - overlap), num_clips - size]


def windowed_batches(
    query: Query,
    text: np.ndarray,
    read: Callable[[int, int], np.ndarray],
    num_clips: int,
    clip_length: float,
    *,
    size: int,
    overlap: int,
    batch_size: int = 16,
) -> Iterator[tuple[list[int], Batch]]:
    """Yield (first clip of each window, Batch of the windows) over a video of any length.

    `read(start, stop)` gives normalised features (stop − start, D) float32 without time endpoints, from an array, a
    memory map or a decoder. Each window gets endpoints of its own and stands as a video of its own length in `query`,
    as the model knows them from training; targets are empty.
    """
    starts = window_starts(num_clips, size, overlap)
    for first in range(0, len(starts), batch_size):
        chosen = starts[first : first + batch_size]
        examples = []
        for start in chosen:
            video = join_backbones([read(start, min(start + size, num_clips))])
            part = replace(
                query,
                duration=len(video) * clip_length,
                relevant_windows=(),
                relevant_clip_ids=None,
                saliency_scores=None,
            )
            examples.append(Example(part, video, text))
        yield chosen, collate(examples, clip_length)
