"""What the fields of a cost model may hold, where they come from a file."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from snnvtg.energy.costs.model import CostModel
from snnvtg.errors import InputError

MOST = 1e15
"""a price or a number of bytes beyond it is a mistake"""


def from_table(made: type[CostModel], table: Mapping[str, Any]) -> CostModel:
    """The cost model of class `made` with these fields; InputError says what is absent, unknown or no price."""
    known = {field.name: field for field in dataclasses.fields(made)}
    absent = [name for name, field in known.items() if field.default is dataclasses.MISSING and name not in table]
    unknown = [name for name in table if name not in known]
    if absent or unknown:
        raise InputError(
            f"expected the fields of {made.__name__}; absent: {', '.join(absent) or 'none'}, not among them: "
            f"{', '.join(unknown) or 'none'}"
        )
    kinds = typing.get_type_hints(made)
    for name, value in table.items():
        if not _fits(value, kinds[name]):
            raise InputError(f"{name} is {value!r:.60}; expected {_in_words(kinds[name])}")
    return made(**table)


def _fits(value: object, kind: Any) -> bool:
    """Whether a value of a table is of a field's type; numbers have to be finite and at least 0."""
    if typing.get_origin(kind) is Mapping:
        wanted = typing.get_args(kind)[1]
        return isinstance(value, dict) and all(_fits(price, wanted) for price in value.values())
    choices = typing.get_args(kind) or (kind,)
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = float in choices or (int in choices and isinstance(value, int))
        return whole and 0 <= value <= MOST
    return isinstance(value, tuple(choice for choice in choices if choice not in (int, float)))


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is Mapping:
        return "an object of prices, numbers of at least 0"
    choices = typing.get_args(kind) or (kind,)
    if float in choices or int in choices:
        return "a number of at least 0"
    return "text" if str in choices else "the name of a cost model of arithmetic"
