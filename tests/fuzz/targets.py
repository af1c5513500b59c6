"""Every reader of the toolkit: a good file, how it is damaged, and what reads it."""

import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snnvtg.applications.store import Entry, Part, Store
from snnvtg.data.annotations import parse_query
from snnvtg.data.benchmarks import BENCHMARKS
from snnvtg.data.feature_rows import open_rows
from snnvtg.data.features import read_features
from snnvtg.data.manifest import check_files
from snnvtg.data.packed import PackedFeatures, pack_features
from snnvtg.data.r2_features import last_layer_cls
from snnvtg.data.submission_notes import submission_notes
from snnvtg.data.submissions import read_submission
from snnvtg.data.text import GloveText
from snnvtg.data.text_files import read_tokens
from snnvtg.data.video_rankings import read_video_rankings
from snnvtg.energy.costs import TABLES, load_cost_model
from snnvtg.energy.report_trade import retrained
from snnvtg.errors import InputError
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.models import Recipe, TrainingConfig
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig
from snnvtg.sweeps.reader import read_sweep
from snnvtg.sweeps.settings import trial_of
from snnvtg.sweeps.table import read_provenance, read_rows
from snnvtg.training import Checkpoint, load_checkpoint
from tests.fuzz import damage
from tests.fuzz.damage import Damage

ROWS = np.arange(1.0, 25.0, dtype=np.float32).reshape(8, 3)
MOMENT = {
    "qid": 1, "query": "a b", "duration": 16.0, "vid": "v", "relevant_windows": [[0, 4], [6, 16]],
    "relevant_clip_ids": [0, 1, 3], "saliency_scores": [[1, 2, 3], [4, 4, 4], [2, 2, 0]],
}  # fmt: skip
ANSWER = {"qid": 1, "query": "q", "vid": "v", "pred_relevant_windows": [[0, 4, 0.5]], "pred_saliency_scores": [0.1]}
RANKED = {"qid": 1, "pred_videos": [["v", 1.0], ["w", 0.5]]}
TVSUM = {"qid": 1, "query": "q", "duration": 2, "vid": "v", "domain": "BK", "label": [[1, 2], [3, 4]]}
YOUTUBE = {"qid": 1, "query": "q", "duration": 2, "vid": "v", "domain": "dog", "match": [1, -1]}
SWEEP = """name: mine
title: Mine
seeds: [0, 1]
reference: full
notes: [a note]
controls: [shuffled-query]
rows:
  full: {}
  narrow:
    model.width: 32
  other:
    model: transformer
    training.learning_rate: 0.001
grid:
  model.num_timesteps: [1, 2]
"""
TABLE = "row,seed,num_timesteps,run,energy_pj,mIoU\nfull,0,4,a,10.5,30.25\nfull,1,8,b,11,31\n"
SECONDS = 20
"""a reader that takes longer hangs"""


@dataclass(frozen=True)
class Target:
    """`make(folder)` writes a good file, `ways` damage its bytes, `read(path)` reads it."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    ways: tuple[Damage, ...] = (damage.flip,)
    named: str = ""
    """what an error names where that is not the file's own name"""

    def try_one(self, path: Path, good: bytes, seed: int) -> bool:
        """Damage the file, read it: whether there was a result. Anything else than InputError in one line is raised."""
        draw = random.Random(seed)
        path.write_bytes(draw.choice(self.ways)(good, draw))
        return reads(lambda: self.read(path), self.named or path.name)


