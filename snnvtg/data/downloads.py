"""Files over HTTP: resumed after a broken connection, verified, and written atomically."""

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from snnvtg.errors import InputError

CHUNK = 1 << 16


def fetch(
    url: str,
    target: Path | str,
    *,
    size: int | None = None,
    sha256: str | None = None,
    attempts: int = 5,
    wait: float = 1.0,
    timeout: float = 30.0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Download `url` to `target` and return it; a target that is there and matches `sha256` is left alone.

    Bytes go to TARGET.part, which a later call resumes; TARGET appears only once size and checksum agree. A broken
    connection is tried again until `attempts` in a row bring nothing, `wait` s longer each time. `progress` gets (bytes
    so far, all).
    InputError says what happened and what to do.
    """
    target = Path(target)
    if target.is_file():
        if sha256 is None or file_digest(target) == sha256:
            return target
        raise InputError(f"{target}: exists with another content; remove it to download it again")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent}: cannot be made a folder ({error.strerror}); name another") from None
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    if size is not None and shutil.disk_usage(target.parent).free < size - have:
        raise InputError(f"{target.parent}: less than {size - have} bytes free; make room or choose another disk")
    total = _download(url, part, size, attempts, wait, timeout, progress)
    _check(url, part, total if size is None else size, sha256)
    os.replace(part, target)
    return target


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file) -> str:
    digest = hashlib.sha256()
    while block := file.read(CHUNK):
        digest.update(block)
    return digest.hexdigest()


def _download(url, part, size, attempts, wait, timeout, progress) -> int | None:
    """Append to `part` until the server's whole length is there; returns that length, None where it never told."""
    failed, total = 0, size
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            done, total = _attempt(url, part, before, timeout, total, progress)
            if done:
                return total
            reason = "the connection was cut"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise InputError(f"{url}: the server answers {error.code} {error.reason}; check the address") from None
            reason = f"the server answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        except ValueError as error:
            raise InputError(f"{url}: not an address to download from ({error})") from None
        gained = part.is_file() and part.stat().st_size > before
        failed = 0 if gained else failed + 1
        if failed >= attempts:
            raise InputError(f"{url}: {reason}, {attempts} times in a row; run the same command again to resume")
        time.sleep(wait * failed)


def _attempt(url, part, have, timeout, total, progress) -> tuple[bool, int | None]:
    """One request from byte `have` on; (whether the file is complete, its length)."""
    if total is not None and have == total:
        return True, total
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # the server has nothing beyond what is here: complete, or the wrong file, as the checks will tell
        error.close()
        return True, total
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        total = (have if resumed else 0) + int(length) if length is not None else total
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(CHUNK):
                file.write(block)
                if progress:
                    progress(file.tell(), total)
            written = file.tell()
    return total is None or written >= total, total


def _check(url: str, part: Path, size: int | None, sha256: str | None) -> None:
    found = part.stat().st_size if part.is_file() else 0
    if size is not None and found != size:
        part.unlink(missing_ok=True)
        raise InputError(f"{url}: {found} bytes came, expected {size}; removed, run the same command again")
    if sha256 is not None and file_digest(part) != sha256:
        part.unlink()
        raise InputError(f"{url}: checksum differs from the known one; removed, run again or get the file by hand")
