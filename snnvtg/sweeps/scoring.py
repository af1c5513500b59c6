"""What tells trials apart, and how they are scored."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from snnvtg.errors import InputError
from snnvtg.models import model_name
from snnvtg.sweeps.runs import shaping_code
from snnvtg.sweeps.trial import Trial


def digest(trial: Trial) -> str:
    """Twelve digits that tell trials apart: settings, data, and the code of the model."""
    recipe = trial.recipe
    content = {
        "model_name": model_name(recipe.model_class),
        "model": dataclasses.asdict(recipe.model),
        "training": dataclasses.asdict(recipe.training),
        "data": trial.data.load().checksum,
        "inference": dataclasses.asdict(trial.inference),
        "code": shaping_code(recipe),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def evaluation_of_trial(trial: Trial) -> str:
    """The name in `metrics.evaluations.EVALUATIONS` of how a trial is scored."""
    data, recipe = trial.data.load(), trial.recipe
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    return "video_retrieval" if model.needs.every_video else getattr(data, trial.inference.split).evaluation


def common_evaluation(trials: Mapping[str, Trial]) -> str:
    """How every row is scored; InputError where two are scored differently, for no figure would compare them."""
    found = {name: evaluation_of_trial(trial) for name, trial in trials.items()}
    first, known = next(iter(found.items()))
    for name, evaluation in found.items():
        if evaluation != known:
            raise InputError(
                f"row {name!r} is scored by {evaluation}, row {first!r} by {known}; declare a sweep for each"
            )
    return known
