"""Objects from outside the package, named on the command line: models, backends, data sets, cost models.

A name is one of ours, an installed package's entry point (group `snnvtg.KIND`, for instance `snnvtg.models`), or says
where the object is: `package.module:OBJECT`, or `path/to/file.py:OBJECT`.
"""

import importlib
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from snnvtg.errors import InputError, first_line

Known = TypeVar("Known")


def is_outside(name: str) -> bool:
    """Whether `name` says where an object is, rather than being one of the known names."""
    return ":" in name


def find(kind: str, name: str, known: Mapping[str, Known]) -> Known:
    """The object called `name` among `known`, the entry points of `snnvtg.KIND`, or at `module:OBJECT`.

    `kind` is a plural ("models"). InputError lists the known names, or says why an outside object cannot be loaded.
    """
    if name in known:
        return known[name]
    if is_outside(name):
        return load_object(name)
    installed = {entry.name: entry for entry in metadata.entry_points(group=f"snnvtg.{kind}")}
    if name in installed:
        return _guarded(name, installed[name].load)
    names = ", ".join([*known, *installed])
    raise InputError(
        f"no {kind.rstrip('s')} {name!r}; known: {names}; or name yours as module:OBJECT or FILE.py:OBJECT"
    )


def load_object(place: str) -> Any:
    """The object at `package.module:OBJECT` or `path/to/file.py:OBJECT`.

    The folder of the file, or the current folder, is put on `sys.path`, where processes started later find it too.
    """
    module_name, _, attribute = place.rpartition(":")
    if module_name.endswith(".py"):
        file = Path(module_name)
        if not file.is_file():
            raise InputError(f"{place}: no file {file}; expected FILE.py:OBJECT")
        folder, module_name = file.resolve().parent, file.stem
        loaded = sys.modules.get(module_name)
        if loaded is not None and Path(getattr(loaded, "__file__", None) or "") != file.resolve():
            raise InputError(f"{place}: another module is called {module_name!r} already; rename the file")
    else:
        folder = Path.cwd()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _guarded(place, lambda: importlib.import_module(module_name))
    if not attribute or not hasattr(module, attribute):
        there = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(f"{place}: {module_name} has no {attribute!r}; it has {', '.join(there) or 'nothing'}")
    return getattr(module, attribute)


def _guarded(place: str, load: Any) -> Any:
    try:
        return load()
    except InputError:
        raise
    except Exception as error:  # whatever a user's module raises while it is imported
        raise InputError(f"{place}: cannot be imported ({type(error).__name__}: {first_line(error)})") from error
