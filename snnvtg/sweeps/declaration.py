"""A sweep: named rows of settings over a preset, and a grid of them; `sweeps.reader` reads one from a YAML file."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from snnvtg.errors import InputError
from snnvtg.models import model_name
from snnvtg.sweeps.controls import CONTROLS
from snnvtg.sweeps.measures import MEASURES
from snnvtg.sweeps.settings import SettingError, trial_of, with_settings
from snnvtg.sweeps.trial import Trial

KEYS = ("name", "title", "seeds", "reference", "notes", "controls", "measures", "rows", "grid")
PRIOR = "prior"
"""the row every table has of its own: the one window that answers the training set best, whatever is asked"""
UNUSABLE = (PRIOR, "nan", "na", "n/a", "null", "none")
"""taken, and names that a CSV reader takes for a missing value"""

MOST_ROWS = 10_000
"""of a grid; each is a model to train"""


@dataclass(frozen=True)
class Setting:
    """One line of a row."""

    key: str
    value: str
    where: str
    """file:line"""

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class Row:
    """What one row changes of the preset."""

    name: str
    where: str
    model: str | None = None
    """None: that of the preset"""
    preset: str | None = None
    """None: the preset of the sweep, with every setting it shares with the model; else the model's own of that name"""
    settings: tuple[Setting, ...] = ()

    def trial(self, base: Trial) -> Trial:
        """The trial of this row; InputError names the line that does not fit."""
        try:
            return self._with(base, self.settings)
        except SettingError as error:
            culprit = self._culprit(base, error)
            setting = f"{culprit}: " if isinstance(culprit, Setting) else ""
            raise InputError(f"{culprit.where}: row {self.name!r}: {setting}{error}") from error

    def _with(self, base: Trial, settings: Sequence[Setting]) -> Trial:
        changes = [(setting.key, setting.value) for setting in settings]
        if self.preset is None:
            return with_settings(base, changes, self.model)
        model = self.model or model_name(base.recipe.model_class)
        own = trial_of(self.preset, model=model, data=base.data, inference=base.inference)
        return with_settings(own, changes)

    def _culprit(self, base: Trial, error: SettingError) -> "Setting | Row":
        """The one setting that is named, or without which the row fits; the row itself where there is none such."""
        for setting in self.settings:
            if str(setting) == error.given:
                return setting
        for setting in self.settings:
            try:
                self._with(base, [other for other in self.settings if other is not setting])
            except SettingError:
                continue
            return setting
        return self


@dataclass(frozen=True)
class Sweep:
    """Rows in the order of their declaration."""

    name: str
    title: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    reference: str | None = None
    notes: tuple[str, ...] = ()
    grid: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """the axes of the grid: a setting and its values as text; its combinations are among the rows, last"""
    controls: tuple[str, ...] = ()
    """names of `sweeps.controls.CONTROLS`, measured beside every row"""
    measures: tuple[str, ...] = ()
    """names of `sweeps.measures.MEASURES`: what is measured of every row beside its accuracy and energy"""

    @property
    def axes(self) -> tuple[str, ...]:
        """Settings that the grid varies."""
        return tuple(key for key, _ in self.grid)

    @property
    def declared_rows(self) -> tuple[Row, ...]:
        """The rows that are not combinations of the grid."""
        combined = math.prod(len(values) for _, values in self.grid) if self.grid else 0
        return self.rows[: len(self.rows) - combined]

    @property
    def columns(self) -> dict[str, str]:
        """The column of every axis: the last part of its name, the whole name where two share that."""
        short = [axis.rpartition(".")[2] for axis in self.axes]
        return {axis: name if short.count(name) == 1 else axis for axis, name in zip(self.axes, short, strict=True)}

    def with_controls(self, names: Sequence[str]) -> "Sweep":
        """The sweep with these controls instead of its own."""
        return replace(self, controls=check_controls(names, "--controls"))

    def trials(self, base: Trial) -> dict[str, Trial]:
        """Every row as a trial over `base`."""
        return {row.name: row.trial(base) for row in self.rows}

    def plain(self) -> dict[str, Any]:
        """The declaration as JSON holds it, without the lines it came from."""
        rows = []
        for row in self.rows:
            settings = {setting.key: setting.value for setting in row.settings}
            preset = {} if row.preset is None else {"preset": row.preset}
            rows.append({"name": row.name, "model": row.model, **preset, "settings": settings})
        fields = {name: getattr(self, name) for name in ("name", "title", "reference")}
        lists = {name: list(getattr(self, name)) for name in ("seeds", "notes", "axes", "controls")}
        lists |= {"measures": list(self.measures)} if self.measures else {}
        return {**fields, **lists, "columns": self.columns, "rows": rows}


def measures_of(sweeps: Iterable[Sweep]) -> tuple[str, ...]:
    """What any of the sweeps measures beside accuracy and energy."""
    return tuple(dict.fromkeys(name for sweep in sweeps for name in sweep.measures))


def grid_sweep(
    name: str, title: str, axes: Mapping[str, Sequence[str]], *, controls: Sequence[str] = (), where: str = "--grid"
) -> Sweep:
    """A sweep over every combination of the values of `axes`, of seed 0; `where` goes into messages."""
    for key, values in axes.items():
        if "." not in key or not values or len(set(values)) != len(values):
            raise InputError(
                f"{where} {key}={','.join(values)}: expected a setting and distinct values, as model.width=32,64"
            )
    grid = tuple((key, tuple(values)) for key, values in axes.items())
    rows = combinations({key: [Setting(key, value, where) for value in values] for key, values in grid})
    return Sweep(name, title, (0,), tuple(rows), grid=grid, controls=tuple(controls))


def combinations(axes: Mapping[str, Sequence[Setting]]) -> list[Row]:
    """A row for every combination of one setting of each axis; `preset` changes nothing."""
    if not axes:
        return []
    number = math.prod(map(len, axes.values()))
    if number > MOST_ROWS:
        where = next(iter(axes.values()))[0].where
        raise InputError(f"{where}: the grid has {number:,} combinations; expected at most {MOST_ROWS:,}")
    rows = []
    for chosen in itertools.product(*axes.values()):
        name = " ".join(f"{s.key.rpartition('.')[2]}={re.sub(r', *', '-', s.value.strip('[]'))}" for s in chosen)
        changed = tuple(setting for setting in chosen if setting.value != "preset")
        rows.append(Row(name, chosen[0].where, settings=changed))
    return rows


def axis_values(text: str) -> tuple[str, ...]:
    """The values of `VALUE,VALUE` on a command line; a list among them stands in brackets, as `[1,2],[1,2,4]`."""
    return tuple(filter(None, re.split(r",(?![^\[]*\])", text)))


def check_controls(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of controls, each once; InputError where there is none of a name."""
    return _known(names, CONTROLS, "control", where)


def check_measures(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of measures, each once; InputError where there is none of a name."""
    return _known(names, MEASURES, "measure", where)


def _known(names: Sequence[str], known: Iterable[str], kind: str, where: str) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise InputError(f"{where}: no {kind} {name!r}; known: {', '.join(known)}")
    return tuple(dict.fromkeys(names))
