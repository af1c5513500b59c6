"""Record what a trained model sees in a few videos, for the raster explorer of the report page.

    python experiments/explore.py --checkpoint runs/train/best.pt --queries 2000000 2000003
    python experiments/explore.py --checkpoint best.pt --queries 2000000 "someone opens a red door"
    python experiments/explore.py --checkpoint best.pt --data FOLDER --queries 17 "a person sits down" \\
        --out reports/explorer_mine.json
    python experiments/report.py --out page.html               # the page takes every reports/explorer*.json

An entry of --queries is the qid of a query of the split, or, where it has a space in it, words of your own, which are
asked of the video of each qid; the page shows two queries of one video beside one another. For any model with
`spike_layers()`. Seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions, DataOptions
from snnvtg.cli.words import said_of_words
from snnvtg.errors import InputError
from snnvtg.files import check_writable

if TYPE_CHECKING:
    import numpy as np

    from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class Options(CheckpointOptions, DataOptions):
    """Record spikes for the explorer."""

    queries: tuple[str, ...] = ()
    """qids of the split, and words of your own; none: the first three queries of the split"""
    split: Literal["train", "val", "test"] = "test"
    out: Path = Path("reports/explorer.json")

    def check(self) -> None:
        """InputError for a name that the page would not find, and for words without a video."""
        super().check()
        if not (self.out.name.startswith("explorer") and self.out.suffix == ".json"):
            raise InputError(f"--out: expected a name explorer….json, which the page looks for, got {self.out.name}")
        if self.queries and not any(" " not in entry.strip() for entry in self.queries):
            raise InputError(
                "--queries: words need a video; name a query of the split, whose video is asked, beside them"
            )


def main(options: Options) -> None:
    """Record and write."""
    check_writable(options.out)
    from snnvtg.page.recording import LIMIT, pair_up, record
    from snnvtg.reporting import provenance, write_json

    checkpoint, file = options.trained(), options.file()
    model = checkpoint.build()
    if not model.spike_layers():
        raise InputError(f"{file}: {type(model).__name__} has no spiking layers to show (spike_layers() is empty)")
    data = options.source.load()
    checkpoint.require(data, file)
    split = getattr(data, options.split)
    qids = [entry.strip() for entry in options.queries if " " not in entry.strip()]
    qids = qids or [str(query.qid) for query in split.queries[:3]]
    words = [entry.strip() for entry in options.queries if " " in entry.strip()]
    asked = [(text, encoded(options, text, checkpoint)) for text in words]
    recorded = record(model, pair_up(split, qids, asked), data.clip_length)
    told = provenance(data=data.name, data_checksum=data.checksum, split=options.split, queries=len(qids))
    content = {"data": data.name, "synthetic": options.source.is_synthetic, **recorded, "provenance": told}
    write_json(content, options.out)
    size = options.out.stat().st_size
    print(f"{len(qids)} videos, {sum(len(v['answers']) for v in recorded['videos'])} queries, {size / 1e3:.0f} kB")
    if size > LIMIT:
        print(f"note: more than {LIMIT / 1e6:g} MB; a page with it may be too large to send, record fewer queries")
    print(f"wrote {options.out}")


def encoded(options: Options, words: str, checkpoint: "Checkpoint") -> "np.ndarray":
    """Token features (N, Dt) of words of the user's, by the text encoder of the data."""
    from snnvtg.applications.grounding import encode_query
    from snnvtg.data.live_text import text_source
    from snnvtg.data.synthetic_words import Vocabulary
    from snnvtg.records import Query

    if options.source.is_synthetic:
        vocabulary = Vocabulary.draw(options.source.synthetic)
        unknown = [word for word in words.split() if word not in vocabulary.vectors]
        if unknown:
            known = ", ".join(vocabulary.vectors)
            raise InputError(f"--queries: the synthetic set has no word {unknown[0]!r}; it knows {known}")
        return vocabulary.encode(tuple(words.split()))
    if options.text is None:
        found = sorted(options.data.glob("glove*.txt")) if options.data else []
        if len(found) != 1:
            raise InputError("--queries: words of your own need the text encoder of training; name it with --text")
    source = options.text or str(found[0])
    encoder = text_source(source, [words, *filter(None, checkpoint.text_marks)])
    vectors = encode_query(encoder, Query("asked", words, "", 1.0), checkpoint, options.file())
    print(said_of_words(words, vectors, source), end="")
    return vectors


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
