"""Presets with settings changed by name, from the command line or from a sweep's rows."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cattrs

from snnvtg.errors import InputError
from snnvtg.models import MODELS, FrameConfig
from snnvtg.training import PRESETS, Preset, TrainingConfig


@dataclass(frozen=True)
class Recipe:
    """A model of any architecture and the way to train it; two equal recipes are one model for each seed."""

    architecture: str
    model: FrameConfig
    training: TrainingConfig


def with_overrides(name: str, overrides: Sequence[str]) -> Preset:
    """The preset `name` with KEY=VALUE settings applied, such as `training.epochs=10` or `model.lif.beta=0.7`."""
    if name not in PRESETS:
        raise InputError(f"preset: no {name!r}; known: {', '.join(PRESETS)}")
    settings = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}: expected KEY=VALUE, as training.epochs=10")
        settings.append((key, value))
    try:
        recipe = with_settings(PRESETS[name], settings)
    except SettingError as error:
        raise InputError(f"--set {error.given or ' '.join(overrides)}: {error}") from error
    return Preset(recipe.model, recipe.training)


class SettingError(InputError):
    """A setting that does not exist or does not fit; `given` is KEY=VALUE, empty where several do not go together."""

    def __init__(self, given: str, message: str):
        self.given = given
        super().__init__(message)


def with_settings(preset: Preset, settings: Sequence[tuple[str, str]], architecture: str = "spikemba") -> Recipe:
    """`preset` as a recipe of `architecture`, with (key, value as text) settings applied.

    An architecture other than the preset's takes every setting it shares with the preset's model, and its own
    defaults for the rest.
    """
    if architecture not in MODELS:
        raise SettingError("", f"no architecture {architecture!r}; known: {', '.join(MODELS)}")
    config_class, _ = MODELS[architecture]
    shared = {field.name for field in dataclasses.fields(FrameConfig)}
    model = preset.model
    if not isinstance(model, config_class):
        model = config_class(**{name: getattr(model, name) for name in shared})
    content = {"model": dataclasses.asdict(model), "training": dataclasses.asdict(preset.training)}
    for key, value in settings:
        _assign(content, key, value)
    converter = cattrs.Converter(forbid_extra_keys=True)
    try:
        return Recipe(
            architecture,
            converter.structure(content["model"], config_class),
            converter.structure(content["training"], TrainingConfig),
        )
    except cattrs.BaseValidationError as error:
        raise SettingError("", _cause(error)) from error


def _cause(error: BaseException) -> str:
    """What a configuration class itself said of the value, else where the value did not fit."""
    if isinstance(error, InputError):
        return str(error)
    nested = [_cause(inner) for inner in getattr(error, "exceptions", ())]
    return "; ".join(nested) if nested else str(error).replace("typing.Literal", "")


def _assign(content: dict[str, Any], key: str, value: str) -> None:
    *path, last = key.split(".")
    for part in path:
        content = content.get(part) if isinstance(content, dict) else None
    if not isinstance(content, dict) or last not in content or isinstance(content[last], dict):
        known = ", ".join(content) if isinstance(content, dict) else ", ".join(("model", "training"))
        raise SettingError(f"{key}={value}", f"no such setting; known here: {known}")
    content[last] = _like(content[last], value, f"{key}={value}")


def _like(old: Any, value: str, given: str) -> Any:
    if isinstance(old, bool):
        if value.lower() not in ("true", "false"):
            raise SettingError(given, "expected True or False")
        return value.lower() == "true"
    try:
        return type(old)(value)
    except ValueError:
        raise SettingError(given, f"expected a {type(old).__name__}") from None
