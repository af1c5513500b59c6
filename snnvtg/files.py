"""Files that are written atomically: in full, or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnvtg.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
"""what the system says of a disk that takes no more"""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on failure nothing changes.

    A place that cannot be written to is an InputError, before anything is computed for it; so is a disk that is full.
    """
    scratch = _beside(path)
    try:
        yield scratch
        scratch.chmod(0o644)
        os.replace(scratch, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror}); make room and run the same command") from error
    finally:
        scratch.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError where `path` could not be written; for commands that compute long before they write.

    Leaves nothing behind, no folder either.
    """
    if path.is_dir():
        raise InputError(f"{path}: cannot be written (it is a folder); choose another place")
    place = path.parent
    while not place.exists():
        place = place.parent
    _beside(place / path.name).unlink()


def _beside(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    os.close(handle)
    return Path(name)
