"""Make the model, the video and the words that come with the package, for `snnvtg ground` without any data.

    python experiments/tools/make_demo.py        # about a minute; writes snnvtg/demo/

Run it again after a change of the default model: its test says so. The model is the preset `demo`, smaller; the video
is the first of the synthetic test split that the model answers with an IoU of at least 0.7; `query.json` says of how
many it is the first.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from snnvtg.cli.command import CommandOptions, run
from snnvtg.errors import InputError

SETTINGS = ("model.width=32", "model.num_blocks=1")
ENOUGH = 0.7


@dataclass(frozen=True)
class Options(CommandOptions):
    """Make the demo."""

    out: Path | None = None
    """folder to write; none: the package's own"""
    set: tuple[str, ...] = SETTINGS
    """settings beside those of the preset"""


def main(options: Options) -> None:
    """Train, choose, write."""
    import numpy as np

    import snnvtg
    from snnvtg.applications.demo import DEMO
    from snnvtg.data.synthetic import SyntheticConfig, Vocabulary
    from snnvtg.data.text import GloveText
    from snnvtg.files import atomic
    from snnvtg.reporting import write_json, write_text

    out = options.out or DEMO.folder
    recipe, data = snnvtg.recipe("demo", *options.set), snnvtg.load_data()
    vectors = Vocabulary.draw(SyntheticConfig()).vectors
    lines = [f"{word} {' '.join(map(repr, vector.astype(np.float32).tolist()))}" for word, vector in vectors.items()]
    write_text("\n".join(lines) + "\n", out / DEMO.words.name)
    words = GloveText(out / DEMO.words.name, [query.query for query in data.train.queries])
    data = replace(normalised(data), text_name=words.name, text_marks=words.marks)
    checkpoint = snnvtg.train(recipe, data, seed=0)
    checkpoint.save(out / DEMO.checkpoint.name)
    answers = snnvtg.predict(checkpoint.build(), data.test)
    found = [
        overlap(a.pred_relevant_windows[0], q.relevant_windows[0])
        for a, q in zip(answers, data.test.queries, strict=True)
    ]
    good = [i for i, value in enumerate(found) if value >= ENOUGH]
    if not good:
        raise InputError(f"no test video is answered with an IoU of {ENOUGH}; train longer")
    query = data.test.queries[good[0]]
    with atomic(out / DEMO.video.name) as scratch:  # the time endpoints are put in again where it is read
        np.savez_compressed(scratch, features=data.test.videos[query.vid][:, :-2])
    chosen = f"the first of the {len(good)} of {len(found)} test videos that the model answers with an IoU of {ENOUGH}"
    shown = {"query": query.query, "relevant_windows": query.relevant_windows, "duration": query.duration}
    write_json({**shown, "chosen": chosen}, out / DEMO.annotation.name)
    print(json.dumps(shown), chosen, sep="\n")


def normalised(data):
    """The data as features on disk are read: every row divided by its norm."""
    from snnvtg.data.features import join_backbones, normalise

    videos = {vid: join_backbones([normalise(video[:, :-2])]) for vid, video in data.test.videos.items()}
    splits = {name: replace(getattr(data, name), videos=videos) for name in ("train", "val", "test")}
    return replace(data, **splits)


def overlap(first, second) -> float:
    """IoU of two windows."""
    inner = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    return inner / (first[1] - first[0] + second[1] - second[0] - inner)


if __name__ == "__main__":
    run(Options, main, __doc__)
