"""What is installed, which backends work here, which do not and why, and the command that would fix it.

    python -m snnvtg.doctor

A backend that claims to run is made to: a small input goes through it and its result is compared with the reference.
Nothing ends in a traceback; whatever fails is a line of the report. Exit status 1 where a required package is missing
or a backend that claims to run fails, else 0.
"""

import importlib
import logging
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

import snnvtg
from snnvtg.interrupts import answered

MAMBA_BUILD = (
    "pip install setuptools wheel packaging ninja einops && "
    "MAMBA_FORCE_BUILD=TRUE pip install --no-build-isolation --no-deps --no-cache-dir mamba-ssm"
)
CONVOLUTION_BUILD = (
    "CAUSAL_CONV1D_FORCE_BUILD=TRUE pip install --no-build-isolation --no-deps --no-cache-dir causal-conv1d"
)
REQUIRED = {
    name: f"pip install {name}"
    for name in ("numpy", "pandas", "matplotlib", "tqdm", "tyro", "cattrs", "snntorch", "fvcore")
} | {"torch": "pip install 'torch>=2.6,<2.14'"}
OPTIONAL = {
    "spikingjelly": "pip install --no-deps spikingjelly==2.0.0 && pip install loguru",
    "numba": "pip install numba  (the scan where there is no C++ compiler)",
    "triton": "comes with a CUDA build of torch",
    "mamba-ssm": f"with a GPU and nvcc: {MAMBA_BUILD}",
    "causal-conv1d": f"with a GPU and nvcc: {CONVOLUTION_BUILD}",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: `state` is "ok", "--" (not available, which may be fine) or "!!" (to be fixed)."""

    state: str
    name: str
    detail: str
    remedy: str = ""


def packages() -> Iterator[Finding]:
    """Each package with its version, or the command that installs it."""
    for table, state in ((REQUIRED, "!!"), (OPTIONAL, "--")):
        for name, command in sorted(table.items()):
            try:
                yield Finding("ok", name, metadata.version(name))
            except metadata.PackageNotFoundError:
                yield Finding(state, name, "not installed", command)


def machine() -> Iterator[Finding]:
    """Python, processor, torch with its devices, and the C++ compiler."""
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    import torch

    threads = f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    yield Finding("ok", "torch", f"{torch.__version__}, {threads}")
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        yield Finding("ok", "GPU", f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}")
    elif torch.version.cuda is None:
        remedy = "on a machine with an NVIDIA GPU: pip install torch with a CUDA index (pytorch.org/get-started)"
        yield Finding("--", "GPU", "this torch is a CPU build", remedy)
    else:
        yield Finding(
            "--", "GPU", f"torch is built for CUDA {torch.version.cuda} but finds no device", "see nvidia-smi"
        )
    if os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE":
        remedy = "export OMP_WAIT_POLICY=PASSIVE before python starts, where the cores are shared"
        yield Finding("--", "OMP_WAIT_POLICY", "not PASSIVE: idle threads spin", remedy)
    yield from _compiler()


def _compiler() -> Iterator[Finding]:
    from snnvtg import native

    path = native.compiler()
    if path is None:
        remedy = "apt-get install g++, or set CXX (without it the compiled CPU kernels give way to torch operators)"
        yield Finding("--", "C++ compiler", "none found", remedy)
        return
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()
    yield Finding("ok", "C++ compiler", f"{path}: {version[0] if version else 'no version'}")
    yield Finding("ok", "kernel cache", str(native.cache_folder()))


def lif_backends(device: str) -> Iterator[Finding]:
    """Every LIF backend on one kind of device, tried against the reference."""
    import torch

    from snnvtg.neurons import LIF
    from snnvtg.neurons.backends import BACKENDS

    current = torch.linspace(-1.0, 3.0, 48, device=device).view(4, 2, 6)
    expected = LIF(backend="reference")(current)
    for name, backend in BACKENDS.items():
        reasons = backend.missing(device)
        yield _tried(name, reasons, backend.remedy, lambda name=name: LIF(backend=name)(current), expected)


def scan_backends(device: str) -> Iterator[Finding]:
    """Every backend of the selective scan on one kind of device, tried against the reference."""
    import torch

    from snnvtg.scan import selective_scan
    from snnvtg.scan.selective import SELECTIVE_SCAN

    u = torch.linspace(-1.0, 1.0, 2 * 5 * 16, device=device).view(2, 5, 16)
    A, B = -torch.rand(16, 16, device=device) - 0.1, torch.linspace(0, 1, 160, device=device).view(2, 5, 16)
    yield from _operation(SELECTIVE_SCAN, device, lambda name: selective_scan(u, u.cos(), A, B, 1 - B, backend=name))


def convolution_backends(device: str) -> Iterator[Finding]:
    """Every backend of the causal convolution on one kind of device, tried against the reference."""
    import torch

    from snnvtg.scan import causal_conv1d
    from snnvtg.scan.convolution import CAUSAL_CONV1D

    x, weight = torch.linspace(-1, 1, 160, device=device).view(2, 5, 16), torch.ones(16, 4, device=device)
    yield from _operation(CAUSAL_CONV1D, device, lambda name: causal_conv1d(x, weight, backend=name))


def _operation(operation, device: str, run: Callable[[str], object]) -> Iterator[Finding]:
    expected = run("reference")
    for name, backend in operation.backends.items():
        reasons = operation.why_not(name, device)
        yield _tried(name, reasons, backend.remedy, lambda name=name: run(name), expected)


def _tried(name: str, reasons: list[str], remedy: str, run: Callable[[], object], expected) -> Finding:
    import torch

    if reasons:
        return Finding("--", name, "; ".join(map(_one_line, reasons)), remedy)
    try:
        torch.testing.assert_close(run(), expected, rtol=1e-3, atol=1e-4)
    except Exception as error:
        return Finding("!!", name, f"claims to run and fails: {_one_line(error)}", remedy)
    return Finding("ok", name, "runs, and equals the reference on a small input")


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:300]


def examine() -> dict[str, list[Finding]]:
    """Every section of the report; a section that cannot be examined says why instead."""
    sections = {"Packages": packages, "Machine": machine}
    for device in _devices():
        sections[f"LIF backends on {device}"] = lambda device=device: lif_backends(device)
        sections[f"Selective scan backends on {device}"] = lambda device=device: scan_backends(device)
        sections[f"Causal convolution backends on {device}"] = lambda device=device: convolution_backends(device)
    return {title: _guarded(title, section) for title, section in sections.items()}


def _devices() -> tuple[str, ...]:
    try:
        torch = importlib.import_module("torch")
        return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    except Exception:
        return ("cpu",)


def _guarded(title: str, section: Callable[[], Iterator[Finding]]) -> list[Finding]:
    findings = []
    try:
        findings.extend(section())
    except Exception as error:
        missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
        remedy = REQUIRED.get(missing or "", f"pip install {missing}" if missing else "please report this as a bug")
        findings.append(Finding("!!", "stopped here", f"{type(error).__name__}: {_one_line(error)}", remedy))
    return findings


def report(sections: dict[str, list[Finding]]) -> str:
    """The findings as text, the commands that would fix what is missing below each."""
    lines = [f"snnvtg {snnvtg.__version__}"]
    for title, findings in sections.items():
        lines += ["", title]
        width = max((len(f.name) for f in findings), default=0)
        for f in findings:
            lines.append(f"  {f.state}  {f.name:<{width}}  {f.detail}")
            if f.remedy:
                lines.append(f"      {'':<{width}}  -> {f.remedy}")
    broken = sum(f.state == "!!" for findings in sections.values() for f in findings)
    lines += ["", "Nothing needs fixing." if not broken else f"To be fixed: {broken}, marked !! above."]
    return "\n".join(lines)


def main() -> int:
    """Print the report; the exit status."""
    # what libraries say while they are looked at is not part of the report
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    sections = examine()
    print(report(sections))
    return int(any(f.state == "!!" for findings in sections.values() for f in findings))


if __name__ == "__main__":
    with answered(lambda: "it writes no file; run it again"):
        sys.exit(main())
