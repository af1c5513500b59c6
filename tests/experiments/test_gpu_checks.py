"""What gpu_checks.py does with checks that fail, hang or have no time left; the checks themselves need a GPU."""

import importlib.util
import json
import time
from pathlib import Path

import pytest
import torch

SOURCE = Path(__file__).parents[2] / "experiments" / "gpu_checks.py"


@pytest.fixture
def checks():
    spec = importlib.util.spec_from_file_location("gpu_checks", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_check_that_fails_or_hangs_does_not_stop_the_next(checks, monkeypatch, tmp_path):
    hanging = "import subprocess, sys, time; print('begun', subprocess.Popen(['sleep', '60']).pid); time.sleep(60)"
    commands = {
        "fails": ("-c \"import sys; print('out'); sys.exit('reason')\"", 30),
        "hangs": (f'-c "{hanging}"', 6),
        "works": ("-c \"print('fine')\"", 30),
    }
    monkeypatch.setattr(checks, "CHECKS", commands)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a pretended GPU")
    out = tmp_path / "gpu_checks.json"
    with pytest.raises(SystemExit) as ended:
        checks.main(checks.Options(only=tuple(commands), out=out))
    assert ended.value.code == 1
    found = {check["check"]: check for check in json.loads(out.read_text())["checks"]}
    assert {name: check["exit"] for name, check in found.items()} == {"fails": 1, "hangs": 124, "works": 0}
    assert found["fails"]["said"] == ["out", "reason"]
    begun, child = found["hangs"]["said"][0].split()
    assert begun == "begun"
    time.sleep(0.2)
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z", "what a hanging check started lives on"
    assert "| works |" in out.with_suffix(".md").read_text()


def test_a_check_without_time_is_listed_and_not_begun(checks, tmp_path):
    marker = tmp_path / "begun"
    result = checks.checked(["-c", f"open({str(marker)!r}, 'w')"], 1.0)
    assert result["exit"] == 125 and not marker.exists()


def test_the_checks_fit_into_ten_minutes_and_name_files_that_exist(checks):
    assert checks.Options().seconds < 600
    for command, most in checks.CHECKS.values():
        assert 0 < most <= 150
        first = command.split()[0]
        assert first == "-m" or (SOURCE.parents[1] / first).exists()


def test_without_a_gpu_it_says_so(command, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert command("gpu_checks") == 2
    assert "no CUDA device" in capsys.readouterr().err
