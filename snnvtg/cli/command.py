"""How every command of the toolkit starts and fails."""

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

from snnvtg.errors import InputError

Options = TypeVar("Options")


def run(options: type[Options], main: Callable[[Options], None], description: str | None = None) -> None:
    """Parse the command line into `options` and call `main`.

    Bad input ends with one line on stderr and exit status 2, an interrupt with status 130; anything else is a bug
    and keeps its traceback.
    """
    try:
        main(tyro.cli(options, description=description))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: finished rows are kept, the same command resumes", file=sys.stderr)
        raise SystemExit(130) from None
