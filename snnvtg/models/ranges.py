"""Ranges that the settings of several models lie in; each is one InputError with name, expectation and value."""

import math
from dataclasses import fields
from typing import Any

from snnvtg.errors import InputError

LARGEST = 2**16
"""no width or number of any model is above it"""


def check_counts(config: Any, *names: str) -> None:
    """InputError unless each of the settings is a number from 1 to LARGEST."""
    for name in names:
        if not 1 <= getattr(config, name) <= LARGEST:
            raise InputError(f"{name}: expected a number from 1 to {LARGEST}, got {getattr(config, name)}")


def check_shares(config: Any, *names: str) -> None:
    """InputError unless each of the settings is a share that leaves something, as a dropout."""
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"{name}: expected a share in [0, 1), got {getattr(config, name)}")


def check_weights(losses: Any) -> None:
    """InputError unless every number of a model's loss settings, called `loss.NAME`, is finite and not negative."""
    for field in fields(losses):
        value = getattr(losses, field.name)
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise InputError(f"loss.{field.name}: expected a finite number of at least 0, got {value}")
