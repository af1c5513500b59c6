"""A synthetic data set made on the fly, on which the paper's two claims can be tested; there is no real video in it.

Every query asks for an event ATTRIBUTE VERB OBJECT. Its words have seeded random vectors; a clip of the event shows
the words' images under one fixed random linear map, so that matching clip and query is learnable and new combinations
can be understood. Around the event asked for there are
- hard negatives: other events that differ from it, and from one another, in one word; any of them could have been
  asked for, so that the choice between them takes the query;
- salient distractors: short bursts of large norm that share one word with the query and show nothing asked for
  (`num_distractors`, `distractor_strength`);
- in a `long_range_fraction` of the videos, a twin: a second event that matches the query just as well. Two cues, `on`
  and `off`, lie in the video, and the event meant is the one whose latest cue is `on`. No cue is nearer to a
  matching event than `cue_distance` clips: without memory the choice between the two is even.
"""

from dataclasses import dataclass, fields

import numpy as np

from snnvtg.data.dataset import DataSplits, GroundingDataset
from snnvtg.data.features import join_backbones
from snnvtg.data.folder import checksum
from snnvtg.data.synthetic_scene import Scene, Segment, least_clips, plan_scene
from snnvtg.data.synthetic_words import Vocabulary
from snnvtg.errors import InputError
from snnvtg.records import Query


@dataclass(frozen=True)
class SyntheticConfig:
    """The knobs; strengths and noise are norms, where one word's image in a clip has norm 1."""

    seed: int = 0
    num_train: int = 600
    num_val: int = 150
    num_test: int = 200
    min_clips: int = 32
    max_clips: int = 64
    min_window: int = 4
    """clips of the shortest asked event"""
    max_window: int = 14
    num_attributes: int = 4
    num_verbs: int = 4
    num_objects: int = 5
    num_hard_negatives: int = 2
    num_distractors: int = 2
    distractor_strength: float = 3.0
    """norm of a distractor's clips; an event's is √3 = 1.7"""
    long_range_fraction: float = 0.3
    cue_distance: int = 8
    """least number of clips between a cue and a matching event, before and after it"""
    cue_strength: float = 2.0
    noise: float = 1.5
    unseen_fraction: float = 0.2
    """part of the word combinations that train never asks for"""
    feature_width: int = 62
    """time endpoints not counted"""
    text_width: int = 32
    clip_length: float = 1.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value) or value < _LEAST.get(field.name, 0):
                raise InputError(f"{field.name} is {value}; expected at least {_LEAST.get(field.name, 0)}")
        if self.long_range_fraction > 1:
            raise InputError(f"long_range_fraction is {self.long_range_fraction}; expected 0 to 1")
        if self.unseen_fraction > 0.9:
            raise InputError(f"unseen_fraction is {self.unseen_fraction}; expected 0 to 0.9")
        for low, high in (("min_clips", "max_clips"), ("min_window", "max_window")):
            if getattr(self, low) > getattr(self, high):
                raise InputError(f"{low} is {getattr(self, low)}, above {high} {getattr(self, high)}")
        room = least_clips(self)
        if self.long_range_fraction > 0 and room > self.max_clips:
            raise InputError(f"max_clips is {self.max_clips}; two cues and two events need {room} at this cue_distance")
        if self.min_clips < self.min_window + 2:
            raise InputError(f"min_clips is {self.min_clips}; expected at least min_window + 2 = {self.min_window + 2}")


_LEAST = {
    **dict.fromkeys(("num_train", "num_val", "num_test", "min_window", "feature_width", "text_width"), 1),
    **dict.fromkeys(("num_attributes", "num_verbs", "num_objects"), 2),
    "clip_length": 1e-6,
}


def generate(config: SyntheticConfig | None = None) -> DataSplits:
    """The data set of `config`, the same for the same config.

    Splits draw from their own random streams: resizing one leaves the others, and changing a strength or the noise
    leaves every scene, so that runs at different strengths are paired.
    """
    config = config or SyntheticConfig()
    words = Vocabulary.draw(config)
    videos: dict[str, np.ndarray] = {}
    datasets = {}
    sizes = {"train": config.num_train, "val": config.num_val, "test": config.num_test}
    for index, (split, size) in enumerate(sizes.items()):
        generator = np.random.default_rng([config.seed, index])
        queries, texts = [], []
        for number in range(size):
            scene = plan_scene(config, words, generator, train=split == "train")
            sentence = words.sentence(scene.asked, generator)
            vid = f"synthetic_{split}_{number:04d}"
            videos[vid] = render(scene, words, config, generator)
            queries.append(_query(scene, sentence, vid, index * 1_000_000 + number, config, words))
            texts.append(words.encode(sentence))
        datasets[split] = GroundingDataset(tuple(queries), videos, tuple(texts), config.clip_length)
    everything = [query for dataset in datasets.values() for query in dataset.queries]
    return DataSplits(
        **datasets,
        name="synthetic",
        checksum=checksum(everything, videos, words.digest()),
        video_width=config.feature_width + 2,
        text_width=config.text_width,
        clip_length=config.clip_length,
        feature_names=("synthetic",),
        text_name="synthetic",
    )


def render(scene: Scene, words: Vocabulary, config: SyntheticConfig, generator: np.random.Generator) -> np.ndarray:
    """Features (L, feature_width + 2) float32 of a scene: a scene-wide offset, its segments, noise, time endpoints."""
    width = config.feature_width
    features = np.tile(0.5 * _unit(generator.standard_normal(width)), (scene.num_clips, 1))
    for segment in scene.segments:
        clips = segment.stop - segment.start
        intensity = generator.uniform(0.8, 1.2, size=(clips, 1))
        features[segment.start : segment.stop] += intensity * _image(segment, words, config)
    features += config.noise / np.sqrt(width) * generator.standard_normal(features.shape)
    return join_backbones([features.astype(np.float32)])


def _image(segment: Segment, words: Vocabulary, config: SyntheticConfig) -> np.ndarray:
    content = sum((words.images[word] for word in segment.words), start=np.zeros(config.feature_width))
    if segment.kind == "distractor":
        return config.distractor_strength * _unit(content + words.drama[segment.variant])
    if segment.kind == "cue":
        return config.cue_strength * words.cues[segment.variant]
    return content


def _query(
    scene: Scene, sentence: tuple[str, ...], vid: str, qid: int, config: SyntheticConfig, words: Vocabulary
) -> Query:
    asked = scene.asked_segment
    seen = "unseen-combination" if scene.asked in words.unseen else "seen-combination"
    return Query(
        qid=qid,
        query=" ".join(sentence),
        vid=vid,
        duration=scene.num_clips * config.clip_length,
        relevant_windows=((asked.start * config.clip_length, asked.stop * config.clip_length),),
        tags=("long-range" if scene.long_range else "local", seen),
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