def reads(read: Callable[[], Any], named: str) -> bool:
    """Whether `read` gives a result; an InputError has to be one line that names `named`."""
    try:
        with no_longer_than(SECONDS):
            read()
    except InputError as error:
        said = str(error)
        assert len(said.splitlines()) == 1, f"not one line: {said!r}"
        assert named in said, f"does not name {named}: {said!r}"
        assert len(said) < 2000, f"too long: {said[:300]!r}…"
        return False
    return True


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """TimeoutError in the main thread where the block takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def text(name: str, content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return make


def lines(*records: dict) -> Callable[[Path], Path]:
    second = [{**record, "qid": number} for number, record in enumerate(records, 1)]
    return text("lines.jsonl", "".join(json.dumps(record) + "\n" for record in second))


def numpy_file(name: str, **arrays: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        save = np.savez_compressed if "packed" in name else np.savez
        np.save(folder / name, *arrays.values()) if name.endswith(".npy") else save(folder / name, **arrays)
        return folder / name

    return make


def pair(folder: Path) -> Path:
    np.save(folder / "v_opt.npy", ROWS)
    return numpy_file("v_rgb.npy", features=ROWS)(folder)


def packed(file: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "clip").mkdir()
        np.savez(folder / "clip" / "v.npz", features=ROWS)
        pack_features(["v"], [folder / "clip"], folder / "packed")
        return folder / "packed" / file

    return make


def store(file: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = Store.create(folder / "store", 3, {"model": "m"})
        made.add([Entry(vid, (Part(0.0, 8.0, ROWS[:4]), Part(8.0, 8.0, ROWS[4:]))) for vid in ("v", "w")])
        return folder / "store" / file

    return make


def read_store(path: Path) -> Any:
    folder = next(parent for parent in path.parents if parent.name == "store")
    found = Store(folder)
    return [(found.parts(piece).tolist(), found.vectors(piece).sum()) for piece in found.manifest.pieces], found.vids()


def hdf5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "c3d.h5", "w") as file:
        file["v"] = ROWS
    return folder / "c3d.h5"


def checkpoint(folder: Path) -> Path:
    config = SpikeMbaConfig(width=8, num_blocks=1, num_timesteps=2, num_heads=2, num_slots=1, state_size=2)
    torch.manual_seed(0)
    model = SpikeMba(config, 4, 3)
    recipe = Recipe(SpikeMba, config, TrainingConfig(epochs=1))
    saved = Checkpoint(recipe, 4, 3, ("clip",), 1.0, model.state_dict(), {"seed": 0})
    saved.save(folder / "best.pt")
    return folder / "best.pt"


def in_checkpoint(content: bytes, draw: random.Random) -> bytes:
    """A checkpoint whose settings, fields or tensors were changed."""
    import io

    held = torch.load(io.BytesIO(content), weights_only=True)
    state = held["state"]
    name = draw.choice(list(state))
    kind = draw.randrange(6)
    if kind == 0:
        state[name] = draw.choice([torch.zeros(3), torch.tensor(1), 5, None, [1], state[name].double()])
    elif kind == 1:
        state[name] = torch.full_like(state[name], draw.choice([np.nan, np.inf, 0]))
    elif kind == 2:
        del state[name]
    else:
        plain = {key: value for key, value in held.items() if key not in ("state", "feature_names")}
        held = damage.swap(plain, draw)
        if isinstance(held, dict):
            held |= {"state": state, "feature_names": draw.choice([("clip",), (), "clip", ("a", 1), None])}
    written = io.BytesIO()
    torch.save(held, written)
    return written.getvalue()


def checked(path: Path) -> Any:
    """`check_data`'s reading: it collects faults, and raises none for what a file holds."""
    (path.parent / "clip").mkdir(exist_ok=True)
    np.savez(path.parent / "clip" / "v.npz", features=ROWS)
    return check_files([path], [path.parent / "clip"], 2.0, parse=parse_query)


def scored(path: Path) -> Any:
    """A submission as evaluate meets it, scored against good annotations."""
    queries = tuple(parse_query({**MOMENT, "qid": number}, "good") for number in (1, 2))
    predictions = read_submission(path)
    try:
        EVALUATIONS["qvhighlights"].figures(predictions, queries)
        EVALUATIONS["qvhighlights"].per_query(predictions, queries)
        return submission_notes(predictions, queries, BENCHMARKS["qvhighlights"])
    except InputError as error:  # of a query, which it names
        raise InputError(f"{path.name}: {error}") from error


def swept(path: Path) -> Any:
    try:
        return read_sweep(path).trials(trial_of("demo"))
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def trained_again(path: Path) -> Any:
    return retrained(path, "mIoU")


def read_table(path: Path) -> Any:
    return read_rows(path, ("row", "seed", "run"))


def read_beside(path: Path) -> Any:
    return read_provenance(path.with_suffix(".csv"))


def all_rows(path: Path) -> Any:
    video = open_rows(path)
    return video.read(0, video.num_clips)


