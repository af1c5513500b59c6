"""Sweeps declared as data: named rows of settings over a preset, in a YAML file.

    name: ablation_parts             # stem of the files written
    title: Ablation of the parts     # what tables and figures are called
    seeds: [0, 1]
    reference: full                  # the row all others are compared with (optional)
    notes: [how a row is to be read] # printed below the tables (optional)
    controls: [shuffled-query]       # measured beside every row, see `sweeps.controls` (optional)
    measures: [speed]                # measured of every row, see `sweeps.measures` (optional)
    rows:
      full: {}
      narrow:
        model.width: 32
      transformer:
        model: transformer           # another model, with every setting the two share
      rival:
        model: transformer
        preset: small                # another model with its own preset and training
    grid:                            # beside or instead of rows: every combination, `preset` is the preset's own value
      model.num_timesteps: [1, 2]    # settings of model, training, data and inference; an axis is a column of the table

Every mistake is one InputError that names file, line, the offending name and the known ones.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from snnvtg.errors import InputError
from snnvtg.sweeps.controls import CONTROLS
from snnvtg.sweeps.declaration import (
    KEYS,
    UNUSABLE,
    Row,
    Setting,
    Sweep,
    check_controls,
    check_measures,
    combinations,
)
from snnvtg.sweeps.trial import MOST_SEED, check_seeds


def read_sweep(path: Path) -> Sweep:
    """The sweep declared in a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: no readable sweep file") from None
    return parse_sweep(text, str(path))


