"""Ask an archive in words: which video, and where in it.

    python experiments/search.py --store STORE --query "a person opens the door" "someone laughs"
    python experiments/search.py --store STORE --query "a person opens the door" --top 20 --json answer.json

The store is experiments/index.py's. `--method exact` multiplies the query with every vector; `faiss` reads the
approximate index, whose answers may lack some of the best; `auto` is exact up to a hundred thousand videos, faiss
beyond, and says which. Where a video answers is the run of segments around the best one, above the middle between the
best and the mean: the vectors know which video, and only roughly where (experiments/ground.py asks one video closely).
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from snnvtg.cli.command import CommandOptions, run
from snnvtg.cli.words import said_of_words
from snnvtg.errors import InputError
from snnvtg.files import check_writable

if TYPE_CHECKING:
    from snnvtg.applications.vector_search import Hit

MOST_EXACT = 100_000
"""videos up to which `auto` searches exactly"""


@dataclass(frozen=True)
class Options(CommandOptions):
    """Search a store."""

    reads: ClassVar[dict[str, str]] = {"store": "no such store; make one with experiments/index.py"}

    _: KW_ONLY
    store: Path
    query: tuple[str, ...]
    text: str | None = None
    """how the queries become features; none: as the store was told"""
    top: int = 10
    """videos to show"""
    method: Literal["auto", "exact", "faiss"] = "auto"
    probes: int = 256
    """of faiss: lists of the inverted file that are read; more find more and take longer"""
    model: str | None = None
    """the class of a model from outside the package, which no checkpoint is trusted to name"""
    backend: str = "auto"
    """LIF backend"""
    json: Path | None = None
    """also write the answers"""

    def check(self) -> None:
        """InputError for what needs no store to be seen wrong."""
        super().check()
        for name in ("top", "probes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not all(text.strip() for text in self.query):
            raise InputError("query is empty; ask in a sentence")


def main(options: Options) -> None:
    """Search and print."""
    from snnvtg.applications.approximate import ApproximateSearch
    from snnvtg.applications.archive import MODEL, query_vectors
    from snnvtg.applications.store import Store
    from snnvtg.applications.vector_search import VectorSearch
    from snnvtg.data.live_text import text_source
    from snnvtg.models import model_class
    from snnvtg.neurons import set_backend
    from snnvtg.records import Query
    from snnvtg.training import load_checkpoint

    if options.json:
        check_writable(options.json)
    store = Store(options.store)
    search, file = VectorSearch(store), options.store / MODEL
    checkpoint = load_checkpoint(file, model_class(options.model) if options.model else None)
    text = options.text or store.manifest.made_by["text"]
    encoder = text_source(text, [*options.query, *filter(None, checkpoint.text_marks)])
    model = checkpoint.build()
    set_backend(model, options.backend)
    for asked in options.query:
        print(said_of_words(asked, encoder(Query("raw", asked, "", 1.0)), text), end="")
    vectors = query_vectors(model, checkpoint, file, encoder, options.query)
    method = options.method if options.method != "auto" else "exact" if len(search) <= MOST_EXACT else "faiss"
    print(f"{len(search)} videos; {method} search")
    if method == "exact":
        found = search.exact(vectors, options.top)
    else:
        found = ApproximateSearch(search, probes=options.probes).nearest(vectors, options.top)
    show(options.query, found)
    if options.json:
        write(options, found, method)


def show(queries: tuple[str, ...], found: "list[list[Hit]]") -> None:
    """Print each query's videos."""
    for query, hits in zip(queries, found, strict=True):
        print(f"“{query}”")
        for place, hit in enumerate(hits, start=1):
            print(f"{place:4d}  {hit.vid:24} {hit.start:8.1f} s – {hit.end:6.1f} s   score {hit.score:.3f}")


def write(options: Options, found: "list[list[Hit]]", method: str) -> None:
    """The answers with the keys of a file of rankings, and where in each video."""
    from snnvtg.reporting import provenance, write_json

    answers = [
        {
            "query": query,
            "pred_videos": [[hit.vid, hit.score] for hit in hits],
            "pred_windows": [[hit.start, hit.end] for hit in hits],
        }
        for query, hits in zip(options.query, found, strict=True)
    ]
    write_json({"method": method, "answers": answers, "provenance": provenance(config=options)}, options.json)
    print(f"wrote {options.json}")


def start() -> None:
    """Run the command."""
    run(Options, main, __doc__)


if __name__ == "__main__":
    start()