LINES = (damage.flip, damage.in_lines, damage.in_lines)
TARGETS: dict[str, Target] = {
    "annotations": Target(lines(MOMENT, MOMENT), BENCHMARKS["qvhighlights"].read_to_train, LINES),
    "unanswered": Target(lines(MOMENT, MOMENT), BENCHMARKS["qvhighlights"].read_unanswered, LINES),
    "tvsum": Target(lines(TVSUM, TVSUM), BENCHMARKS["tvsum"].read_to_train, LINES),
    "youtube": Target(lines(YOUTUBE, YOUTUBE), BENCHMARKS["youtube_highlights"].read_to_train, LINES),
    "submission": Target(lines(ANSWER, ANSWER), scored, LINES),
    "rankings": Target(lines(RANKED, RANKED), read_video_rankings, LINES),
    "manifest": Target(lines(MOMENT, MOMENT), checked, LINES),
    "npz": Target(numpy_file("v.npz", features=ROWS), read_features),
    "packed npz": Target(numpy_file("packed.npz", features=ROWS), read_features),
    "npy": Target(numpy_file("v.npy", features=ROWS), read_features),
    "pair": Target(pair, read_features),
    "npz rows": Target(numpy_file("packed.npz", features=ROWS), all_rows),
    "npy rows": Target(numpy_file("v.npy", features=ROWS), all_rows),
    "pair rows": Target(pair, all_rows),
    "tokens": Target(numpy_file("v.npz", last_hidden_state=ROWS), read_tokens),
    "layers": Target(numpy_file("v.npy", features=np.ones((2, 2, 3, 4), np.float16)), last_layer_cls),
    "word vectors": Target(
        text("glove.txt", "a 1 0.5 -1e-3\nman 2 0 1\nthe 3 0 0\n"),
        lambda path: GloveText(path, ["a man"]),
        (damage.flip, damage.in_words),
    ),
    "packed index": Target(
        packed("index.json"),
        lambda path: [found[vid] for found in [PackedFeatures(path.parent)] for vid in found],
        (damage.flip, damage.in_json, damage.in_json),
        named="packed",
    ),
    "packed rows": Target(
        packed("rows.bin"), lambda path: [f[vid] for f in [PackedFeatures(path.parent)] for vid in f], named="packed"
    ),
    "packed names": Target(
        packed("names.npy"), lambda path: [f[vid] for f in [PackedFeatures(path.parent)] for vid in f], named="packed"
    ),
    "packed starts": Target(
        packed("starts.npy"), lambda path: [f[vid] for f in [PackedFeatures(path.parent)] for vid in f], named="packed"
    ),
    "store": Target(store("manifest.json"), read_store, (damage.flip, damage.in_json, damage.in_json), named="store"),
    "store parts": Target(store("piece-000000/parts.npy"), read_store, named="store"),
    "store names": Target(store("piece-000000/names.txt"), read_store, named="store"),
    "store vectors": Target(store("piece-000000/vectors.bin"), read_store, named="store"),
    "hdf5": Target(hdf5, lambda path: read_features(path / "v")),
    "checkpoint": Target(checkpoint, lambda path: load_checkpoint(path).build(), (damage.flip, in_checkpoint)),
    "sweep": Target(text("mine.yaml", SWEEP), swept, (damage.flip, damage.in_words, damage.in_words)),
    "table": Target(text("table.csv", TABLE), read_table, (damage.flip, damage.in_cells)),
    "table of a report": Target(text("table.csv", TABLE), trained_again, (damage.flip, damage.in_cells)),
    "provenance": Target(
        text("table.json", json.dumps({"identity": {"a": 1}, "command": "x"})),
        read_beside,
        (damage.flip, damage.in_json),
        named="table.",
    ),
    "cost model": Target(
        text("45nm.json", (TABLES / "45nm_fp32.json").read_text()), load_cost_model, (damage.flip, damage.in_json)
    ),
    "memory model": Target(
        text("memory.json", (TABLES / "memory_lemaire_old_sram.json").read_text()),
        load_cost_model,
        (damage.flip, damage.in_json, damage.in_json),
    ),
}
"""by what a user would call it"""
SLOW = frozenset({"checkpoint", "sweep", "table", "table of a report"})
"""readers of milliseconds: fewer examples where there is little time"""


def prepared(name: str, folder: Path) -> tuple[Target, Path, bytes]:
    """A target with its good file written; it is read once, undamaged."""
    target = TARGETS[name]
    path = target.make(folder)
    good = path.read_bytes()
    target.read(path)
    return target, path, good
