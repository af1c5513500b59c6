"""Ask a trained model for a moment in words.

    python experiments/ground.py                    # the model and the synthetic video that come with the package
    python experiments/ground.py --query "someone carries a red box"                      # of the same video
    python experiments/ground.py --checkpoint runs/train/best.pt --features video.npz --text glove.300d.txt \\
        --query "a person opens the door"
    python experiments/ground.py --checkpoint best.pt --features slowfast=a.npz clip=b.npz --text clip:WEIGHTS \\
        --query "a man rides a horse" --out answer.png --json answer.json

Seconds. Prints the windows with their scores, and draws the saliency curve with the spikes of the layers
the model shows beneath it. A video longer than any of training is read in overlapping windows, in memory that does
not grow with it, and the picture shows the window around the best moment. A text encoder other than the one used in
training is refused: by its name, and by checksums of word vectors or weights; a tokens: file does not say what made it.
"""

import os
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from snnvtg.applications.demo import DEMO
from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions
from snnvtg.cli.words import said_of_words, some
from snnvtg.errors import InputError
from snnvtg.files import check_writable

if TYPE_CHECKING:
    from snnvtg.applications.grounding import Answer
    from snnvtg.records import Prediction, Query
    from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class Options(CheckpointOptions):
    """Ground one query in one video."""

    _: KW_ONLY
    checkpoint: Path | None = None
    """a checkpoint of experiments/train.py, or a sweep's table (NAME.csv) with --row; none: runs/train/best.pt, or the
    package's own where no features are named either"""
    features: tuple[str, ...] = ()
    """the video's feature files (.npz with key features, .npy), one per backbone in the order of training; NAME=FILE
    where the folder does not say which backbone it is"""
    query: str = ""
    text: str = ""
    """how the query becomes features: FILE.txt (GloVe), clip:FOLDER (a local CLIP), sentence, tokens:FILE.npz"""
    duration: float | None = None
    """seconds of the video; none: clips × clip length"""
    window: int | None = None
    """clips of a window; longer videos are read in such windows, each sharing half with the next; none: the longest
    video of training"""
    top: int = 5
    """windows to show"""
    backend: str = "auto"
    """LIF backend"""
    out: Path = Path("ground.png")
    """the picture; its suffix chooses the format"""
    json: Path | None = None
    """also write the answer, with the keys of a submission"""

    def check(self) -> None:
        """InputError for what needs no model to be seen wrong."""
        if self.top < 1:
            raise InputError(f"top is {self.top}; expected at least 1")
        if not self.is_demo:
            for name in ("features", "text", "query"):
                if not getattr(self, name):
                    raise InputError(
                        f"--{name}: is not given; expected --features, --text and --query, or none of them"
                    )
        if self.query and not self.query.strip():
            raise InputError("query is empty; ask in a sentence")
        for given in self.features:
            if not os.path.exists(path := given.rpartition("=")[2]):
                raise InputError(f"{path}: no such file; expected the video's features")
        from matplotlib.backend_bases import FigureCanvasBase

        if self.out.suffix[1:] not in FigureCanvasBase.filetypes:
            raise InputError(f"{self.out}: no picture format; expected one of {', '.join(FigureCanvasBase.filetypes)}")

    @property
    def is_demo(self) -> bool:
        """Whether the package's own model, video and words are asked."""
        return self.checkpoint is None and not self.features and not self.text

    def filled(self) -> "Options":
        """With what is taken where nothing is named."""
        if not self.is_demo:
            return replace(self, checkpoint=self.checkpoint or Path("runs/train/best.pt"))
        names = {"checkpoint": DEMO.checkpoint, "features": (str(DEMO.video),), "text": str(DEMO.words)}
        return replace(self, **names, query=self.query or DEMO.asked()["query"])


