"""A recipe: a model with its settings, and how it is trained."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from snnvtg.errors import InputError


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; the defaults are those of SpikeMba's paper where it gives them (Charades-STA)."""

    epochs: int = 100
    batch_size: int = 64
    """queries of an optimiser step, of all devices together"""
    accumulate: int = 1
    """into how many pieces a batch is cut that are read one after the other, each twice: memory for time. The losses
    are of the whole batch; batch statistics of each piece alone, so that a model with them trains a little otherwise"""
    learning_rate: float = 4e-4
    weight_decay: float = 1e-4
    optimiser: Literal["adam", "adamw"] = "adam"
    """adam decays through the gradient, as the paper's "Adam with a weight decay"; adamw decouples it"""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    gradient_clip: float = 1.0
    ema_decay: float = 0.0
    """exponential moving average of the weights, used for validation and kept as the best; 0 is none"""
    word_dropout: float = 0.0
    """share of query words zeroed in training"""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16 is autocast and needs a GPU"""
    select_on: str | None = None
    """validation metric that chooses the best epoch; none: the data set's own first choice"""

    def __post_init__(self):
        for name, most in (("epochs", 10**6), ("batch_size", 10**6)):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"{name}: expected a number from 1 to {most}, got {getattr(self, name)}")
        if not 1 <= self.accumulate <= self.batch_size:
            raise InputError(
                f"accumulate: expected a number from 1 to batch_size {self.batch_size}, got {self.accumulate}"
            )
        for name in ("learning_rate", "gradient_clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name}: expected a finite number above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name}: expected a finite number of at least 0, got {getattr(self, name)}")
        for name in ("ema_decay", "word_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}: expected a number in [0, 1), got {getattr(self, name)}")


@dataclass(frozen=True)
class Recipe:
    """A model class, its settings, and its training; two equal recipes give one model for each seed."""

    model_class: type
    model: Any
    """an instance of `model_class.config_class`"""
    training: TrainingConfig


TRAINING = {
    # the optimiser of SpikeMba's paper
    "paper": TrainingConfig(),
    # the embedded synthetic set in minutes on two cores
    "demo": TrainingConfig(
        epochs=12, batch_size=25, learning_rate=2e-3, schedule="cosine", warmup_epochs=1, ema_decay=0.98
    ),
    # a laptop and two thousand queries: chosen on the validation split of a real set of that size
    "small": TrainingConfig(
        epochs=6,
        batch_size=32,
        learning_rate=2e-3,
        optimiser="adamw",
        weight_decay=0.05,
        schedule="cosine",
        warmup_epochs=1,
        ema_decay=0.99,
    ),
}
"""how each preset trains a model that brings no recipe of its own"""
