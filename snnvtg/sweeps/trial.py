"""What a sweep varies: a model and its training, the data, and how the trained model is read out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from snnvtg.data.source import DataSource
from snnvtg.errors import InputError
from snnvtg.models.recipe import Recipe

Split = Literal["train", "val", "test"]
MOST_SEED = 2**32 - 1
"""as numpy takes them"""


def check_seeds(seeds: Sequence[int], where: str) -> tuple[int, ...]:
    """Distinct seeds, at least one; InputError begins with `where` they were given."""
    if not seeds or len(set(seeds)) != len(seeds) or not all(0 <= seed <= MOST_SEED for seed in seeds):
        given = ", ".join(map(str, seeds)) or "none"
        raise InputError(f"{where}: expected distinct whole numbers from 0 to {MOST_SEED}, got {given:.60}")
    return tuple(seeds)


@dataclass(frozen=True)
class Inference:
    """How a trained model is measured."""

    num_timesteps: int | None = None
    """T at which the model is read out; none: the T it was trained with"""
    backend: str = "auto"
    """LIF backend"""
    split: Split = "test"

    def __post_init__(self):
        if self.num_timesteps is not None and self.num_timesteps < 1:
            raise InputError(f"inference.num_timesteps: expected at least 1, got {self.num_timesteps}")


@dataclass(frozen=True)
class Trial:
    """One model to train and measure, for each seed."""

    recipe: Recipe
    data: DataSource = field(default_factory=DataSource)
    inference: Inference = field(default_factory=Inference)

    @property
    def parts(self) -> dict[str, Any]:
        """The four parts that settings are named after."""
        return {
            "model": self.recipe.model,
            "training": self.recipe.training,
            "data": self.data,
            "inference": self.inference,
        }
