"""What a checkpoint file may hold: settings and tensors are compared before a model is built from them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from snnvtg.errors import InputError

if TYPE_CHECKING:
    from snnvtg.training.checkpoint import Checkpoint

REMEDY = "train it again, or copy the file again"
SPARE = 1000
"""parts of a model beyond four per stored tensor: modules without weights, parameters that are replaced"""


def check_stored(checkpoint: "Checkpoint", path: Path) -> None:
    """Raise InputError, naming `path`, where the fields or the tensors of a checkpoint make no model."""
    _check_fields(checkpoint, path)
    _check_tensors(checkpoint.state, path)
    expected = _expected(checkpoint, path)
    if expected is not None:
        _compare(checkpoint.state, expected, path)
    for name, tensor in checkpoint.state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: tensor {name} has values that are no finite numbers; {REMEDY}")


def _check_fields(checkpoint: "Checkpoint", path: Path) -> None:
    """Fields of another type than declared; sizes and seconds out of range."""
    wrong = [name for name in ("video_width", "text_width") if not _whole(getattr(checkpoint, name), 1)]
    wrong += [] if _whole(checkpoint.longest, 0) else ["longest"]
    wrong += [] if _all_text(checkpoint.feature_names, tuple | list) else ["feature_names"]
    wrong += [] if isinstance(checkpoint.text_name, str) else ["text_name"]
    marks = checkpoint.text_marks
    wrong += [] if isinstance(marks, Mapping) and _all_text((*marks, *marks.values()), tuple) else ["text_marks"]
    wrong += [] if isinstance(checkpoint.progress, dict) else ["progress"]
    length = checkpoint.clip_length
    number = isinstance(length, int | float) and not isinstance(length, bool)
    wrong += [] if number and 0 < length < math.inf else ["clip_length"]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is {getattr(checkpoint, wrong[0])!r:.60}; {REMEDY}")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 10**9


def _all_text(values: Any, kind: Any) -> bool:
    return isinstance(values, kind) and all(isinstance(value, str) for value in values)


def _check_tensors(state: Any, path: Path) -> None:
    if not isinstance(state, dict):
        raise InputError(f"{path}: state is a {type(state).__name__}, expected tensors by name; {REMEDY}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"{path}: {name!r} in the state is a {type(tensor).__name__}, expected a tensor; {REMEDY}")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise InputError(f"{path}: tensor {name} is no dense tensor of real numbers; {REMEDY}")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(f"{path}: tensor {name} says it is larger than what the file holds of it; {REMEDY}")


def _expected(checkpoint: "Checkpoint", path: Path) -> dict[str, Tensor] | None:
    """The state that the settings ask for, without its numbers; None where a model cannot be built without them."""
    recipe = checkpoint.recipe
    try:
        with torch.device("meta"), _at_most(4 * len(checkpoint.state) + SPARE):
            return recipe.model_class(recipe.model, checkpoint.video_width, checkpoint.text_width).state_dict()
    except _TooManyError:
        raise InputError(
            f"{path}: its settings ask for far more than the {len(checkpoint.state)} tensors it holds; {REMEDY}"
        ) from None
    except InputError as error:
        raise InputError(f"{path}: {error}; {REMEDY}") from error
    except (RuntimeError, NotImplementedError, OverflowError, MemoryError, TypeError) as error:
        if isinstance(error, OverflowError | MemoryError) or "too large" in str(error) or "overflow" in str(error):
            raise InputError(f"{path}: its settings ask for a model of impossible size; {REMEDY}") from None
        return None


class _TooManyError(Exception):
    """More parts than a checkpoint has room for."""


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop the building of modules after so many parameters and submodules."""
    left = count

    def registered(module: nn.Module, name: str, part: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooManyError

    handles = [hook(registered) for hook in _HOOKS]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


_HOOKS = (register_module_parameter_registration_hook, register_module_module_registration_hook)


def _compare(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Names, shapes and kinds of number."""
    for words, names in (("lacks", expected.keys() - state.keys()), ("has a foreign", state.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"{path}: {words} tensor {min(names)}{more}, by its own settings; {REMEDY}")
    for name, tensor in state.items():
        mine = expected[name]
        if tensor.shape != mine.shape:
            raise InputError(f"{path}: tensor {name} is {_size(tensor)}, its settings ask for {_size(mine)}; {REMEDY}")
        if tensor.is_floating_point() != mine.is_floating_point():
            raise InputError(f"{path}: tensor {name} is {tensor.dtype}, its settings ask for {mine.dtype}; {REMEDY}")


def _size(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one number"
