"""How every command of the toolkit starts and fails."""

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

from snnvtg.errors import InputError

Options = TypeVar("Options")
REPLACED = {
    "--slots": "--grid model.num_slots=preset,0 (both), =preset (with) or =0 (without)",
    "--score": "nothing: a model says itself how relevant a video is",
    "--strengths": "--grid data.synthetic.distractor_strength=0,3,9",
}
"""options of earlier versions, and what stands in their place"""


def run(options: type[Options], main: Callable[[Options], None], description: str | None = None) -> None:
    """Parse the command line into `options`, check their values (`check`, where they have it), and call `main`.

    Bad input ends with one line on stderr and exit status 2, an interrupt with status 130; anything else is a bug
    and keeps its traceback.
    """
    try:
        _refuse_replaced(options, sys.argv[1:])
        given = tyro.cli(options, description=description)
        if hasattr(given, "check"):
            given.check()
        _refuse_absent(given)
        main(given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: finished rows are kept, the same command resumes", file=sys.stderr)
        raise SystemExit(130) from None


def _refuse_absent(options: object) -> None:
    """InputError where a file or folder that an option names is not there; every class of options says which do."""
    for cls in reversed(type(options).__mro__):
        for name, words in vars(cls).get("reads", {}).items():
            given = getattr(options, name)
            for path in given if isinstance(given, tuple) else filter(None, [given]):
                if not path.exists():
                    raise InputError(f"{path}: {words}")


def _refuse_replaced(options: type, arguments: list[str]) -> None:
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in REPLACED and name[2:] not in getattr(options, "__dataclass_fields__", {}):
            raise InputError(f"{name} is not taken any more; use {REPLACED[name]}")
