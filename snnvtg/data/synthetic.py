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

import numpy as np

from snnvtg.data.dataset import DataSplits, GroundingDataset
from snnvtg.data.features import join_backbones
from snnvtg.data.folder import checksum
from snnvtg.data.synthetic_config import SyntheticConfig
from snnvtg.data.synthetic_scene import Scene, Segment, plan_scene
from snnvtg.data.synthetic_words import Vocabulary
from snnvtg.records import Query


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
