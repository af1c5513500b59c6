"""C++ kernels built on first use and cached: plain C functions, no torch headers, seconds to compile."""

import ctypes
import errno
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import torch

from snnvtg.errors import BackendError

FLAGS = ("-O3", "-std=c++17", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-fopenmp")
SEAL = b"snnvtg sha256 "  # stands before the checksum at the end of a library, where loaders do not look


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


def load(source: Path, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """Compile `source` (once per content, flags, compiler and processor) and load it.

    Where the cache folder cannot be written to, the library is built for this process alone, with a warning. Raises
    BackendError with the compiler's own words where it cannot be built; asked again, it raises that again, at once.
    """
    if (source, flags) not in _loaded:
        try:
            _loaded[source, flags] = _find_or_build(source, FLAGS + flags)
        except BackendError as error:
            _loaded[source, flags] = error
    found = _loaded[source, flags]
    if isinstance(found, BackendError):
        raise BackendError(found.backend, found.reasons, found.remedy)
    return found


_loaded: dict[tuple[Path, tuple[str, ...]], ctypes.CDLL | BackendError] = {}


def forget() -> None:
    """Look again what can be built here."""
    _loaded.clear()


def _find_or_build(source: Path, flags: tuple[str, ...]) -> ctypes.CDLL:
    path = compiler()
    if path is None:
        remedy = "Install g++ (Debian: apt-get install g++) or set CXX, or ask for a backend that needs no compiler."
        raise BackendError(source.stem, ["no C++ compiler was found"], remedy)
    openmp = torch_openmp()
    build = [path, source, flags, openmp]
    name = f"{source.stem}-{_digest(*build)}.so"
    try:
        target = cache_folder() / name
        if not _is_whole(target):
            _compile(*build, target)
        return _open(source, target)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        trouble = f"the kernel cache cannot be used ({error})"
    try:
        with tempfile.TemporaryDirectory(prefix="snnvtg-") as scratch:
            target = Path(scratch) / name
            _compile(*build, target)
            library = _open(source, target)
    except OSError as error:
        reasons = [trouble, f"nor the folder for temporary files ({error})"]
        remedy = "Set SNNVTG_CACHE or TMPDIR to a folder that can be written to."
        raise BackendError(source.stem, reasons, remedy) from error
    message = f"{trouble}; {source.name} was built for this process alone. Set SNNVTG_CACHE to a folder of your own"
    warnings.warn(message, stacklevel=2)
    return library


def _digest(path: str, source: Path, flags: tuple[str, ...], openmp: Path | None) -> str:
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    recipe = [source.read_text(), *flags, version, str(openmp), _processor()]
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]


def _open(source: Path, library: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        remedy = f"Remove {library.parent}, or ask for a backend that needs no compiler."
        raise BackendError(source.stem, [f"the compiled kernel does not load ({error})"], remedy) from error


def _is_whole(library: Path) -> bool:
    """Whether a library ends in its own checksum; loading one that a full disk cut short would end the process."""
    if not library.is_file():
        return False
    content = library.read_bytes()
    return content[-len(SEAL) - 32 :] == _seal(content[: -len(SEAL) - 32])


def _seal(content: bytes) -> bytes:
    return SEAL + hashlib.sha256(content).digest()


def _compile(path: str, source: Path, flags: tuple[str, ...], openmp: Path | None, target: Path) -> None:
    """Build `target` and seal it with its checksum; OSError where it cannot be written."""
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
            _run(step, source)
        content = made.read_bytes()
        with made.open("ab") as file:
            file.write(_seal(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, target)


def _run(step: list[str], source: Path) -> None:
    done = subprocess.run(step, capture_output=True, text=True)
    if not done.returncode:
        return
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    remedy = f"Command: {' '.join(step)}. Or ask for a backend that needs no compiler."
    raise BackendError(source.stem, [f"{source.name} does not compile ({first})"], remedy)


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
