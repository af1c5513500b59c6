"""One operation as a mark rule sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from snnvtg.energy.origin import ZERO, Mark, Origin


class Tracker(Protocol):
    """Who knows the origins: a Provenance."""

    neuron: str
    where: str

    def origin(self, value: object) -> Origin: ...
    def place(self, value: Tensor) -> tuple: ...


@dataclass(slots=True)
class Marked:
    """An operation's operands and who knows their origins."""

    name: str
    args: tuple
    kwargs: dict[str, Any]
    tracker: Tracker

    def origin(self, position: int = 0) -> Origin:
        """The origin of an argument; literal numbers are their own constant."""
        value = self.arg(position)
        if isinstance(value, int | float):
            return ZERO if value == 0 else Origin(Mark.MASK, float(value))
        return self.tracker.origin(value)

    def arg(self, position: int, name: str = "", default: Any = None) -> Any:
        """An argument given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


MarkRule = Callable[[Marked], Origin]
