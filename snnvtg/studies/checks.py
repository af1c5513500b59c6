"""What would fail after minutes of work, checked before it."""

import math

import torch

from snnvtg.data import DataSplits
from snnvtg.errors import InputError, first_line
from snnvtg.metrics.evaluations import EVALUATIONS
from snnvtg.records import Prediction


def check_device(device: str) -> None:
    """InputError unless a tensor can be put on `device`."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = first_line(error)
        raise InputError(f"device {device!r} cannot be used ({said}); use cpu, or a build of torch for it") from None


def check_selection(select_on: str, data: DataSplits) -> None:
    """InputError unless validation has a figure called `select_on` to choose the best epoch by."""
    answers = []
    for query in data.val.queries:
        clips = math.ceil(query.duration / data.clip_length)
        answers.append(Prediction(query.qid, query.query, query.vid, ((0.0, query.duration, 1.0),), (0.0,) * clips))
    figures = EVALUATIONS[data.val.evaluation].figures(answers, data.val.queries)["brief"]
    if select_on not in figures:
        raise InputError(f"training.select_on is {select_on!r}; figures of {data.name}: {', '.join(figures)}")
