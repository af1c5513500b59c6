"""Files that are written atomically: in full, or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnvtg.errors import InputError
from snnvtg.interrupts import held, let_through

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
"""what the system says of a disk that takes no more"""

UNFINISHED = ".unfinished-"
"""in the names of files that are being written, before eight random characters"""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on failure nothing changes.

    A place that cannot be written to is an InputError, before anything is computed for it; so is a disk that is full.
    """
    with held():
        scratch = _scratch(path, path.parent)
        try:
            with let_through():
                yield scratch
            scratch.chmod(0o644)
            os.replace(scratch, path)
        except OSError as error:
            if error.errno not in FULL:
                raise
            said = f"{path}: cannot be written ({error.strerror}); make room and run the same command"
            raise InputError(said) from error
        finally:
            scratch.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError where `path` could not be written; for commands that compute long before they write.

    Nothing is left behind, no folder either.
    """
    with held():
        _scratch(path, next(folder for folder in path.absolute().parents if os.path.exists(folder))).unlink()


def _scratch(path: Path, folder: Path) -> Path:
    """An empty file in `folder`, which is made where it is not there, for what will be `path`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.stem}{UNFINISHED}", suffix=path.suffix)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    os.close(handle)
    return Path(name)
