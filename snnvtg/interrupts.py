"""Ctrl-C, SIGTERM and a closed terminal end a command in order: one line, the shell's exit status, nothing half done.

`answered` makes each an exception where the program is; `held` keeps it waiting where half a step would leave something
behind. Both do nothing outside the main thread.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal that asks the program to end."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum


class _State:
    """What the handler knows: whether signals are held, the one that waits, and the last one that came."""

    holding = False
    waiting: int | None = None
    came: int | None = None


def _arrive(signum: int, _) -> None:
    _State.came = signum
    if _State.holding:
        _State.waiting = signum
    else:
        raise Interrupted(signum)


@contextmanager
def raised(signals: Sequence[int] = SIGNALS) -> Iterator[None]:
    """Within the block `signals` raise `Interrupted`; one that is ignored, as under nohup, stays ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in signals}
        before = {number: known for number, known in before.items() if known not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, _arrive)
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


@contextmanager
def answered(words: Callable[[], str]) -> Iterator[None]:
    """Within the block a signal becomes one line on stderr, with `words()`, and SystemExit with 128 + its number.

    Whatever exception the interrupt turned into on its way up: code in C may raise another in its place.
    """
    with raised():
        try:
            yield
        except BaseException as error:
            signum = _State.came or (signal.SIGINT if isinstance(error, KeyboardInterrupt) else None)
            if signum is None:
                raise
            _State.came = _State.waiting = None
            _give(signal.SIG_IGN)
            with contextlib.suppress(OSError):  # the terminal is gone
                if speaks():
                    print(f"interrupted: {words()}", file=sys.stderr, flush=True)
            raise SystemExit(128 + signum) from None
        finally:
            atexit.register(_give, signal.SIG_IGN)  # all is written and said, the process is about to end


def speaks() -> bool:
    """Whether this process tells the user what ends it: of those that torchrun started on a machine, the first."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _give(action: signal.Handlers) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, action)


@contextmanager
def held() -> Iterator[None]:
    """Within the block a signal waits; the end of the block raises it."""
    with _holding(True):
        yield


@contextmanager
def let_through() -> Iterator[None]:
    """Within the block, inside one of `held`, signals are raised at once again."""
    with _holding(False):
        yield


@contextmanager
def _holding(value: bool) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _State.holding
    try:
        _State.holding = value
        _raise_waiting()
        yield
    finally:
        _State.holding = before
        _raise_waiting()


def _raise_waiting() -> None:
    if _State.waiting is not None and not _State.holding:
        signum, _State.waiting = _State.waiting, None
        raise Interrupted(signum)
