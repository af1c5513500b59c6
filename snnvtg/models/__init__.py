"""The contract for grounding models, and the models by name: one folder each, found by its name."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from snnvtg import plugins
from snnvtg.lazy import lazily
from snnvtg.models.recipe import TRAINING, Recipe, TrainingConfig

if TYPE_CHECKING:  # what `lazily` imports when it is asked for
    from snnvtg.models.contract import GroundingModel, Needs, SpikeLayer

DEFAULT_MODEL = "spikemba"
"""the model a command takes where none is named"""


class _Folders(Mapping[str, "type[GroundingModel]"]):
    """The packages beside this file that export a MODEL, each imported when it is asked for."""

    def __getitem__(self, name: str) -> "type[GroundingModel]":
        if name not in self._names():
            raise KeyError(name)
        return importlib.import_module(f"{__name__}.{name}").MODEL

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    @staticmethod
    def _names() -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.ispkg and m.name not in SHARED)


SHARED = ("clipwise",)
"""folders of this package that several models are made of, and no model"""
MODELS: "Mapping[str, type[GroundingModel]]" = _Folders()


def model_class(name: str) -> "type[GroundingModel]":
    """The model called `name`: one of MODELS, of an installed plugin, or at `module:Class`; else InputError."""
    from snnvtg.models.contract import check_model

    return check_model(plugins.find("models", name, MODELS), name)


def model_name(cls: "type[GroundingModel]") -> str:
    """The name `model_class` finds `cls` by."""
    package, _, rest = cls.__module__.partition(f"{__name__}.")
    if not package and rest:
        return rest.partition(".")[0]
    return f"{cls.__module__}:{cls.__qualname__}"


__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "TRAINING",
    "GroundingModel",
    "Needs",
    "Recipe",
    "SpikeLayer",
    "TrainingConfig",
    "model_class",
    "model_name",
]

_CONTRACT = ("GroundingModel", "Needs", "SpikeLayer")
__getattr__, __dir__ = lazily(__name__, dict.fromkeys(_CONTRACT, "snnvtg.models.contract"))