def parse_sweep(text: str, origin: str = "sweep") -> Sweep:
    """The sweep declared in `text`; messages call it `origin`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{origin}:{line}: not YAML: {error.problem}") from None
    except RecursionError:
        raise InputError(f"{origin}: not YAML: nested too deeply") from None
    except yaml.YAMLError as error:
        raise InputError(f"{origin}: not YAML: {' '.join(str(error).split())}") from None
    if root is None:
        raise InputError(f"{origin}: empty; expected {', '.join(KEYS)}")
    return _Reader(origin).sweep(root)


class _Reader:
    """Turns YAML nodes, which know their lines, into a Sweep."""

    def __init__(self, origin: str):
        self.origin = origin

    def sweep(self, root: yaml.Node) -> Sweep:
        parts = {key.value: (key, value) for key, value in self.pairs(root, "a sweep")}
        for name, (key, _) in parts.items():
            if name not in KEYS:
                raise self.error(key, f"unknown key {name!r}; known: {', '.join(KEYS)}")
        for name in ("name", "title", "seeds"):
            if name not in parts:
                raise self.error(root, f"{name} is missing; expected {', '.join(KEYS)}")
        rows = list(self.rows(parts["rows"][1])) if "rows" in parts else []
        axes = {}
        if "grid" in parts:
            axes = {key.value: self.axis(key, value) for key, value in self.pairs(parts["grid"][1], "grid")}
            rows += combinations(axes)
        if not rows:
            raise self.error(root, "no rows; declare rows, grid or both")
        self.distinct(rows)
        reference = self.text(parts["reference"][1], "reference") if "reference" in parts else None
        if reference is not None and reference not in [row.name for row in rows]:
            known = ", ".join(row.name for row in rows)
            raise self.error(parts["reference"][1], f"reference: no row {reference!r}; known: {known}")
        notes = self.items(parts["notes"][1], "notes") if "notes" in parts else []
        return Sweep(
            name=self.stem(parts["name"][1]),
            title=self.text(parts["title"][1], "title"),
            seeds=self.seeds(parts["seeds"][1]),
            rows=tuple(rows),
            reference=reference,
            notes=tuple(self.text(note, "notes") for note in notes),
            grid=tuple((key, tuple(setting.value for setting in values)) for key, values in axes.items()),
            controls=self.controls(parts["controls"][1]) if "controls" in parts else (),
            measures=self.measures(parts["measures"][1]) if "measures" in parts else (),
        )

    def rows(self, node: yaml.Node) -> Iterator[Row]:
        for key, content in self.pairs(node, "rows"):
            named: dict[str, str] = {}
            settings = []
            pairs = [] if content.tag.endswith(":null") else self.pairs(content, f"row {key.value!r}")
            for name, value in pairs:
                text = self.value(value, name.value)
                if name.value in ("model", "preset"):
                    named[name.value] = text
                elif "." not in name.value:
                    known = "model, preset, or a setting as model.NAME, training.NAME, data.NAME or inference.NAME"
                    raise self.error(name, f"row {key.value!r}: unknown key {name.value!r}; known: {known}")
                else:
                    settings.append(Setting(name.value, text, self.where(name)))
            yield Row(key.value, self.where(key), **named, settings=tuple(settings))

    def axis(self, key: yaml.Node, node: yaml.Node) -> list[Setting]:
        values = [Setting(key.value, self.value(value, key.value), self.where(value)) for value in
                  self.items(node, key.value)]  # fmt: skip
        if not values:
            raise self.error(node, f"grid: {key.value} has no values")
        return values

    def controls(self, node: yaml.Node) -> tuple[str, ...]:
        return check_controls([self.text(v, "controls") for v in self.items(node, "controls")], self.where(node))

    def measures(self, node: yaml.Node) -> tuple[str, ...]:
        return check_measures([self.text(v, "measures") for v in self.items(node, "measures")], self.where(node))

    def distinct(self, rows: list[Row]) -> None:
        seen: dict[str, Row] = {}
        taken = {*UNUSABLE, *CONTROLS}
        for row in rows:
            if not re.fullmatch(r"[A-Za-z][^,\n\"]*", row.name) or row.name.lower() in taken:
                raise InputError(f"{row.where}: row {row.name!r}: expected another name, starting with a letter")
            if row.name in seen:
                raise InputError(f"{row.where}: row {row.name!r} is already declared at {seen[row.name].where}")
            seen[row.name] = row

    def stem(self, node: yaml.Node) -> str:
        name = self.text(node, "name")
        if not re.fullmatch(r"[\w-]+", name):
            raise self.error(node, f"name: expected letters, digits, - and _, got {name!r}")
        if name.endswith("_queries"):
            taken = f"{name}.csv may be the overlaps of another sweep"
            raise self.error(node, f"name: {taken}; expected a name that does not end in _queries, got {name!r}")
        return name

    def seeds(self, node: yaml.Node) -> tuple[int, ...]:
        found = [self.text(value, "seeds") for value in self.items(node, "seeds")]
        if not all(text.isdecimal() and len(text) < 20 for text in found):
            raise self.error(node, f"seeds: expected distinct whole numbers from 0 to {MOST_SEED}, got {found!s:.60}")
        return check_seeds([int(text) for text in found], f"{self.where(node)}: seeds")

    def pairs(self, node: yaml.Node, what: str) -> list[tuple[Any, Any]]:
        """Keys and values of a mapping, each key once."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{what}: expected NAME: VALUE lines")
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, f"{what}: expected a name before the colon")
            if key.value in seen:
                raise self.error(key, f"{key.value!r} is already there at line {seen[key.value]}")
            seen[key.value] = key.start_mark.line + 1
        return node.value

    def items(self, node: yaml.Node, what: str) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{what}: expected a list, as [0, 1]")
        return node.value

    def text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null") or not node.value:
            raise self.error(node, f"{what}: expected one value")
        return node.value

    def value(self, node: yaml.Node, what: str) -> str:
        """One value, or a list of them as `[1,2]`."""
        if isinstance(node, yaml.SequenceNode):
            return f"[{','.join(self.text(item, what) for item in node.value)}]"
        return self.text(node, what)

    def where(self, node: yaml.Node) -> str:
        return f"{self.origin}:{node.start_mark.line + 1}"

    def error(self, node: yaml.Node, message: str) -> InputError:
        return InputError(f"{self.where(node)}: {message}")
