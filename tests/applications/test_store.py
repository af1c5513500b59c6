import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
from filelock import FileLock

from snnvtg.applications.store import Entry, Part, Store
from snnvtg.applications.vector_search import VectorSearch
from snnvtg.errors import InputError

WIDTH = 4


def entry(vid, *lengths, seed=0, duration=10.0):
    """A video of one part of `lengths` segments, or of several that follow one another."""
    generator = np.random.default_rng([seed, *vid.encode()])
    parts = [
        Part(number * duration, duration, generator.standard_normal((rows, WIDTH), dtype=np.float32))
        for number, rows in enumerate(lengths)
    ]
    return Entry(vid, tuple(parts))


def store_of(folder, *entries, piece_size=2, **options):
    store = Store.create(folder, WIDTH, {"checkpoint": "abc"}, **options)
    store.add(entries, piece_size)
    return Store(folder)


VIDEOS = [entry("a", 3), entry("b", 1), entry("c", 2, 5), entry("d", 4), entry("e", 2, 2, 2)]


def by_hand(entries, query):
    """vid → (score, start s, end s) of the best segment alone."""
    found = {}
    for video in entries:
        best = [(float((part.vectors @ query).max()), part) for part in video.parts]
        score, part = max(best, key=lambda item: item[0])
        number, share = int((part.vectors @ query).argmax()), part.duration / len(part.vectors)
        found[video.vid] = (score, part.start + number * share, part.start + (number + 1) * share)
    return found


@pytest.mark.parametrize("piece_size", [1, 2, 5])
@pytest.mark.parametrize("block", [1, 4, 1000])
def test_the_exact_search_is_the_best_product_of_each_video(tmp_path, monkeypatch, piece_size, block):
    monkeypatch.setattr("snnvtg.applications.vector_search.BLOCK", block)
    search = VectorSearch(store_of(tmp_path, *VIDEOS, piece_size=piece_size))
    queries = np.random.default_rng(1).standard_normal((3, WIDTH), dtype=np.float32)
    for query, hits in zip(queries, search.exact(queries, top=3), strict=True):
        expected = by_hand(VIDEOS, query)
        assert [hit.vid for hit in hits] == sorted(expected, key=lambda vid: -expected[vid][0])[:3]
        for hit in hits:
            score, start, end = expected[hit.vid]
            assert hit.score == pytest.approx(score, rel=1e-5)
            assert hit.start <= start + 1e-6 and hit.end >= end - 1e-6


def test_more_videos_can_be_asked_for_than_there_are(tmp_path):
    search = VectorSearch(store_of(tmp_path, *VIDEOS))
    assert len(search.exact(np.ones((1, WIDTH)), top=99)[0]) == len(search) == 5


def test_half_precision_halves_the_store_and_keeps_the_order(tmp_path):
    full, half = store_of(tmp_path / "full", *VIDEOS), store_of(tmp_path / "half", *VIDEOS, dtype="float16")
    sizes = [sum(path.stat().st_size for path in s.folder.rglob("vectors.bin")) for s in (full, half)]
    assert sizes[0] == 2 * sizes[1] == 21 * WIDTH * 4
    query = np.ones((1, WIDTH), dtype=np.float32)
    one, other = VectorSearch(full).exact(query, 5)[0], VectorSearch(half).exact(query, 5)[0]
    assert [hit.vid for hit in one] == [hit.vid for hit in other]
    assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], rel=5e-3)


def test_videos_are_added_to_what_is_there(tmp_path):
    store_of(tmp_path, *VIDEOS[:3])
    again = Store.create(tmp_path, WIDTH, {"checkpoint": "abc"})
    assert again.add(VIDEOS[3:]) == 2
    assert Store(tmp_path).vids() == {"a", "b", "c", "d", "e"} and len(Store(tmp_path)) == 5
    with pytest.raises(InputError, match="holds video 'b' already"):
        again.add([VIDEOS[1]])


def test_a_store_of_another_maker_or_type_is_refused(tmp_path):
    store_of(tmp_path, *VIDEOS)
    with pytest.raises(InputError, match=r"made_by .*abc.*, not .*xyz.*; choose another folder"):
        Store.create(tmp_path, WIDTH, {"checkpoint": "xyz"})
    with pytest.raises(InputError, match="dtype float32, not float16"):
        Store.create(tmp_path, WIDTH, {"checkpoint": "abc"}, "float16")


def test_a_bad_video_leaves_the_pieces_before_it(tmp_path):
    store = Store.create(tmp_path, WIDTH, {})
    bad = Entry("bad", (Part(0.0, 1.0, np.full((2, WIDTH), np.nan, dtype=np.float32)),))
    with pytest.raises(InputError, match="bad: vectors that are no finite float32"):
        store.add([*VIDEOS[:3], bad], piece_size=2)
    assert Store(tmp_path).vids() == {"a", "b"}
    wide = Entry("wide", (Part(0.0, 1.0, np.zeros((2, 3), dtype=np.float32)),))
    with pytest.raises(InputError, match=r"wide: vectors of shape \(2, 3\); the store has \(any, 4\)"):
        store.add([wide])


def _killed_while_adding(folder):
    def entries():
        yield from VIDEOS[:3]
        os.kill(os.getpid(), signal.SIGKILL)

    Store(folder).add(entries(), piece_size=2)


def test_a_process_killed_while_adding_loses_only_its_unfinished_piece(tmp_path):
    Store.create(tmp_path, WIDTH, {})
    process = multiprocessing.get_context("fork").Process(target=_killed_while_adding, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert Store(tmp_path).vids() == {"a", "b"} and list(tmp_path.glob(".piece-*"))
    assert Store(tmp_path).add(VIDEOS[2:]) == 3
    assert len(VectorSearch(Store(tmp_path)).exact(np.ones((1, WIDTH)), 9)[0]) == 5
    assert not list(tmp_path.glob(".piece-*"))


def test_a_piece_that_no_manifest_names_counts_for_nothing(tmp_path):
    store = store_of(tmp_path, *VIDEOS[:2])
    (tmp_path / "piece-000001").mkdir()
    (tmp_path / "piece-000001" / "vectors.bin").write_bytes(b"half")
    assert len(Store(tmp_path)) == 2
    store.add(VIDEOS[2:4])
    assert Store(tmp_path).vids() == {"a", "b", "c", "d"}


def test_two_processes_do_not_add_at_once(tmp_path):
    store = store_of(tmp_path, *VIDEOS[:2])
    with FileLock(tmp_path / ".lock"), pytest.raises(InputError, match="another process is adding to it"):
        store.add(VIDEOS[2:])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("manifest.json", "{", "manifest.json: damaged"),
        ("manifest.json", json.dumps({"format": 9}), "format 9; expected 2"),
        ("manifest.json", json.dumps({"format": 2, "width": 4}), "manifest.json: damaged"),
        ("piece-000000/vectors.bin", "short", "5 bytes where manifest.json has 64"),
        ("piece-000000/parts.npy", "[]", "parts.npy: missing or damaged"),
        ("piece-000000/names.npy", "[]", "names.*: missing or damaged"),
        ("piece-000000/names.txt", "abc", "names.*: missing or damaged"),
    ],
)
def test_a_damaged_store_is_one_clear_line(tmp_path, name, content, words):
    store_of(tmp_path, *VIDEOS)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words):
        VectorSearch(Store(tmp_path))


def test_a_folder_without_a_store_and_an_empty_store_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no store; make one with experiments/index\.py"):
        Store(tmp_path)
    Store.create(tmp_path, WIDTH, {})
    with pytest.raises(InputError, match="the store is empty"):
        VectorSearch(Store(tmp_path))
