"""Trained models on disk, found again by everything that shaped them."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import snnvtg
from snnvtg.claims import claimed, remove_leftovers
from snnvtg.data import DataSplits
from snnvtg.errors import InputError
from snnvtg.models import Recipe, model_name
from snnvtg.reporting import write_json
from snnvtg.sweeps.table import read_rows
from snnvtg.training import Checkpoint, load_checkpoint, train
from snnvtg.training.watching import Watcher

PACKAGE = Path(snnvtg.__file__).parent
KERNELS = {".cpp", ".hpp", ".cu"}


@lru_cache
def code_digest(*modules: str) -> str:
    """Digest of the source of `modules` and of everything of this package they import, at whatever depth.

    With the training loop and a model's module: what a trained model is decided by. Changed code never reuses an older
    model, and a benchmark's or a figure's source changes none.
    """
    digest = hashlib.sha256()
    files = sorted(imported_files(modules))
    folders = {file.parent for file in files}
    files += sorted(kernel for folder in folders for kernel in folder.glob("*") if kernel.suffix in KERNELS)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def shaping_code(recipe: Recipe) -> str:
    """The digest of what shapes a model of this recipe."""
    return code_digest("snnvtg.training.loop", recipe.model_class.__module__)


def imported_files(modules: Sequence[str]) -> set[Path]:
    """The source files of `modules` and of what they import of this package and of their own, lazy imports included.

    A module of a user's own package brings what it imports of that; a single file what lies beside it.
    """
    packages = {module.partition(".")[0] for module in modules if "." in module} - {"snnvtg"}
    singles = [_source(module) for module in modules if "." not in module]
    folders = {file.parent for file in singles if file is not None and "site-packages" not in file.parts}
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        file = _source(module)
        if file is not None and file not in found:
            found.add(file)
            waiting += [name for name in _imports(module, file) if _is_own(name, packages, folders)]
    return found


def _is_own(name: str, packages: set[str], folders: set[Path]) -> bool:
    first = name.partition(".")[0]
    beside = any((folder / f"{first}.py").is_file() or (folder / first).is_dir() for folder in folders)
    return name.startswith("snnvtg.") or (first != "snnvtg" and (first in packages or beside))


@cache
def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside a module that is no package
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def _imports(module: str, file: Path) -> Iterator[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            name = importlib.util.resolve_name(name, package) if node.level else name
            yield from (name, *(f"{name}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def run_folder(root: Path, recipe: Recipe, data: DataSplits, seed: int) -> Path:
    """The folder of one training run under `root`, named by model, data, seed and a digest of all else."""
    shaped_by = [asdict(recipe.model), asdict(recipe.training), data.checksum, shaping_code(recipe)]
    digest = hashlib.sha256(json.dumps(shaped_by, sort_keys=True, default=str).encode()).hexdigest()[:12]
    name = model_name(recipe.model_class).rpartition(":")[2]
    return root / f"{name}-{data.name.replace(' ', '_')}-seed{seed}-{digest}"


def trained(
    root: Path,
    recipe: Recipe,
    data: DataSplits,
    *,
    seed: int,
    device: str = "cpu",
    quiet: bool = True,
    watch: Watcher | None = None,
    loaders: int = 0,
) -> tuple[Checkpoint, Path]:
    """The checkpoint of this run and its folder: from disk where it is finished, else trained, from where it was left.

    `settings.json` in the folder says in words which model it is. A model that another run is training is waited for.
    `watch` is told of every epoch; `loaders` as in `train`.
    """
    folder = run_folder(root, recipe, data, seed)
    finished = folder / "finished.pt"
    if finished.is_file():
        return _read(finished, recipe), folder
    with claimed(finished, wait=True):
        if finished.is_file():  # by the run that was waited for
            return _read(finished, recipe), folder
        remove_leftovers(folder / "settings.json")
        write_json(described(recipe, data, seed), folder / "settings.json")
        how = {"device": device, "quiet": quiet, "watch": watch, "loaders": loaders}
        checkpoint = train(recipe, data, seed=seed, folder=folder, **how)
        checkpoint.save(finished)
        for leftover in ("last.pt", "best.pt"):
            (folder / leftover).unlink(missing_ok=True)
    return checkpoint, folder


def _read(finished: Path, recipe: Recipe) -> Checkpoint:
    try:
        return load_checkpoint(finished, recipe.model_class)
    except InputError as error:
        raise InputError(f"{error} (remove the folder {finished.parent} and run the same command)") from error


def described(recipe: Recipe, data: DataSplits, seed: int) -> dict[str, Any]:
    """Model, data, seed and every setting of a run, as JSON holds them."""
    return {
        "model_name": model_name(recipe.model_class),
        "data": data.name,
        "data_checksum": data.checksum,
        "seed": seed,
        "model": recipe.model,
        "training": recipe.training,
    }


def checkpoint_of_row(table: Path, row: str | None, seed: int | None, runs: Path) -> Path:
    """The checkpoint of a row of a sweep's table, by its column `run`; InputError names the rows there are."""
    found = read_rows(table, ("row", "seed", "run"))
    found = found[found["seed"].notna()].drop_duplicates(["row", "seed"])
    chosen = found[(found["row"] == row) & ((found["seed"] == seed) | (seed is None))]
    if chosen.empty:
        known = ", ".join(dict.fromkeys(found["row"]))
        seeds = " ".join(map(str, sorted(found["seed"].unique())))
        raise InputError(f"{table}: no row {row!r}, seed {seed}; give --row, one of: {known}; seeds: {seeds}")
    path = runs / chosen["run"].iloc[0] / "finished.pt"
    if not path.is_file():
        raise InputError(f"{path}: the model of row {row!r} is not there any more; run the sweep again, or name --runs")
    return path
