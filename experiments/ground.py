"""Ask a trained model for a moment in words.

    python experiments/ground.py --checkpoint runs/train/best.pt --features video.npz --text glove.300d.txt \\
        --query "a person opens the door"
    python experiments/ground.py --checkpoint best.pt --features slowfast=a.npz clip=b.npz --text clip:WEIGHTS \\
        --query "a man rides a horse" --out answer.png --json answer.json

Seconds. Prints the windows with their scores, and draws the saliency curve with the spikes of the last block's
saliency detector beneath it. The query must be encoded as in training: only a wrong width can be noticed.
"""

from dataclasses import dataclass
from pathlib import Path

from snnvtg.command import run
from snnvtg.data.live_text import text_source
from snnvtg.errors import InputError
from snnvtg.neurons import set_backend
from snnvtg.plots.grounding import grounding_figure
from snnvtg.records import Prediction, Query
from snnvtg.reporting import provenance, save_figure, write_json
from snnvtg.studies.grounding import answer, encode_query, read_video
from snnvtg.training.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Options:
    """Ground one query in one video."""

    checkpoint: Path
    features: tuple[str, ...]
    """the video's feature files (.npz with key features, .npy), one a backbone in the order of training; NAME=FILE
    where the folder does not say which backbone it is"""
    query: str
    text: str
    """how the query becomes features: FILE.txt (GloVe), clip:FOLDER (a local CLIP), sentence, tokens:FILE.npz"""
    duration: float | None = None
    """seconds of the video; none: clips × clip length"""
    top: int = 5
    """windows to show"""
    backend: str = "auto"
    """LIF backend"""
    out: Path = Path("ground.png")
    """the picture; its suffix chooses the format"""
    json: Path | None = None
    """also write the answer, with the keys of a submission"""


def main(options: Options) -> None:
    """Answer, print, draw."""
    if options.top < 1:
        raise InputError(f"top is {options.top}; expected at least 1")
    checkpoint = load_checkpoint(options.checkpoint)
    video = read_video(options.features, checkpoint, options.checkpoint)
    whole = len(video) * checkpoint.clip_length
    if options.duration is not None and not abs(options.duration - whole) <= 2 * checkpoint.clip_length + 0.1 * whole:
        raise InputError(f"duration is {options.duration:g} s; the features cover {whole:g} s; give that of this video")
    vid = Path(options.features[0].rpartition("=")[2]).stem
    query = Query("raw", options.query, vid, options.duration or whole)
    encoder = text_source(options.text, [options.query])
    text = encode_query(encoder, query, checkpoint, options.checkpoint)
    model = checkpoint.build()
    set_backend(model, options.backend)
    found = answer(model, query, video, text, checkpoint.clip_length)
    windows = found.prediction.pred_relevant_windows[: options.top]
    print(f"{vid}: {len(video)} clips, {query.duration:g} s; text: {encoder.name}, {len(text)} tokens")
    for start, end, score in windows:
        print(f"{start:8.1f} s – {end:6.1f} s   score {score:.3f}")
    figure = grounding_figure(
        found.spikes,
        clip_length=checkpoint.clip_length,
        windows=windows,
        saliency=found.prediction.pred_saliency_scores,
        title=f"“{options.query}” in {vid}",
    )
    save_figure(figure, options.out)
    if not found.spikes:
        print("the model has no spiking saliency detector: no raster in the picture")
    print(f"wrote {options.out}")
    if options.json:
        write_json(content(found.prediction, query, encoder.digest, options, checkpoint.clip_length), options.json)
        print(f"wrote {options.json}")


def content(prediction: Prediction, query: Query, digest: str, options: Options, clip_length: float) -> dict:
    """The answer with a submission's keys, and how it came about."""
    answered = {
        "qid": prediction.qid,
        "query": prediction.query,
        "vid": prediction.vid,
        "duration": query.duration,
        "clip_length": clip_length,
        "pred_relevant_windows": [list(window) for window in prediction.pred_relevant_windows],
        "pred_saliency_scores": list(prediction.pred_saliency_scores),
    }
    return answered | {"provenance": provenance(config=options, text_digest=digest)}


if __name__ == "__main__":
    run(Options, main, __doc__)
