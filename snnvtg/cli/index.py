"""Put videos into a store that is searched in words.

    python experiments/index.py --checkpoint runs/mine/best.pt --data FOLDER --out STORE
    python experiments/index.py --checkpoint best.pt --features clip/ --text glove.300d.txt --out STORE
    python experiments/index.py --checkpoint best.pt --features slowfast/ clip/ --text clip:WEIGHTS --out STORE --faiss

The checkpoint is of a model that retrieves. Every video of the folders that the store lacks is added: the same command
goes on after an interrupt, or after more videos have come. `--faiss` also makes the approximate index of the whole
store, for more than a hundred thousand videos; an index of an earlier state is never used. About 100 videos of half a
minute a second on one core. The next step is experiments/search.py.
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from snnvtg.cli.command import run
from snnvtg.cli.options import CheckpointOptions
from snnvtg.errors import InputError
from snnvtg.files import check_writable

if TYPE_CHECKING:
    from snnvtg.training import Checkpoint


@dataclass(frozen=True)
class Options(CheckpointOptions):
    """Index videos."""

    reads: ClassVar[dict[str, str]] = {
        "data": "no such folder; expected features/ in it",
        "features": "no such folder; expected the features of one backbone in it",
    }

    _: KW_ONLY
    out: Path
    """the store's folder; one that is there is added to"""
    data: Path | None = None
    """folder with features/BACKBONE, and glove*.txt where the checkpoint's text is GloVe"""
    features: tuple[Path, ...] = ()
    """the feature folders themselves, one per backbone in the order of training"""
    split: str | None = None
    """with --data: only the videos of SPLIT.jsonl in it"""
    text: str | None = None
    """how queries become features: FILE.txt (GloVe), clip:FOLDER, sentence; none: the only glove*.txt of --data"""
    longest: int | None = None
    """clips of a part; longer videos are stored in parts that share half; none: the longest video of training"""
    dtype: Literal["float32", "float16"] = "float32"
    faiss: bool = False
    """also make the approximate index"""
    batch_size: int = 16
    backend: str = "auto"
    """LIF backend"""

    def check(self) -> None:
        """InputError for what needs no model to be seen wrong."""
        if (self.data is None) == (not self.features):
            raise InputError("--data or --features: expected one of them, to say where the videos' features are")
        if self.split is not None and self.data is None:
            raise InputError("--split belongs to --data; leave it out with --features")
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}; expected at least 1")

    def kept(self) -> str:
        """As CommandOptions: the store's finished pieces."""
        return f"finished pieces of the store are in {self.out}; the same command adds what is left"


def main(options: Options) -> None:
    """Compute the vectors and store them."""
    from snnvtg.applications.approximate import build
    from snnvtg.applications.archive import Archive, add_videos, open_store
    from snnvtg.applications.vector_search import VectorSearch
    from snnvtg.data.extras import require
    from snnvtg.neurons import set_backend

    if options.faiss:
        require("faiss", "faiss", "an approximate index")
    check_writable(options.out / "manifest.json")
    checkpoint, file = options.trained(), options.file()
    archive = Archive(checkpoint, folders(options, checkpoint), longest=options.longest)
    set_backend(archive.model, options.backend)
    store = open_store(options.out, archive, file, text_of(options, checkpoint), options.dtype)
    added = add_videos(store, archive, vids(options), options.batch_size)
    print(f"{added} videos added; {options.out} holds {len(store)}")
    if options.faiss:
        build(VectorSearch(store))
        print("made the approximate index")


def folders(options: Options, checkpoint: "Checkpoint") -> tuple[Path, ...]:
    """The feature folders, in the checkpoint's order."""
    return options.features or tuple(options.data / "features" / name for name in checkpoint.feature_names)


def text_of(options: Options, checkpoint: "Checkpoint") -> str:
    """How queries become features, as search.py will find it from another folder too."""
    if options.text is not None:
        return str(Path(options.text).absolute()) if options.text.endswith(".txt") else options.text
    found = sorted(options.data.glob("glove*.txt")) if options.data and checkpoint.text_name in ("", "glove") else []
    if len(found) != 1:
        raise InputError("--text: expected how queries become features: FILE.txt (GloVe), clip:FOLDER, sentence")
    return str(found[0].absolute())


def vids(options: Options) -> list[str] | None:
    """The videos of --split; None for all there are."""
    if options.split is None:
        return None
    from snnvtg.data.annotations import read_annotations

    return list(dict.fromkeys(query.vid for query in read_annotations(options.data / f"{options.split}.jsonl")))


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
