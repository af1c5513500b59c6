"""What would fail after minutes of work, checked before it."""

import math

import torch

from snnvtg.data import DataSplits
from snnvtg.errors import InputError, first_line
from snnvtg.metrics.evaluations import EVALUATIONS, VIDEO_RETRIEVAL
from snnvtg.models import GroundingModel
from snnvtg.neurons import set_backend
from snnvtg.records import Prediction
from snnvtg.sweeps.trial import Trial
from snnvtg.training.loop import check_needs


def check_device(device: str) -> None:
    """InputError unless a tensor can be put on `device`."""
    try:
        torch.zeros(1, device=device).item()  # the device `meta` holds no numbers
    except (RuntimeError, AssertionError) as error:
        said = first_line(error)
        raise InputError(f"device {device!r} cannot be used ({said}); use cpu, or a build of torch for it") from None


def check_trial(trial: Trial, device: str = "cpu") -> None:
    """InputError where a trial could not be trained and measured: data, features, select_on, time steps, backend."""
    data, recipe = trial.data.load(), trial.recipe
    model = recipe.model_class(recipe.model, data.video_width, data.text_width)
    check_needs(model, data)
    check_figure(recipe.training.select_on, "training.select_on", model, data)
    if trial.inference.num_timesteps is not None and model.num_timesteps is None:
        raise InputError(f"inference.num_timesteps: {type(model).__name__} has no time steps; leave it out")
    set_backend(model, trial.inference.backend)


def check_figure(name: str | None, option: str, model: GroundingModel, data: DataSplits) -> None:
    """InputError unless a model of this kind has a figure called `name` on the data; `option` is where it was named."""
    if name is None:
        return
    if model.needs.every_video:
        known = [*VIDEO_RETRIEVAL.per_query({q.qid: {q.vid: 1.0} for q in data.val.queries}, data.val.queries)]
    else:
        answers = []
        for query in data.val.queries:
            clips = math.ceil(query.duration / data.clip_length)
            answers.append(Prediction(query.qid, query.query, query.vid, ((0.0, query.duration, 1.0),), (0.0,) * clips))
        known = [*EVALUATIONS[data.val.evaluation].figures(answers, data.val.queries)["brief"]]
    if name not in known:
        raise InputError(f"{option} is {name!r}; figures of {data.name}: {', '.join(known)}")
