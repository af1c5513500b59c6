import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from snnvtg.data.catalogue import CATALOGUE, entry
from snnvtg.data.downloads import fetch, file_digest
from snnvtg.errors import InputError

CONTENT = bytes(range(256)) * 4000  # 1 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; drops the connection after `limit` bytes of a response, `drops` times."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.drops, self.limit, self.ranges, self.errors, self.announced = 0, 100_000, True, [], True
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.jsonl"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append(wanted)
        if server.errors:
            self.send_error(server.errors.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted and server.ranges else 200)
        if server.announced:
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = len(CONTENT)
        if server.drops:
            server.drops -= 1
            stop = start + server.limit
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def test_a_dropped_connection_is_resumed_where_it_was_cut(server, tmp_path):
    server.drops = 3
    seen = []
    found = fetch(server.url, tmp_path / "new" / "f", sha256=DIGEST, wait=0, progress=lambda *a: seen.append(a))
    assert found.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["f"]


def test_a_later_call_resumes_what_an_earlier_one_left(server, tmp_path):
    server.drops, server.limit = 100, 0
    with pytest.raises(InputError, match="3 times in a row; run the same command again to resume"):
        fetch(server.url, tmp_path / "f", attempts=3, wait=0)
    assert not (tmp_path / "f").exists()
    (tmp_path / "f.part").write_bytes(CONTENT[:500_000])
    server.drops, server.requests = 0, []
    fetch(server.url, tmp_path / "f", size=len(CONTENT), sha256=DIGEST, wait=0)
    assert server.requests == ["bytes=500000-"]
    assert file_digest(tmp_path / "f") == DIGEST


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    (tmp_path / "f.part").write_bytes(b"x" * 70_000)
    fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_that_is_complete_is_checked_and_kept(server, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT)
    fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_wrong_checksum_or_size_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match="checksum differs"):
        fetch(server.url, tmp_path / "f", sha256="0" * 64, wait=0)
    with pytest.raises(InputError, match=f"{len(CONTENT)} bytes came, expected 5"):
        fetch(server.url, tmp_path / "f", size=5, wait=0)
    (tmp_path / "f.part").write_bytes(b"y" * len(CONTENT))
    with pytest.raises(InputError, match="checksum differs"):
        fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_left_alone(server, tmp_path):
    (tmp_path / "f").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "f", sha256=DIGEST) == tmp_path / "f"
    with pytest.raises(InputError, match="exists with another content"):
        fetch(server.url, tmp_path / "f", sha256="0" * 64)
    assert server.requests == [] and (tmp_path / "f").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, tmp_path):
    server.errors = [503, 429]
    fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    assert len(server.requests) == 3
    server.errors = [404]
    with pytest.raises(InputError, match="the server answers 404"):
        fetch(server.url, tmp_path / "g", wait=0)
    assert len(server.requests) == 4


def test_without_a_length_the_checksum_still_decides(server, tmp_path):
    server.announced, server.drops = False, 1
    with pytest.raises(InputError, match="checksum differs"):
        fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    fetch(server.url, tmp_path / "f", sha256=DIGEST, wait=0)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_nobody_listening_and_no_address_are_named(tmp_path):
    with pytest.raises(InputError, match="2 times in a row"):
        fetch("http://127.0.0.1:9/f", tmp_path / "f", attempts=2, wait=0)
    with pytest.raises(InputError, match="not an address"):
        fetch("no address", tmp_path / "f", wait=0)


def test_a_folder_that_cannot_be_is_named(server, tmp_path):
    (tmp_path / "f").write_text("a file")
    with pytest.raises(InputError, match="f: cannot be made a folder"):
        fetch(server.url, tmp_path / "f" / "g")
    assert server.requests == []


def test_no_room_is_said_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(InputError, match="bytes free; make room"):
        fetch(server.url, tmp_path / "f", size=1 << 60)
    assert server.requests == []


def test_what_a_program_cannot_fetch_is_said_plainly():
    with pytest.raises(InputError, match="moment-detr-features cannot be fetched automatically"):
        entry("moment-detr-features")
    with pytest.raises(InputError, match="unknown download 'x'; expected one of qvhighlights-train"):
        entry("x")
    assert entry("qvhighlights-val").licence == "CC BY-NC-SA 4.0"
    assert all(e.url is not None or "Drive" in e.note or "page" in e.note for e in CATALOGUE.values())
