"""Files that one run at a time writes to."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnvtg.errors import InputError
from snnvtg.files import check_writable


@contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock `path` for one run; InputError where another run is writing to it, unless told to `wait`, which is said.

    The lock ends with the process, however that ends; what a killed run left half written beside `path` is removed.
    """
    from filelock import FileLock, Timeout

    check_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise InputError(f"{path}: another run is writing to it; wait for it, or choose another --out") from None
        print(f"{path}: another run is writing to it; waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        remove_leftovers(path)
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def remove_leftovers(path: Path) -> None:
    """Remove what `snnvtg.files.atomic` could not, because its process was killed: hidden files named after `path`."""
    mine = re.compile(rf"\.{re.escape(path.stem)}(_queries)?-[a-z0-9_]{{8}}(\.\w+)?")
    for file in path.parent.iterdir():
        if mine.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)
