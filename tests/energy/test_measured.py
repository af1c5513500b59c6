"""Meters: what a counter read, its wrap, and the reasons where there is none."""

import itertools
import sys
import types

import pytest

from snnvtg.energy.measured import Meter, meters, read_meter


def test_a_measurement_is_the_difference_over_the_calls():
    readings = itertools.count(0.0, 2.5)
    calls = []
    found = read_meter(lambda: calls.append(1), Meter("test", lambda: next(readings)), seconds=0.05)
    assert (found.joules, found.repeats) == (2.5, len(calls) - 1)  # the first call warms up
    assert found.per_call_pj == pytest.approx(2.5 / found.repeats * 1e12)
    assert found.idle_joules == pytest.approx(2.5 * found.seconds / 0.05)
    assert found.above_idle_pj == pytest.approx((2.5 - found.idle_joules) / found.repeats * 1e12)


def test_a_counter_that_wraps_is_followed():
    readings = iter([9.0, 9.5, 9.5, 1.0])
    found = read_meter(lambda: None, Meter("test", lambda: next(readings), wrap=10.0), seconds=0.01)
    assert found.joules == pytest.approx(1.5)


def test_a_processor_package_is_read_in_joules(tmp_path):
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    for name, text in {"energy_uj": "2500000", "max_energy_range_uj": "262143328850", "name": "package-0"}.items():
        (package / name).write_text(f"{text}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package, not one more
    found, _ = meters(tmp_path)
    (rapl,) = [meter for meter in found if meter.name.startswith("RAPL")]
    assert (rapl.name, rapl.read(), rapl.wrap) == ("RAPL package-0", 2.5, pytest.approx(262143.32885))


def test_without_a_meter_there_is_a_reason(tmp_path):
    found, reasons = meters(tmp_path)
    assert not [meter for meter in found if meter.name.startswith("RAPL")]
    assert any(reason.startswith("RAPL") for reason in reasons)


def test_a_package_without_a_counter_is_a_reason_not_a_crash(tmp_path):
    (tmp_path / "intel-rapl:0").mkdir()
    found, reasons = meters(tmp_path)
    assert not [meter for meter in found if meter.name.startswith("RAPL")]
    assert any("gives no reading" in reason for reason in reasons)


class FakeNVML(types.ModuleType):
    """One GPU whose counter stands at 2,500 mJ; `broken` GPUs have none."""

    class NVMLError(Exception):
        pass

    def __init__(self, broken: bool):
        super().__init__("pynvml")
        self.broken = broken

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "H200"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if self.broken:
            raise self.NVMLError("Not Supported")
        return 2500


def test_a_gpu_is_read_in_joules(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNVML(broken=False))
    found, _ = meters(tmp_path)
    (gpu,) = [meter for meter in found if meter.name.startswith("NVML")]
    assert (gpu.name, gpu.read(), gpu.wrap) == ("NVML GPU 0 (H200)", 2.5, 0)


def test_a_gpu_without_a_counter_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNVML(broken=True))
    found, reasons = meters(tmp_path)
    assert not found
    assert "NVML: Not Supported" in reasons
