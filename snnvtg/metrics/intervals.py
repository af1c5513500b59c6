"""How certain a figure is: bootstrap intervals over queries, and paired comparison of two models over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snnvtg.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A mean with its percentile interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """First minus second: mean difference, its interval, and how often a resample has the first ahead (ties half)."""

    difference: float
    low: float
    high: float
    ahead: float

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 0."""
        return bool(self.low > 0 or self.high < 0)


def bootstrap_interval(
    values: np.ndarray,
    groups: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of the mean of per-query values (Q,).

    `groups` (a vid per query) resamples whole videos: queries of one video are not independent, and resampling single
    queries would make the interval too narrow.
    """
    values = np.asarray(values, dtype=np.float64)
    means = _resampled_means(values[None], groups, resamples, np.random.default_rng(seed))[:, 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_comparison(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two models by per-query values (S, Q) of the same queries, a row per seed (numbers of seeds may differ).

    Each resample draws seeds of both and, once for both, videos: the interval covers training noise and the choice of
    test videos. Drawing S of S seeds with replacement has (S - 1) / S of their mean's variance; each side's deviation
    from its own mean is stretched by the square root of the inverse. With few seeds the noise is still understated,
    as their spread is itself a guess; of one seed nothing is known and nothing added.
    """
    first, second = np.atleast_2d(np.asarray(first, float)), np.atleast_2d(np.asarray(second, float))
    if first.shape[1] != second.shape[1]:
        raise InputError(f"{first.shape[1]} and {second.shape[1]} queries; a paired comparison needs the same ones")
    generator = np.random.default_rng(seed)
    # one row per seed, all on the same resampled videos
    means = _resampled_means(np.concatenate([first, second]), groups, resamples, generator)
    ours, theirs = means[:, : len(first)], means[:, len(first) :]
    differences = _mean_of_drawn_seeds(ours, generator) - _mean_of_drawn_seeds(theirs, generator)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    ahead = np.mean(differences > 0) + 0.5 * np.mean(differences == 0)
    return Comparison(float(first.mean() - second.mean()), float(low), float(high), float(ahead))


def _resampled_means(
    values: np.ndarray, groups: Sequence[str] | None, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Means (resamples, S) of values (S, Q) over groups drawn with replacement."""
    names = np.arange(values.shape[1]) if groups is None else np.asarray(groups)
    if len(names) != values.shape[1] or len(names) == 0:
        raise InputError(f"{len(names)} groups for {values.shape[1]} values; expected one each, at least one")
    _, index = np.unique(names, return_inverse=True)
    counts = np.bincount(index)
    sums = np.stack([np.bincount(index, weights=row) for row in values])
    drawn = generator.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    return (drawn @ sums.T) / (drawn @ counts)[:, None]


def _mean_of_drawn_seeds(means: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Means (resamples,) of as many seeds as `means` (resamples, S) has, drawn with replacement and stretched."""
    seeds = means.shape[1]
    chosen = generator.integers(0, seeds, size=means.shape)
    drawn = np.take_along_axis(means, chosen, axis=1).mean(axis=1)
    if seeds == 1:
        return drawn
    centre = means.mean(axis=1)
    return centre + (drawn - centre) * (seeds / (seeds - 1)) ** 0.5
