"""Files that one run at a time writes to."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from snnvtg.errors import InputError
from snnvtg.files import UNFINISHED, check_writable


@contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock `path` for one run; InputError where another run is writing to it, unless told to `wait`, which is said.

    The lock ends with the process, however that ends; what a killed run left half written beside `path` is removed.
    """
    from filelock import FileLock, Timeout

    check_writable(path)
    made = not path.parent.exists()
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
        if made:
            with suppress(OSError):  # something was written into it
                path.parent.rmdir()


def remove_leftovers(path: Path) -> None:
    """Remove the hidden files named after `path` that were being written when their process was killed."""
    mine = re.compile(rf"\.{re.escape(path.stem)}(_queries)?{re.escape(UNFINISHED)}[a-z0-9_]{{8}}(\.\w+)?")
    for left in path.parent.iterdir():
        if mine.fullmatch(left.name):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
