"""What would fail after minutes of work, checked before it."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
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


def check_counts(**options: int | tuple[int, ...]) -> None:
    """InputError unless every option, or each of its values, is from 1 to a million; threads to 1,024."""
    for name, value in options.items():
        values, most = value if isinstance(value, tuple) else (value,), 1024 if name == "threads" else 10**6
        if not values or not 1 <= min(values) <= max(values) <= most:
            given = " ".join(map(str, values)) or "none"
            raise InputError(f"--{name.replace('_', '-')}: expected numbers from 1 to {most}, got {given}")


def kept_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The rows an earlier run left at `path`; empty where there are none, InputError where they are something else."""
    if not path.exists():
        return pd.DataFrame()
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table ({error}); remove it or choose another --out") from error
    absent = [column for column in columns if column not in table]
    if absent:
        raise InputError(f"{path}: no table of this benchmark (no column {absent[0]}); choose another --out")
    for column in columns:
        if table[column].isna().any():
            line = int(table[column].isna().argmax()) + 2
            raise InputError(f"{path}:{line}: no {column}; remove that row or choose another --out")
    return table


def check_selection(select_on: str, data: DataSplits) -> None:
    """InputError unless validation has a figure called `select_on` to choose the best epoch by."""
    answers = []
    for query in data.val.queries:
        clips = math.ceil(query.duration / data.clip_length)
        answers.append(Prediction(query.qid, query.query, query.vid, ((0.0, query.duration, 1.0),), (0.0,) * clips))
    figures = EVALUATIONS[data.val.evaluation].figures(answers, data.val.queries)["brief"]
    if select_on not in figures:
        raise InputError(f"training.select_on is {select_on!r}; figures of {data.name}: {', '.join(figures)}")
