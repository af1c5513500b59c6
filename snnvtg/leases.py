"""Files that say who is at work on something, for processes on any number of machines that share a folder.

A lease is a file made exclusively (O_EXCL, which is atomic on shared file systems, NFS too), renewed while its holder
lives, and taken over where it was not renewed for some seconds. Clocks of two machines are never compared: who waits
sees by their own clock whether the file changes. A holder that died on the same machine is known at once. Locks of the
system (flock) are not needed: many shared file systems keep them on one machine alone, or not at all.
"""

import json
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from snnvtg.errors import InputError
from snnvtg.files import check_writable
from snnvtg.interrupts import held

RENEWALS = 6
"""of a lease in the time after which it expires"""
LONGEST_PAUSE = 0.5
"""seconds between two looks of who waits"""


class Lease:
    """The lease of `path` for one holder; it expires `seconds` after the holder renewed it last."""

    def __init__(self, path: Path, seconds: float):
        self.path, self.seconds = path, seconds
        self._token = ""
        self._watched: tuple[str, int] = ("", 0)
        self._since = 0.0
        self._ended = threading.Event()

    def acquire(self) -> bool:
        """Take the lease and renew it until `release`; False where another holds it.

        Ask again on the same object: it remembers since when the other's lease has not changed.
        """
        with held():
            if not self._create() and not (self._abandoned() and self._remove(self._watched[0]) and self._create()):
                return False
            self._ended = threading.Event()
            threading.Thread(target=self._renew, args=(self._ended,), daemon=True).start()
        return True

    def is_held(self) -> bool:
        """Whether it is still ours; another may have taken it while this process was stopped for long."""
        found = holder(self.path)
        if self._token and not found:  # moved aside for a moment by who took it for an abandoned one
            time.sleep(0.05)
            found = holder(self.path)
        return bool(self._token) and found.get("token") == self._token

    def release(self) -> None:
        """Give it back."""
        with held():
            self._ended.set()
            if self.is_held():
                self.path.unlink(missing_ok=True)
            self._token = ""

    def _create(self) -> bool:
        token = uuid.uuid4().hex
        content = {"token": token, **_process(os.getpid()), "machine": platform.node(), "taken": time.time()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except OSError:
            check_writable(self.path)  # says why
            raise
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(content))
        except OSError as error:
            self.path.unlink(missing_ok=True)
            said = f"{self.path}: cannot be written ({error.strerror}); make room and run the same command"
            raise InputError(said) from error
        self._token = token
        return True

    def _abandoned(self) -> bool:
        """Whether whoever holds it has died on this machine, or has not renewed it for too long."""
        try:
            seen = (holder(self.path).get("token", ""), self.path.stat().st_mtime_ns)
        except OSError:  # just given back
            return False
        now = time.monotonic()
        if seen != self._watched:
            self._watched, self._since = seen, now
        return now - self._since > self.seconds or _died(holder(self.path))

    def _remove(self, token: str) -> bool:
        """Remove the lease that `token` names. Moved aside first: what another just took is put back."""
        aside = self.path.with_name(f"{self.path.name}-{uuid.uuid4().hex[:8]}")
        try:
            os.rename(self.path, aside)
        except OSError:  # another was faster
            return False
        mine = holder(aside).get("token", "") == token
        if not mine:
            with suppress(OSError):
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)
        return mine

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(self.seconds / RENEWALS):
            with suppress(OSError):  # a file system that hangs for a moment
                if holder(self.path).get("token") == self._token:
                    os.utime(self.path)


@contextmanager
def leased(path: Path, seconds: float) -> Iterator[Lease]:
    """Hold the lease of `path` within the block, as soon as nobody else does."""
    with acquired(Lease(path, seconds)) as lease:
        yield lease


@contextmanager
def acquired(lease: Lease) -> Iterator[Lease]:
    """Hold `lease` within the block, as soon as nobody else does."""
    pause = 0.01
    while not lease.acquire():
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, LONGEST_PAUSE)
    try:
        yield lease
    finally:
        lease.release()


def holder(path: Path) -> dict[str, Any]:
    """What the lease at `path` says of who holds it: token, machine, process, since when; empty where nobody does."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def abandoned_here(path: Path) -> bool:
    """Whether the lease at `path` is of a process of this machine that does not run any more."""
    return _died(holder(path))


def _died(content: dict[str, Any]) -> bool:
    """Whether the process that a lease names ran on this machine and does not any more."""
    here = _process(os.getpid())
    if not here or content.get("system") != here["system"]:
        return False
    return _process(content.get("process", 0)).get("began") != content.get("began")


def _process(number: int) -> dict[str, Any]:
    """What tells a process from any other of any machine; empty where it does not run, or the system does not say."""
    try:
        began = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return {}
    return {"process": number, "began": None if began[0] == "Z" else began[19], "system": _system()}


@cache
def _system() -> str:
    """The boot and the process namespace of this machine or container."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
