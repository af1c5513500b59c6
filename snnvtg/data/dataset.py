"""Queries beside their features in memory, and how they become a padded Batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from snnvtg.data.statistics import mean_and_deviation
from snnvtg.data.targets import clip_targets
from snnvtg.errors import InputError
from snnvtg.records import Batch, Query


@dataclass(frozen=True)
class Example:
    """One query with video (L, …, Dv) and text (N, …, Dt), float32."""

    query: Query
    video: np.ndarray
    text: np.ndarray


@dataclass(frozen=True, eq=False)
class GroundingDataset:
    """One split: `videos` maps vid → (L, Dv) float32, `texts[i]` (N, Dt) float32 belongs to `queries[i]`.

    Of a backbone's last K layers, videos are (L, K, P, Dv), P the class token and its patches, and texts (N, K, Dt).
    """

    queries: Sequence[Query]
    videos: Mapping[str, np.ndarray]
    texts: Sequence[np.ndarray]
    clip_length: float
    evaluation: str = "recall"
    """a name of `metrics.evaluations.EVALUATIONS`: how its figures are counted"""

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> Example:
        query = self.queries[index]
        return Example(query, self.videos[query.vid], self.texts[index])

    def batch(self, indices: Sequence[int]) -> Batch:
        """The queries at `indices` as one padded batch."""
        return collate([self[int(index)] for index in indices], self.clip_length)

    def batches(
        self, batch_size: int, *, seed: int | None = None, drop_last: bool = False, together: bool = False
    ) -> Iterator[Batch]:
        """All queries once: in order, or shuffled by `seed`; `drop_last` leaves out an incomplete last batch.

        `together` keeps the queries of a video next to one another, so that few batches part them.
        """
        yield from map(self.batch, self.batch_indices(batch_size, seed=seed, drop_last=drop_last, together=together))

    def batch_indices(
        self, batch_size: int, *, seed: int | None = None, drop_last: bool = False, together: bool = False
    ) -> Iterator[np.ndarray]:
        """The indices (B,) of each batch that `batches` makes."""
        order = self.order(seed)
        if together:
            order = self._by_video(order)
        stop = len(self) - len(self) % batch_size if drop_last else len(self)
        for start in range(0, stop, batch_size):
            yield order[start : start + batch_size]

    def order(self, seed: int | None) -> np.ndarray:
        """Indices of all queries: in order, or shuffled by `seed`."""
        return np.arange(len(self)) if seed is None else np.random.default_rng(seed).permutation(len(self))

    def _by_video(self, order: np.ndarray) -> np.ndarray:
        """`order`, the queries of a video following the first of them."""
        groups: dict[str, list[int]] = {}
        for index in order:
            groups.setdefault(self.queries[index].vid, []).append(int(index))
        return np.array([index for group in groups.values() for index in group])

    @cached_property
    def longest(self) -> int:
        """Clips of the longest video."""
        return max(round(query.duration / self.clip_length) for query in self.queries)

    def subset(self, indices: Sequence[int]) -> "GroundingDataset":
        """The queries at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        texts = tuple(self.texts[i] for i in chosen)
        return replace(self, queries=tuple(self.queries[i] for i in chosen), texts=texts)


@dataclass(frozen=True, eq=False)
class DataSplits:
    """A data set in memory.

    `checksum` covers annotations, features and text vectors as used; `feature_names` is the order of concatenation,
    `text_name` and `text_marks` tell the text encoder, all kept with a checkpoint, which refuses others.
    """

    train: GroundingDataset
    val: GroundingDataset
    test: GroundingDataset
    name: str
    checksum: str
    video_width: int
    text_width: int
    clip_length: float
    feature_names: tuple[str, ...] = ()
    text_name: str = ""
    text_marks: Mapping[str, str] = field(default_factory=dict)
    num_layers: int = 1
    """K, feature layers of the backbone"""


def collate(examples: Sequence[Example], clip_length: float) -> Batch:
    """Pad examples with zeros to the longest video and text, with masks and targets."""
    size = len(examples)
    num_clips = max(len(example.video) for example in examples)
    num_tokens = max(len(example.text) for example in examples)
    video = torch.zeros(size, num_clips, *examples[0].video.shape[1:])
    text = torch.zeros(size, num_tokens, *examples[0].text.shape[1:])
    video_mask = torch.zeros(size, num_clips, dtype=torch.bool)
    text_mask = torch.zeros(size, num_tokens, dtype=torch.bool)
    foreground = torch.zeros(size, num_clips, dtype=torch.bool)
    boundaries = torch.zeros(size, num_clips, 2)
    saliency = torch.zeros(size, num_clips)
    for row, example in enumerate(examples):
        clips, tokens = len(example.video), len(example.text)
        video[row, :clips] = torch.from_numpy(example.video)
        text[row, :tokens] = torch.from_numpy(example.text)
        video_mask[row, :clips] = True
        text_mask[row, :tokens] = True
        targets = clip_targets(example.query, clips, clip_length)
        for whole, part in zip((foreground, boundaries, saliency), targets, strict=True):
            whole[row, :clips] = torch.from_numpy(part)
    queries = tuple(example.query for example in examples)
    return Batch(queries, video, video_mask, text, text_mask, clip_length, foreground, boundaries, saliency)


def feature_statistics(dataset: GroundingDataset, *, centred: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (Dv,) f32 of the clips of a split's videos, each video once, a few at a time.

    Meant for a model's input standardisation, fitted on train and kept with its weights. A feature that never varies
    gets deviation 1. `centred`: of each video less its own mean.
    """
    videos = (dataset.videos[vid] for vid in dict.fromkeys(query.vid for query in dataset.queries))
    mean, deviation = mean_and_deviation(video - video.mean(0) if centred else video for video in videos)
    deviation = np.where(deviation > 1e-8, deviation, 1.0)
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


def other_video_order(vids: Sequence[str], seed: int) -> np.ndarray:
    """A permutation in which no entry stays with its own video; InputError where there is none."""
    names, group, counts = np.unique(np.asarray(vids), return_inverse=True, return_counts=True)
    if 2 * counts.max() > len(vids):
        raise InputError(
            f"cannot shuffle queries over videos: {counts.max()} of {len(vids)} belong to "
            f"{str(names[counts.argmax()])!r}; needs at least two videos and none with more than half of the queries"
        )
    # queries sorted by video (in random order), then rotated by the largest group: no group can meet itself
    generator = np.random.default_rng(seed)
    order = np.lexsort((generator.random(len(vids)), generator.permutation(len(names))[group]))
    shuffled = np.empty(len(vids), dtype=np.int64)
    shuffled[order] = np.roll(order, -int(counts.max()))
    return shuffled
