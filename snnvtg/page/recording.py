"""What a trained model saw in a few videos, small enough to stand in a page: spikes as bits, potentials as bytes."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from snnvtg.data import Example, GroundingDataset, collate
from snnvtg.errors import InputError
from snnvtg.instrumentation import Membranes, Trace
from snnvtg.models import GroundingModel
from snnvtg.models.contract import SpikeLayer
from snnvtg.records import Prediction, Query

LIMIT = 1_500_000
"""bytes of a recording beyond which a page would grow too large to be sent"""
WINDOWS = 5


def pair_up(
    dataset: GroundingDataset, qids: Sequence[str], asked: Sequence[tuple[str, np.ndarray]]
) -> list[list[Example]]:
    """For the video of each query of the split: every query to be shown beside it, its own first.

    Those are the split's other queries of the same video, then `asked` (words, features (N, Dt)). A video left with one
    query is also asked the next one's, so that there is something to compare; such a query has no true window there.
    """
    places = [_place(dataset, qid) for qid in qids]
    groups = []
    for number, place in enumerate(places):
        own = dataset[place]
        same = [i for i, query in enumerate(dataset.queries) if query.vid == own.query.vid and i != place][:3]
        group = [own, *(dataset[i] for i in same)]
        group += [_asked(own, words, f"asked-{n}", text) for n, (words, text) in enumerate(asked, 1)]
        if len(group) == 1 and len(places) > 1:
            other = dataset[places[(number + 1) % len(places)]]
            group.append(_asked(own, other.query.query, f"{other.query.qid}-here", other.text))
        groups.append(group)
    return groups


def _place(dataset: GroundingDataset, qid: str) -> int:
    for place, query in enumerate(dataset.queries):
        if str(query.qid) == qid:
            return place
    few = ", ".join(str(query.qid) for query in dataset.queries[:5])
    raise InputError(f"--queries: no query {qid!r} in the split; it has {few}, … (words of your own take a space)")


def _asked(own: Example, words: str, qid: str, text: np.ndarray) -> Example:
    query = replace(
        own.query, qid=qid, query=words, relevant_windows=(), relevant_clip_ids=None, saliency_scores=None, tags=()
    )
    return Example(query, own.video, text)


def record(model: GroundingModel, groups: Sequence[Sequence[Example]], clip_length: float) -> dict[str, Any]:
    """The answers of `model` to groups of queries, a group a video, with the spikes behind each, as JSON takes them."""
    layers = model.spike_layers()
    model.eval()
    videos = []
    for group in groups:
        query, clips = group[0].query, len(group[0].video)
        answers = [_answer(model, example, layers, clip_length) for example in group]
        videos.append({"vid": str(query.vid), "num_clips": clips, "duration": query.duration, "answers": answers})
    return {"model": type(model).__name__, "clip_length": clip_length, "videos": videos}


@torch.no_grad()
def _answer(
    model: GroundingModel, example: Example, layers: dict[str, SpikeLayer], clip_length: float
) -> dict[str, Any]:
    batch = collate([example], clip_length)
    with Membranes(model, tuple(layers)) as membranes:
        output = model(batch)
    prediction: Prediction = model.predict(output, batch)[0]
    query: Query = example.query
    clips = len(example.video)
    return {
        "qid": str(query.qid),
        "query": query.query,
        "relevant_windows": [[round(end, 3) for end in window] for window in query.relevant_windows],
        "pred_relevant_windows": [[round(v, 3) for v in w] for w in prediction.pred_relevant_windows[:WINDOWS]],
        "pred_saliency_scores": [round(score, 3) for score in prediction.pred_saliency_scores[:clips]],
        "layers": [_packed(membranes[name][0], layer, clips) for name, layer in layers.items()],
    }


def _packed(trace: Trace, layer: SpikeLayer, clips: int) -> dict[str, Any]:
    """A layer's spikes (T, L, C), a bit each, and potentials, a byte each between `low` and `high`."""
    kept = slice(layer.first_clip, layer.first_clip + clips)
    spikes, potential = (values[:, 0, kept].numpy() for values in (trace.spikes, trace.potential))
    low, high = float(np.floor(potential.min())), float(np.ceil(potential.max()))
    levels = np.round((potential - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    return {
        "title": layer.title,
        "num_heads": layer.num_heads,
        "shape": list(spikes.shape),
        "spikes": _text(np.packbits(spikes.astype(bool).reshape(-1))),
        "potential": _text(levels.reshape(-1)),
        "low": low,
        "high": high,
        "v_threshold": round(float(trace.v_threshold.mean()), 4),
    }


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def unpacked(layer: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (T, L, C) bool and potentials (T, L, C) f32, to half a 255th of their range, of a packed layer."""
    count = int(np.prod(layer["shape"]))
    bits = np.frombuffer(base64.b64decode(layer["spikes"]), np.uint8)
    levels = np.frombuffer(base64.b64decode(layer["potential"]), np.uint8).astype(np.float32)
    spikes = np.unpackbits(bits, count=count).astype(bool)
    potential = layer["low"] + levels / 255 * (layer["high"] - layer["low"])
    return spikes.reshape(layer["shape"]), potential.reshape(layer["shape"])
