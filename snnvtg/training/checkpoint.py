"""Checkpoints: everything a model needs to run again, or a training run to resume."""

import dataclasses
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cattrs
import torch

from snnvtg.data import DataSplits
from snnvtg.errors import InputError, first_line
from snnvtg.files import atomic
from snnvtg.models import GroundingModel, Recipe, TrainingConfig, model_class, model_name
from snnvtg.plugins import is_outside
from snnvtg.training.stored import check_stored

FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A trained model as stored on disk."""

    recipe: Recipe
    video_width: int
    text_width: int
    feature_names: tuple[str, ...]
    """feature folders in the order of concatenation: another order is another input"""
    clip_length: float
    state: dict[str, torch.Tensor]
    progress: dict[str, Any]
    """epoch, validation history; for a run that can resume also the optimiser, averages and random states"""
    text_name: str = ""
    """the text encoder's name; empty where unknown (an older checkpoint): then the width alone can be checked"""
    text_marks: Mapping[str, str] = field(default_factory=dict)
    """checksums of the encoder: of the vectors of common words, or of a model's weights; empty for token files"""
    longest: int = 0
    """clips of the longest training video; 0 where an older version did not say"""

    @property
    def model_name(self) -> str:
        """The name of the model's class, as a command line gives it."""
        return model_name(self.recipe.model_class)

    def build(self) -> GroundingModel:
        """The model with its weights, in evaluation mode; InputError where they do not fit it."""
        model = self.recipe.model_class(self.recipe.model, self.video_width, self.text_width)
        try:
            model.load_state_dict(self.state)
        except RuntimeError as error:
            said = f"the tensors of the checkpoint do not fit {type(model).__name__} with its settings"
            raise InputError(f"{said} ({' '.join(str(error).split()):.300}); train it again") from error
        return model.eval()

    def require(self, data: DataSplits, path: Path) -> None:
        """Raise InputError where `data` is not the input the model of the file `path` was trained on."""
        for name in ("feature_names", "video_width", "text_width", "clip_length"):
            mine, given = getattr(self, name), getattr(data, name)
            if mine != given:
                raise InputError(
                    f"{path}: was trained with {name} {mine}, the data {data.name} has {given}; "
                    "give the same features in the same order, or train on these"
                )
        self.require_text(data.text_name, data.text_marks, path)

    def require_text(self, name: str, marks: Mapping[str, str], path: Path) -> None:
        """Raise InputError where the text encoder `name` with its `marks` is not the one used in training.

        What one side does not know (an older checkpoint, a token file) cannot differ.
        """
        if self.text_name and name and name != self.text_name:
            raise InputError(
                f"{path}: was trained with the text encoder {self.text_name}, given is {name}; name that of training"
            )
        for key, mark in marks.items():
            if self.text_marks.get(key, mark) != mark:
                word = f", which has another vector for {key!r}" if key else ""
                raise InputError(
                    f"{path}: was trained with another {name} than the one given{word}; name the text encoder's files "
                    "of training"
                )

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        content |= {"format": FORMAT, "text_marks": dict(self.text_marks), "model_name": self.model_name}
        recipe = content.pop("recipe")
        content |= {"model": dataclasses.asdict(recipe.model), "training": dataclasses.asdict(recipe.training)}
        written = io.BytesIO()  # torch's own writer has another error for each way a disk can be full
        torch.save(content, written)
        with atomic(path) as scratch:
            scratch.write_bytes(written.getbuffer())


def load_checkpoint(path: Path, outside: type[GroundingModel] | None = None) -> Checkpoint:
    """Read a checkpoint; InputError names the file where it is missing, truncated, of another kind, or fits no model.

    A model from outside the package is only loaded where the caller names it: no file decides what code is imported.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; train one with experiments/train.py")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        said = first_line(error)
        if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):  # the advice to trust the file
            said = "it holds something else than tensors and settings"
        raise InputError(f"{path}: not a readable checkpoint, perhaps cut short ({said}); train it again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version (expected format {FORMAT}); train it again")
    checkpoint = _structured(content, outside, path)
    check_stored(checkpoint, path)
    return checkpoint


def _structured(content: dict[str, Any], outside: type[GroundingModel] | None, path: Path) -> Checkpoint:
    """The checkpoint of a file's content; its tensors are not looked at."""
    for part in ("model", "training"):
        if not isinstance(content.get(part), dict):
            raise InputError(f"{path}: holds no settings of {part}; train it again")
    try:
        cls = _class_of(content.pop("model_name"), outside, path)
        converter = cattrs.Converter(forbid_extra_keys=True)
        model = converter.structure(content.pop("model"), cls.config_class)
        training = converter.structure(content.pop("training"), TrainingConfig)
        del content["format"]
        return Checkpoint(recipe=Recipe(cls, model, training), **content)
    except cattrs.BaseValidationError as error:
        said = first_line(Exception("; ".join(cattrs.transform_error(error, "settings"))))
        raise InputError(f"{path}: its settings are not those of this version ({said}); train it again") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        said = f"no {error}" if isinstance(error, KeyError) else first_line(error)
        raise InputError(f"{path}: written by another version of this toolkit ({said}); train it again") from error


def _class_of(name: str, outside: type[GroundingModel] | None, path: Path) -> type[GroundingModel]:
    """The class called `name`; one from outside the package has to be `outside`."""
    if not isinstance(name, str):
        raise InputError(f"{path}: model_name is {name!r:.60}, expected a name; train it again")
    if not is_outside(name):
        try:
            return model_class(name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    if outside is None or model_name(outside) != name:
        given = "" if outside is None else f", not {model_name(outside)}"
        raise InputError(f"{path}: holds a model from outside the package{given}; name it with --model {name}")
    return outside
