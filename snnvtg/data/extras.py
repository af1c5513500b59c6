"""Optional libraries: there, or an error that says which extra brings them."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from snnvtg.errors import InputError


def require(module: str, extra: str, what: str) -> ModuleType:
    """The imported `module`; InputError names the extra of this toolkit to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(missing(module, extra, what, str(error))) from None


def package_folder(package: str, extra: str, what: str) -> Path:
    """Where an installed package is, found without running its code."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise InputError(missing(package, extra, what, "not installed"))
    return Path(found.origin).parent


def missing(module: str, extra: str, what: str, reason: str) -> str:
    """The message that names library, reason and remedy."""
    return f"{what} needs {module} ({reason}); install it with: pip install 'snnvtg[{extra}]'"
