"""Energy that a meter read, told apart from any estimate: what the machine really used to simulate the network densely.

NVML (through nvidia-ml-py) gives the energy of a whole GPU, RAPL (/sys/class/powercap) that of a whole processor
package. Both include everything else that ran on it; the idle draw over the same time is measured first and reported
beside, not subtracted in silence.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from snnvtg.energy.report_format import cell, readable, to_markdown

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Meter:
    """A counter of energy. `read` gives joules since some time; `wrap` is where the counter starts again, 0: never."""

    name: str
    read: Callable[[], float]
    wrap: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """Joules a meter read over `repeats` calls, and what the idle device uses in the same time."""

    meter: str
    joules: float
    idle_joules: float
    seconds: float
    repeats: int

    @property
    def per_call_pj(self) -> float:
        """Everything the meter saw, per call."""
        return self.joules / self.repeats * 1e12

    @property
    def above_idle_pj(self) -> float:
        """The same less the idle draw, per call; can be negative where the work is below the meter's noise."""
        return (self.joules - self.idle_joules) / self.repeats * 1e12


def meters(powercap: Path = POWERCAP) -> tuple[list[Meter], list[str]]:
    """Meters that work on this machine, and for each kind that does not the reason."""
    found, reasons = [], []
    for make in (_nvml, lambda: _rapl(powercap)):
        made, why_not = make()
        found += made
        reasons += why_not
    return found, reasons


def read_meter(
    work: Callable[[], object], meter: Meter, *, seconds: float = 5.0, synchronise: Callable[[], object] | None = None
) -> Measurement:
    """Call `work` again and again for about `seconds`, after as long at idle; `synchronise` waits for the device."""
    wait = synchronise or (lambda: None)
    work()
    wait()
    start = meter.read()
    time.sleep(seconds)
    idle_joules = _difference(start, meter.read(), meter)
    repeats, began, start = 0, time.perf_counter(), meter.read()
    while time.perf_counter() - began < seconds:
        work()
        wait()
        repeats += 1
    joules, took = _difference(start, meter.read(), meter), time.perf_counter() - began
    return Measurement(meter.name, joules, idle_joules * took / seconds, took, repeats)


def _difference(start: float, end: float, meter: Meter) -> float:
    return end - start if end >= start else end + meter.wrap - start


def _nvml() -> tuple[list[Meter], list[str]]:
    try:
        import pynvml
    except ImportError:
        return [], ["NVML: nvidia-ml-py is not installed (pip install nvidia-ml-py)"]
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        made = []
        for i, handle in enumerate(handles):
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)

            def read(handle=handle) -> float:
                return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3  # given in millijoules

            made.append(Meter(f"NVML GPU {i} ({pynvml.nvmlDeviceGetName(handle)})", read))
        return made, []
    except pynvml.NVMLError as error:
        return [], [f"NVML: {error}"]


def _rapl(powercap: Path) -> tuple[list[Meter], list[str]]:
    packages = sorted(p for p in powercap.glob("intel-rapl:*") if p.name.count(":") == 1)
    if not packages:
        return [], [f"RAPL: {powercap} shows no intel-rapl package (virtual machines and containers hide it)"]
    made = []
    for package in packages:
        counter = package / "energy_uj"
        try:
            counter.read_text()
            wrap = int((package / "max_energy_range_uj").read_text()) / 1e6
            name = (package / "name").read_text().strip()
        except PermissionError:
            return [], [f"RAPL: {counter} is readable by root only (sudo chmod a+r {counter})"]
        except (OSError, ValueError) as error:
            return [], [f"RAPL: {counter} gives no reading ({error})"]
        made.append(Meter(f"RAPL {name}", lambda counter=counter: int(counter.read_text()) / 1e6, wrap))
    return made, []


def measured_section(
    work: Callable[[], object], queries: int, estimate_pj: float, synchronise: Callable[[], object] | None = None
) -> str:
    """A report's section: what this machine's meters read while `work` ran `queries`, or why there is no meter."""
    found, reasons = meters()
    lines = ["## Measured on this machine (the dense simulation, not a neuromorphic chip)", ""]
    if not found:
        return "\n".join([*lines, no_meter(reasons), ""])
    rows = []
    for meter in found:
        reading = read_meter(work, meter, synchronise=synchronise)
        shares = {"all_it_saw_pj": reading.per_call_pj, "above_idle_pj": reading.above_idle_pj}
        rows.append({"meter": meter.name, **{name: value / queries for name, value in shares.items()}})
    lines += [to_markdown(readable(pd.DataFrame(rows)))]
    lines += [f"Per query; the 45 nm fp32 estimate is {cell(estimate_pj / 1e6)} µJ.", ""]
    return "\n".join(lines + [f"Not read: {reason}." for reason in reasons])


def no_meter(reasons: list[str]) -> str:
    """One line that says why nothing was measured."""
    return f"No energy meter: {'; '.join(reasons)}."
