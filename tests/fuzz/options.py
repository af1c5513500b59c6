"""Every option of every command: a value at random is taken, or refused in one line with exit status 2."""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import random
import sys
from pathlib import Path
from typing import Any

from snnvtg.cli import COMMANDS
from snnvtg.cli.command import run
from tests.fuzz.damage import NUMBERS, TEXTS

TOOLS = Path(__file__).parents[2] / "experiments/tools"
VALUES = (
    *TEXTS, *map(str, NUMBERS), "None", "True", "no", "--", "-", "=", "a=b", "a=b,c", "1,2", "0 0", "file.csv",
    "x.yaml", "x.py:y", "a:b", "cpu", "cuda:99", "meta", "model.width=0", "model.width=1,,2", "training.epochs=nan", 
    "9" * 30, "x" * 5000,
)  # fmt: skip


def _tool(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"fuzzed_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


def _found() -> dict[str, type]:
    """By name: the commands of the package, and the tools that have options of their own."""
    found = {name: importlib.import_module(f"snnvtg.cli.{name.replace('-', '_')}").Options for name in COMMANDS}
    for path in sorted(TOOLS.glob("*.py")):
        if "class Options(" in path.read_text():
            found[f"tools/{path.stem}"] = _tool(path).Options
    return found


COMMAND_OPTIONS = _found()


def command_line(options: type, draw: random.Random) -> list[str]:
    """Up to four options with a few values each, some words of no option, an option twice or cut short."""
    names = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(options)]
    words: list[str] = []
    for _ in range(draw.choice([1, 1, 2, 4])):
        name = draw.choice([*names, "--nonsense", "", draw.choice(names)[:-1], f"--no-{draw.choice(names)[2:]}"])
        values = [draw.choice(VALUES) for _ in range(draw.choice([0, 1, 1, 1, 2]))]
        words += [f"{name}={values[0]}"] if values and draw.random() < 0.3 else [name, *values]
    return words


def try_options(name: str, seed: int) -> bool:
    """Whether a command line at random is taken; one that is not has to end in one line and exit status 2."""
    words, taken = command_line(COMMAND_OPTIONS[name], random.Random(seed)), []
    said, before = io.StringIO(), sys.argv
    sys.argv = [name, *words]
    status: object = 0
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            run(COMMAND_OPTIONS[name], taken.append)
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = before
    printed = said.getvalue()
    if taken:
        return True
    assert status == 2, f"{words}: exit status {status}, {printed!r:.300}"
    assert printed.startswith("error: "), f"{words}: {printed!r:.300}"
    assert len(printed.splitlines()) == 1, f"{words}: {printed!r:.300}"
    assert len(printed) < 6000, f"{words}: {len(printed)} letters"
    return False