def main(given: Options) -> None:
    """Answer, print, draw."""
    options = given.filled()
    for path in filter(None, (options.out, options.json)):
        check_writable(path)
    from snnvtg.applications.grounding import WINDOW, answer, encode_query, open_video
    from snnvtg.data.live_text import text_source
    from snnvtg.neurons import set_backend
    from snnvtg.records import Query
    from snnvtg.reporting import write_json

    checkpoint, file = options.trained(), options.file()
    clip_length = checkpoint.clip_length
    video = open_video(options.features, checkpoint, file)
    whole = video.num_clips * clip_length
    if options.duration is not None and not abs(options.duration - whole) <= 2 * clip_length + 0.1 * whole:
        raise InputError(f"duration is {options.duration:g} s; the features cover {whole:g} s; give that of this video")
    vid = Path(options.features[0].rpartition("=")[2]).stem
    query = Query("raw", options.query, vid, options.duration or whole)
    # the words whose vectors the checkpoint knows are asked for too, to be compared
    encoder = text_source(options.text, [options.query, *filter(None, checkpoint.text_marks)])
    text = encode_query(encoder, query, checkpoint, file)
    note = said_of_words(options.query, text, options.text)
    model = checkpoint.build()
    set_backend(model, options.backend)
    window = (checkpoint.longest or WINDOW) if options.window is None else options.window
    found = answer(model, query, video, text, clip_length, window)
    windows = found.prediction.pred_relevant_windows[: options.top]
    print(note, end="")
    print(f"{vid}: {video.num_clips} clips, {query.duration:g} s; text: {encoder.name or 'file'}, {len(text)} tokens")
    if not (checkpoint.text_name and encoder.name):
        side = "the file" if checkpoint.text_name else "this checkpoint"
        print(f"note: {side} does not say which text encoder made it, so only the width was compared")
    if video.num_clips > found.num_clips:
        print(f"longer than {window} clips: read in windows; the picture shows the one around the best moment")
    for start, end, score in windows:
        print(f"{start:8.1f} s – {end:6.1f} s   score {score:.3f}")
    if given.is_demo:
        print(about_demo(options.query))
    draw(found, windows, options, clip_length, vid)
    if options.json:
        write_json(content(found.prediction, query, encoder.digest, options, checkpoint), options.json)
        print(f"wrote {options.json}")


def about_demo(query: str) -> str:
    """What the demo is, whether the answer is right, and what else can be asked."""
    asked = DEMO.asked()
    lines = [f"a demo: a synthetic video, {asked['chosen']}"]
    if query == asked["query"]:
        (start, end), *_ = asked["relevant_windows"]
        lines.append(f"“{query}” is at {start:g} s – {end:g} s")
    return "\n".join([*lines, f"--query takes the words {', '.join(DEMO.known_words())}"])


def draw(found: "Answer", windows, options: Options, clip_length: float, vid: str) -> None:
    """The picture of the clips the answer has spikes of, times counted from the first of them."""
    from snnvtg.plots.grounding import grounding_figure
    from snnvtg.plots.text import missing
    from snnvtg.reporting import save_figure

    begin, end = found.first * clip_length, (found.first + found.num_clips) * clip_length
    local = [(max(a, begin) - begin, min(b, end) - begin, score) for a, b, score in windows if a < end and b > begin]
    place = f", from {begin:g} s on" if found.first else ""
    title = f"“{options.query}” in {vid}{place}"
    if lacking := missing(title):
        print(f"note: no installed font has {some(lacking)}: code points in the picture; install one, as Noto Sans CJK")
    figure = grounding_figure(
        found.spikes,
        num_clips=found.num_clips,
        clip_length=clip_length,
        windows=local,
        saliency=found.prediction.pred_saliency_scores[found.first : found.first + found.num_clips],
        title=title,
    )
    save_figure(figure, options.out)
    if not found.spikes:
        print("the model has no spiking layers to show: no raster in the picture")
    print(f"wrote {options.out}")


def content(prediction: "Prediction", query: "Query", digest: str, options: Options, checkpoint: "Checkpoint") -> dict:
    """The answer with a submission's keys, and how it came about."""
    from snnvtg.reporting import provenance

    answered = {
        "qid": prediction.qid,
        "query": prediction.query,
        "vid": prediction.vid,
        "duration": query.duration,
        "clip_length": checkpoint.clip_length,
        "pred_relevant_windows": [list(window) for window in prediction.pred_relevant_windows],
        "pred_saliency_scores": list(prediction.pred_saliency_scores),
    }
    return answered | {"provenance": provenance(config=options, text_digest=digest)}


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
