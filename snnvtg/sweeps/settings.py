"""Settings changed by name, from the command line or from the rows of a sweep: `model.lif.beta=0.7`.

Every value is read as the type its field is declared with: numbers, words, one of a list of words, `none` for an
optional one, comma-separated values for a tuple.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snnvtg.data.source import DataSource
from snnvtg.errors import InputError
from snnvtg.models import DEFAULT_MODEL, GroundingModel, Recipe, model_class
from snnvtg.sweeps.trial import Inference, Trial

MOVED = {"training.loss": "model.loss", "architecture": "model"}
"""settings of earlier versions, and where they are now"""


class SettingError(InputError):
    """A setting that does not exist or does not fit; `given` is KEY=VALUE, empty where several do not go together."""

    def __init__(self, given: str, message: str):
        self.given = given
        super().__init__(message)


def trial_of(
    preset: str,
    overrides: Sequence[str] = (),
    *,
    model: str = DEFAULT_MODEL,
    data: DataSource | None = None,
    inference: Inference | None = None,
) -> Trial:
    """A model's preset with KEY=VALUE settings applied, the later ones last.

    The preset `paper` on a benchmark of the field has the settings that the model's paper uses there.
    """
    data, cls = data or DataSource(), model_class(model)
    trial = Trial(cls.recipe(preset), data, inference or Inference())
    paper = cls.paper_settings(data.dataset) if preset == "paper" and data.dataset else {}
    try:
        return with_settings(trial, [*((k, str(v)) for k, v in paper.items()), *parse_overrides(overrides)])
    except SettingError as error:
        raise InputError(f"--set {error.given or ' '.join(overrides)}: {error}") from error


def parse_overrides(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """`--set KEY=VALUE` options as pairs."""
    pairs = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}: expected KEY=VALUE, as training.epochs=10")
        pairs.append((key, value))
    return pairs


def with_settings(trial: Trial, settings: Sequence[tuple[str, str]], model: str | None = None) -> Trial:
    """`trial` with (key, value as text) settings applied, as the model called `model` where one is named.

    Another model than the trial's takes every setting the two share by inheritance, and its own defaults for the rest.
    """
    if model is not None:
        trial = dataclasses.replace(trial, recipe=as_model(trial.recipe, model))
    contents = {name: _plain(part) for name, part in trial.parts.items()}
    for key, value in settings:
        _assign(trial, contents, key, value)
    try:
        parts = {name: _build(type(part), contents[name]) for name, part in trial.parts.items()}
    except SettingError:
        raise
    except InputError as error:
        raise SettingError("", str(error)) from error
    recipe = dataclasses.replace(trial.recipe, model=parts["model"], training=parts["training"])
    return Trial(recipe, parts["data"], parts["inference"])


def value_of(trial: Trial, key: str) -> Any:
    """The value a trial has at a dotted setting; None where its model has no such setting."""
    first, *rest = key.split(".")
    value = trial.parts[first]
    for name in rest:
        value = getattr(value, name, None)
    return value


def as_model(recipe: Recipe, name: str) -> Recipe:
    """The recipe for the model called `name`."""
    try:
        cls: type[GroundingModel] = model_class(name)
    except InputError as error:
        raise SettingError(f"model={name}", str(error)) from error
    if cls is recipe.model_class:
        return recipe
    return Recipe(cls, transferred(recipe.model, cls.config_class), recipe.training)


def transferred(config: Any, target: type) -> Any:
    """An instance of the dataclass `target` with the values of `config` for the fields both inherit from one class."""
    shared = next(
        (base for base in target.__mro__ if dataclasses.is_dataclass(base) and isinstance(config, base)), None
    )
    if shared is None:
        return target()
    values = {}
    hints = typing.get_type_hints(target)
    for field in dataclasses.fields(shared):
        value, kind = getattr(config, field.name), hints[field.name]
        values[field.name] = transferred(value, kind) if dataclasses.is_dataclass(kind) else value
    return target(**values)


def _plain(part: Any) -> dict[str, Any]:
    values = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {name: _plain(value) if dataclasses.is_dataclass(value) else value for name, value in values.items()}


def _build(kind: type, content: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{
        name: _build(hints[name], value) if dataclasses.is_dataclass(hints[name]) else value
        for name, value in content.items()
    })  # fmt: skip


def _assign(trial: Trial, contents: dict[str, Any], key: str, value: str) -> None:
    given = f"{key}={value}"
    for old, new in MOVED.items():
        if key == old or key.startswith(f"{old}."):
            raise SettingError(given, f"{key} is now {new}{key[len(old) :]}")
    first, *rest = key.split(".")
    if first not in contents or not rest:
        raise SettingError(given, f"no such setting; known here: {', '.join(contents)}")
    content, kind = contents[first], type(trial.parts[first])
    *path, last = rest
    for name in path:
        content = content.get(name)
        kind = typing.get_type_hints(kind).get(name)
        if not isinstance(content, dict):
            raise SettingError(given, f"no such setting; {name!r} has none below it")
    if last not in content or isinstance(content[last], dict):
        raise SettingError(given, f"no such setting; known here: {', '.join(content)}")
    content[last] = parse(typing.get_type_hints(kind)[last], value, given)


def parse(kind: Any, text: str, given: str) -> Any:
    """`text` as a value of the type `kind`; SettingError says what was expected."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(None) in options and text.lower() == "none":
            return None
        return _first_that_fits([option for option in options if option is not type(None)], text, given)
    if origin is typing.Literal:
        for option in options:
            if str(option) == text:
                return option
        raise SettingError(given, f"expected one of {', '.join(map(str, options))}")
    if origin in (tuple, list):
        return origin(_items(origin, options, text, given))
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise SettingError(given, "expected true or false")
        return text.lower() == "true"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if text not in kind.__members__:
            raise SettingError(given, f"expected one of {', '.join(kind.__members__)}")
        return kind[text]
    if kind in (int, float, str, Path):
        try:
            return kind(text)
        except ValueError:
            raise SettingError(given, f"expected {_NUMBERS[kind]}") from None
    raise SettingError(given, f"cannot be set from text (its type is {kind})")


_NUMBERS = {int: "a whole number", float: "a number"}


def _first_that_fits(options: Sequence[Any], text: str, given: str) -> Any:
    said = []
    for option in options:
        try:
            return parse(option, text, given)
        except SettingError as error:
            said.append(str(error))
    raise SettingError(given, " or ".join(dict.fromkeys([*said, "none"])))


def _items(origin: type, options: Sequence[Any], text: str, given: str) -> list[Any]:
    parts = [part.strip() for part in text.strip("[]() ").split(",") if part.strip()]
    if origin is tuple and options and options[-1] is not Ellipsis:
        if len(parts) != len(options):
            raise SettingError(given, f"expected {len(options)} values separated by commas")
        return [parse(kind, part, given) for kind, part in zip(options, parts, strict=True)]
    return [parse(options[0] if options else str, part, given) for part in parts]
