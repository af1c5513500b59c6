"""What happens when in a synthetic video."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from snnvtg.data.synthetic_words import NUM_DRAMAS, Event, Vocabulary

if TYPE_CHECKING:
    from snnvtg.data.synthetic import SyntheticConfig


CUE_LENGTH = 2


@dataclass(frozen=True)
class Segment:
    """Clips [start, stop) that show `words`.

    kind is asked, twin, negative, distractor or cue; variant is the kind of drama of a distractor, 0 (off) or 1 (on) of
    a cue.
    """

    kind: str
    words: tuple[str, ...]
    length: int
    variant: int = 0
    start: int = 0

    @property
    def stop(self) -> int:
        """One past the last clip."""
        return self.start + self.length


@dataclass(frozen=True)
class Scene:
    """A planned video of `num_clips` clips; segments in temporal order, disjoint, nothing happens between them."""

    num_clips: int
    asked: Event
    long_range: bool
    segments: tuple[Segment, ...]

    @property
    def asked_segment(self) -> Segment:
        """The one segment the query means."""
        return next(segment for segment in self.segments if segment.kind == "asked")


def least_clips(config: "SyntheticConfig") -> int:
    """Clips that a long-range scene needs: cue, event, cue, event, with `cue_distance` between neighbours."""
    return 2 * CUE_LENGTH + 3 * config.cue_distance + 2 * config.min_window


def plan_scene(config: "SyntheticConfig", words: Vocabulary, generator: np.random.Generator, *, train: bool) -> Scene:
    """A random scene around one asked event.

    The asked event and its negatives are drawn alike, in words, length and place, so that a scene without its query
    does not say which is asked for. (A twin does, by standing there twice: such scenes test memory, not reading.)
    Extra events are left out, distractors first, where there is no room.
    """
    asked = words.event(generator, train=train)
    long_range = bool(generator.random() < config.long_range_fraction)
    least = least_clips(config) if long_range else config.min_clips
    num_clips = int(generator.integers(max(least, config.min_clips), config.max_clips + 1))
    most = num_clips // (config.min_window + 1) - 1  # that find room beside the asked event
    siblings = words.siblings(asked, min(config.num_hard_negatives, most), generator, train=train)
    distractors = _distractors(config, asked, siblings, generator)
    longest = _longest(config, long_range, num_clips, len(siblings), distractors)
    negatives = [Segment("negative", event, _length(config, longest, generator)) for event in siblings]
    length = _length(config, longest, generator)
    if long_range:
        chain = _long_range_chain(asked, length, generator)
        placed = _place(chain, negatives + distractors, num_clips, config.cue_distance, generator)
    else:
        events = [Segment("asked", asked, length), *negatives]
        chain = [events[i] for i in generator.permutation(len(events))]
        placed = _place(chain, distractors, num_clips, 1, generator)
    return Scene(num_clips, asked, long_range, tuple(placed))


def _longest(
    config: "SyntheticConfig", long_range: bool, num_clips: int, num_negatives: int, distractors: list[Segment]
) -> int:
    """Clips that each event may last so that all find room beside the distractors, an empty clip between any two."""
    if long_range:
        return config.min_window + (num_clips - least_clips(config)) // 2
    room = num_clips - sum(segment.length + 1 for segment in distractors)
    return room // (num_negatives + 1) - 1


def _long_range_chain(asked: Event, length: int, generator: np.random.Generator) -> list[Segment]:
    """cue, event, cue, event in temporal order; both events of one length, so that length says nothing."""
    meant = [Segment("cue", (), CUE_LENGTH, variant=1), Segment("asked", asked, length)]
    other = [Segment("cue", (), CUE_LENGTH, variant=0), Segment("twin", asked, length)]
    return meant + other if generator.random() < 0.5 else other + meant


def _length(config: "SyntheticConfig", longest: int, generator: np.random.Generator) -> int:
    return int(generator.integers(config.min_window, max(config.min_window, min(config.max_window, longest)) + 1))


def _distractors(
    config: "SyntheticConfig", asked: Event, siblings: list[Event], generator: np.random.Generator
) -> list[Segment]:
    """Short bursts that show a word the asked event shares with every negative."""
    shared = [word for place, word in enumerate(asked) if all(event[place] == word for event in siblings)]
    return [
        Segment(
            "distractor",
            (shared[generator.integers(len(shared))],),
            int(generator.integers(2, 4)),
            variant=int(generator.integers(NUM_DRAMAS)),
        )
        for _ in range(config.num_distractors)
    ]


def _place(
    chain: list[Segment], extras: list[Segment], num_clips: int, distance: int, generator: np.random.Generator
) -> list[Segment]:
    """Starts for all segments: `chain` in its order with `distance` clips between neighbours, extras anywhere.

    At least one empty clip separates any two; the last extras are dropped until the rest fits.
    """
    while True:
        interval = generator.integers(0, len(chain) + 1, size=len(extras))
        order: list[Segment] = []
        gaps: list[int] = []  # before each segment
        for index in range(len(chain) + 1):
            inside = [extra for extra, place in zip(extras, interval, strict=True) if place == index]
            first = len(order)
            order += inside + chain[index : index + 1]
            gaps += [1] * (len(order) - first)
            if 0 < index < len(chain):
                missing = distance - sum(segment.length for segment in inside) - len(inside) - 1
                gaps[first + int(generator.integers(len(order) - first))] += max(missing, 0)
        gaps[0] = 0
        spare = num_clips - sum(segment.length for segment in order) - sum(gaps)
        if spare >= 0:
            break
        extras = extras[:-1]
    # the spare clips fall at random before, between and after
    more = np.bincount(generator.integers(0, len(order) + 1, size=spare), minlength=len(order) + 1)
    placed, position = [], 0
    for segment, gap, further in zip(order, gaps, more, strict=False):
        position += gap + int(further)
        placed.append(replace(segment, start=position))
        position += segment.length
    return placed
