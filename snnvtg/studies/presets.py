"""Presets with settings changed from the command line."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import cattrs

from snnvtg.errors import InputError
from snnvtg.training import PRESETS, Preset


def with_overrides(name: str, overrides: Sequence[str]) -> Preset:
    """The preset `name` with KEY=VALUE settings applied, such as `training.epochs=10` or `model.lif.beta=0.7`."""
    if name not in PRESETS:
        raise InputError(f"preset: no {name!r}; known: {', '.join(PRESETS)}")
    content = dataclasses.asdict(PRESETS[name])
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}: expected KEY=VALUE, as training.epochs=10")
        _assign(content, key, value)
    try:
        return cattrs.Converter(forbid_extra_keys=True).structure(content, Preset)
    except cattrs.BaseValidationError as error:
        raise InputError(f"--set {' '.join(overrides)}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """What a configuration class itself said of the value, else where the value did not fit."""
    if isinstance(error, InputError):
        return str(error)
    nested = [_cause(inner) for inner in getattr(error, "exceptions", ())]
    return "; ".join(nested) if nested else str(error)


def _assign(content: dict[str, Any], key: str, value: str) -> None:
    *path, last = key.split(".")
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    if not isinstance(content, dict) or last not in content or isinstance(content[last], dict):
        known = ", ".join(content) if isinstance(content, dict) else ", ".join(("model", "training"))
        raise InputError(f"--set {key}={value}: no such setting; known here: {known}")
    content[last] = _like(content[last], value, key)


def _like(old: Any, value: str, key: str) -> Any:
    if isinstance(old, bool):
        if value not in ("True", "False"):
            raise InputError(f"--set {key}={value}: expected True or False")
        return value == "True"
    try:
        return type(old)(value)
    except ValueError:
        raise InputError(f"--set {key}={value}: expected a {type(old).__name__}") from None
