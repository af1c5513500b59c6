"""What a training run tells whoever watches it; how that is shown is in `live`, which no trained model depends on."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor, nn

Write = Callable[[int, Mapping[str, float]], None]
"""called after each epoch with its number and figures: `loss`, `loss/TERM`, `firing_rate/LAYER`, validation by name,
`time/waiting_for_data` as a share of the time of training"""


@dataclass(frozen=True)
class Watcher:
    """Who is told, and what counts the spikes of validation: a context that holds the rates by layer at its end."""

    write: Write
    rates: Callable[[nn.Module], AbstractContextManager[Mapping[str, float]]]


class Terms:
    """Means of the loss terms of an epoch, kept on the device until they are asked for."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """The terms of one step."""
        self.steps += 1
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()

    def take(self) -> dict[str, float]:
        """`loss/TERM` → mean over the steps since it was last asked for."""
        means = {f"loss/{name}": float(total) / self.steps for name, total in self.sums.items()}
        self.sums, self.steps = {}, 0
        return means
