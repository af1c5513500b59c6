"""C++ kernels built on first use and cached: plain C functions, no torch headers, seconds to compile."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import torch

from snnvtg.errors import BackendError

FLAGS = ("-O3", "-std=c++17", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-fopenmp")


def compiler() -> str | None:
    """Path of the C++ compiler: `$CXX`, else g++ or clang++; None where there is none."""
    return next((p for p in map(shutil.which, (os.environ.get("CXX", ""), "g++", "clang++")) if p), None)


def cache_folder() -> Path:
    """Folder of the compiled kernels: `$SNNVTG_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("SNNVTG_CACHE")
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(chosen) if chosen else root / "snnvtg"


def torch_openmp() -> Path | None:
    """The OpenMP runtime torch itself loaded.

    A kernel linked to another copy would bring a second pool of threads that spins against torch's.
    """
    bundled = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return bundled[0] if bundled else None


@lru_cache
def load(source: Path, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """Compile `source` (once per content, flags, compiler and processor) and load it.

    Raises BackendError with the compiler's own words where it cannot be built.
    """
    library = _build(source, FLAGS + flags)
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        library.unlink(missing_ok=True)
        remedy = "It was removed from the cache; run again to rebuild it, or ask for a backend that needs no compiler."
        raise BackendError(source.stem, [f"the compiled kernel does not load ({error})"], remedy) from error


def _build(source: Path, flags: tuple[str, ...]) -> Path:
    path = compiler()
    if path is None:
        remedy = "Install g++ (Debian: apt-get install g++) or set CXX, or ask for a backend that needs no compiler."
        raise BackendError(source.stem, ["no C++ compiler was found"], remedy)
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    openmp = torch_openmp()
    recipe = [source.read_text(), *flags, version, str(openmp), _processor()]
    digest = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    target = cache_folder() / f"{source.stem}-{digest}.so"
    if not target.exists():
        _compile(path, source, target, flags, openmp)
    return target


def _compile(path: str, source: Path, target: Path, flags: tuple[str, ...], openmp: Path | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        if openmp is None:
            steps = [[path, *flags, str(source), "-o", str(made)]]
        else:
            # compile with OpenMP, link without: its symbols come from torch's own copy
            compiled = str(Path(scratch) / "kernel.o")
            link = [flag for flag in flags if flag != "-fopenmp"]
            compile_flags = [flag for flag in flags if flag != "-shared"]
            steps = [
                [path, *compile_flags, "-c", str(source), "-o", compiled],
                [path, *link, compiled, str(openmp), f"-Wl,-rpath,{openmp.parent}", "-o", str(made)],
            ]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
                remedy = f"Command: {' '.join(step)}. Or ask for a backend that needs no compiler."
                raise BackendError(source.stem, [f"{source.name} does not compile ({first})"], remedy)
        os.replace(made, target)


def num_threads() -> int:
    """Threads of a kernel: torch's number, but one in a fork, which has the pool's memory and none of its threads."""
    return 1 if _forked else torch.get_num_threads()


_forked = False


def _in_fork() -> None:
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_in_fork)


def _processor() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
