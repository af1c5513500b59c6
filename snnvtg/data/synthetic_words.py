"""The words of the synthetic set: their vectors, and what they look like in a clip."""

import hashlib
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from snnvtg.data.synthetic import SyntheticConfig

ATTRIBUTES = ("red", "wooden", "tiny", "broken", "shiny", "old", "heavy", "striped")
VERBS = ("opens", "carries", "cleans", "throws", "paints", "repairs", "hides", "lifts")
OBJECTS = ("door", "cup", "box", "lamp", "book", "guitar", "bag", "chair")
FILLERS = ("the", "person", "someone", "a", "then")
TEMPLATES = (
    ("the", "person", "VERB", "the", "ATTRIBUTE", "OBJECT"),
    ("someone", "VERB", "a", "ATTRIBUTE", "OBJECT"),
    ("then", "someone", "VERB", "the", "ATTRIBUTE", "OBJECT"),
    ("person", "VERB", "ATTRIBUTE", "OBJECT"),
)
NUM_DRAMAS = 3

Event = tuple[str, str, str]  # attribute, verb, object


@dataclass(frozen=True)
class Vocabulary:
    """Word vectors (text_width,) and their images (feature_width,), all of norm 1; events kept from train.

    `cues` (2, feature_width) are off and on; `drama` is what distractors show beside a word of the query.
    """

    lists: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    vectors: dict[str, np.ndarray]
    images: dict[str, np.ndarray]
    cues: np.ndarray
    drama: np.ndarray
    unseen: frozenset[Event]

    @classmethod
    def draw(cls, config: "SyntheticConfig") -> "Vocabulary":
        """The vocabulary of a config's seed."""
        generator = np.random.default_rng([config.seed, 1000])
        lists = (
            _words(ATTRIBUTES, config.num_attributes, "attribute"),
            _words(VERBS, config.num_verbs, "verb"),
            _words(OBJECTS, config.num_objects, "object"),
        )
        content = [word for names in lists for word in names]
        vectors = {word: _unit(generator.standard_normal(config.text_width)) for word in (*FILLERS, *content)}
        shown = generator.standard_normal((config.text_width, config.feature_width))
        events = sorted(product(*lists))
        kept = generator.permutation(len(events))[: int(config.unseen_fraction * len(events))]
        rest = _unit(generator.standard_normal((2 + NUM_DRAMAS, config.feature_width)))
        return cls(
            lists=lists,
            vectors=vectors,
            images={word: _unit(vectors[word] @ shown) for word in content},
            cues=rest[:2],
            drama=rest[2:],
            unseen=frozenset(events[i] for i in kept),
        )

    def event(self, generator: np.random.Generator, *, train: bool) -> Event:
        """A random event; in train one that is not kept unseen."""
        while True:
            event = tuple(names[generator.integers(len(names))] for names in self.lists)
            if not (train and event in self.unseen):
                return event

    def siblings(self, event: Event, count: int, generator: np.random.Generator, *, train: bool) -> list[Event]:
        """Up to `count` other events that differ from `event`, and from one another, in one and the same word.

        Any of the set could be the one asked for: nothing but the query tells them apart. In train none is an event
        kept unseen, or "never asked for" would be learnt as a reason against it.
        """
        place = int(generator.integers(3))
        others = [word for word in self.lists[place] if word != event[place]]
        changed = [(*event[:place], word, *event[place + 1 :]) for word in generator.permutation(others).tolist()]
        return [other for other in changed if not (train and other in self.unseen)][:count]

    def sentence(self, event: Event, generator: np.random.Generator) -> tuple[str, ...]:
        """The words of a query for `event`."""
        filled = dict(zip(("ATTRIBUTE", "VERB", "OBJECT"), event, strict=True))
        template = TEMPLATES[generator.integers(len(TEMPLATES))]
        return tuple(filled.get(word, word) for word in template)

    def encode(self, sentence: tuple[str, ...]) -> np.ndarray:
        """Word vectors (N, text_width) float32."""
        return np.stack([self.vectors[word] for word in sentence]).astype(np.float32)

    def digest(self) -> str:
        """SHA-256 of the word vectors."""
        return hashlib.sha256(b"".join(self.vectors[word].tobytes() for word in sorted(self.vectors))).hexdigest()


def _words(names: tuple[str, ...], count: int, kind: str) -> tuple[str, ...]:
    """The first `count` names, and numbered ones beyond."""
    return names[:count] + tuple(f"{kind}{i}" for i in range(len(names), count))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
