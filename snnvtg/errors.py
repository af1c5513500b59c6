"""The two errors a user can cause, each one clear line."""

from collections.abc import Sequence

LONGEST = 1500
"""letters of a message"""


class InputError(ValueError):
    """Bad input: the message names the file, the key or line, what was expected and what to do.

    Commands print it alone on one line and exit with status 2; anything else is a bug and keeps its traceback. What a
    damaged file put into it is left out in the middle beyond `LONGEST` letters.
    """

    def __init__(self, message: str = ""):
        long = len(message) > LONGEST
        super().__init__(f"{message[: LONGEST - 400]} … {message[-300:]}" if long else message)


class BackendError(InputError):
    """A backend asked for by name cannot do the work; lists every reason and the remedy."""

    def __init__(self, backend: str, reasons: Sequence[str], remedy: str):
        self.backend, self.reasons, self.remedy = backend, tuple(reasons), remedy
        super().__init__(f"backend {backend!r} cannot run: {'; '.join(reasons)}. {remedy}")


def first_line(error: Exception) -> str:
    """What an error says, on one line of 300 letters at the most."""
    return f"{next(iter(str(error).splitlines()), type(error).__name__):.300}"
