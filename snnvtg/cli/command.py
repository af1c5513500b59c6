"""How every command of the toolkit starts, is interrupted and fails."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import tyro

from snnvtg.errors import InputError
from snnvtg.interrupts import answered, speaks

Options = TypeVar("Options")
GRACE = 5.0
"""seconds that a process of several leaves the first to say what is wrong, upon which torchrun ends them all"""
REPLACED = {
    "--slots": "--grid model.num_slots=preset,0 (both), =preset (with) or =0 (without)",
    "--score": "nothing: a model says itself how relevant a video is",
    "--strengths": "--grid data.synthetic.distractor_strength=0,3,9",
}
"""options of earlier versions, and what stands in their place"""


@dataclass(frozen=True)
class CommandOptions:
    """What every command takes."""

    several_processes: ClassVar[bool] = False
    """whether torchrun may start it in several processes that work together"""

    quiet: bool = field(default=False, kw_only=True)
    """print errors alone: no progress, no table, no notes"""

    def check(self) -> None:
        """InputError for values that cannot be, before anything heavy is imported; each class adds to it."""

    def kept(self) -> str:
        """What an interrupt leaves behind, and how to go on."""
        return "no file is half written; run the same command again"


def run(options: type[Options], main: Callable[[Options], None], description: str | None = None) -> None:
    """Parse the command line into `options`, check their values (`check`, where they have it), and call `main`.

    Bad input ends with one line on stderr and exit status 2, a signal with one line and the status of that signal (130
    for Ctrl-C, 143 for SIGTERM); anything else is a bug and keeps its traceback.
    """
    common = CommandOptions()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another code page has no µ
    with answered(lambda: common.kept()):
        try:
            _refuse_replaced(options, sys.argv[1:])
            with _flushed():
                given = _parsed(options, description)
            common = given if isinstance(given, CommandOptions) else common  # a benchmark has its own
            _refuse_several(common)
            common.check()
            _refuse_absent(given)
            with _silence(common.quiet), _flushed():
                main(given)
        except InputError as error:
            if not speaks():
                time.sleep(GRACE)
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from None


def _parsed(options: type[Options], description: str | None) -> Options:
    """The command line as `options`; InputError where the parser refuses it, with what it says in one line."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(options, description=description)
    except SystemExit as end:
        if end.code == 2:
            raise InputError(_in_one_line(said.getvalue())) from None
        raise


def _in_one_line(box: str) -> str:
    """What a box of the parser's says, without frame, title and advice; in ASCII it has rules for a frame."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        words = line.strip().strip("│").strip()
        if words.startswith(("╭", "╰")) or not words.strip("─-"):
            parts.append([])
        else:
            parts[-1].append(words)
    said = [" ".join(" ".join(part).split()) for part in parts if part]
    framed = box.lstrip().startswith("╭")  # then the title is in the frame
    return f"{said[0 if framed or len(said) == 1 else 1]:.300} (--help lists the options)"


@contextmanager
def _flushed() -> Iterator[None]:
    """Where whoever reads the output has gone, as `head` does, end without a word and with the status of SIGPIPE."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's flush at its end
        raise SystemExit(128 + signal.SIGPIPE) from None


@contextmanager
def _silence(quiet: bool) -> Iterator[None]:
    """No progress bars, in workers neither, and nothing on stdout, where that was asked for."""
    if not quiet:
        yield
        return
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        os.environ.pop("TQDM_DISABLE") if before is None else os.environ.update(TQDM_DISABLE=before)


def _refuse_absent(options: object) -> None:
    """InputError where a file or folder that an option names is not there; every class of options says which do."""
    for cls in reversed(type(options).__mro__):
        for name, words in vars(cls).get("reads", {}).items():
            given = getattr(options, name)
            for path in given if isinstance(given, tuple) else filter(None, [given]):
                if not os.path.exists(path):  # False, too, for a name no system takes
                    raise InputError(f"{path}: {words}")


def _refuse_several(options: CommandOptions) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not options.several_processes:
        raise InputError("this command works in one process; start it with python, and only train with torchrun")


def _refuse_replaced(options: type, arguments: list[str]) -> None:
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in REPLACED and name[2:] not in getattr(options, "__dataclass_fields__", {}):
            raise InputError(f"{name} is not taken any more; use {REPLACED[name]}")
