"""The doctor explains what is missing and never ends in a traceback."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from snnvtg import doctor
from snnvtg.scan.selective import SELECTIVE_SCAN

WITHOUT = """
import importlib.metadata, runpy, sys
gone = {gone!r}
for name in gone:
    sys.modules[name.replace("-", "_")] = None
version = importlib.metadata.version
def installed(name):
    if name in gone:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = installed
runpy.run_module("snnvtg.doctor", run_name="__main__")
"""


def run(*arguments, **environment):
    """(exit status, output) of a python process."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    return done.returncode, output


def test_on_a_machine_without_a_compiler_the_compiled_backends_are_explained(tmp_path):
    environment = {"PATH": str(tmp_path), "CXX": "", "SNNVTG_CACHE": str(tmp_path)}
    status, output = run("-m", "snnvtg.doctor", **environment)
    assert status == 0, output
    assert "C++ compiler" in output
    assert "none found" in output
    scan = output.split("Selective scan backends on cpu")[1].split("Causal")[0].splitlines()
    assert any(line.startswith("  --  cpu") and "no C++ compiler was found" in line for line in scan)
    assert any(line.startswith("  ok  torch") for line in scan)
    assert "apt-get install g++" in output


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_on_a_machine_without_a_gpu_the_gpu_backends_say_what_they_need():
    status, output = run("-m", "snnvtg.doctor")
    assert status == 0, output
    assert "--  GPU" in output
    assert "backends on cuda" not in output
    assert "it needs cuda tensors" in output
    assert "MAMBA_FORCE_BUILD=TRUE pip install" in output


def test_without_snntorch_the_rest_still_works():
    status, output = run("-c", WITHOUT.format(gone=["snntorch"]))
    assert status == 1
    assert "!!  snntorch" in output
    assert "pip install snntorch" in output
    lif = output.split("LIF backends on cpu")[1].split("Selective")[0].splitlines()
    assert any(line.startswith("  --  snntorch") for line in lif)
    assert any(line.startswith("  ok  reference") for line in lif)


def test_without_torch_the_report_still_comes_and_says_how_to_get_it():
    status, output = run("-c", WITHOUT.format(gone=["torch"]))
    assert status == 1
    assert "!!  torch" in output
    assert "pip install 'torch>=2.6" in output


def test_a_backend_that_claims_to_run_and_answers_wrongly_is_marked(monkeypatch):
    wrong = replace(SELECTIVE_SCAN.backends["torch"], run=lambda scan: (scan.directions[0].u + 1, []))
    monkeypatch.setitem(SELECTIVE_SCAN.backends, "torch", wrong)
    found = {finding.name: finding for finding in doctor.scan_backends("cpu")}
    assert found["torch"].state == "!!"
    assert "claims to run and fails" in found["torch"].detail
    assert found["reference"].state == "ok"


def test_a_section_that_cannot_be_examined_is_a_line_of_the_report(monkeypatch, capsys):
    def broken():
        yield doctor.Finding("ok", "first", "seen")
        raise OSError("the disk\nis gone")

    monkeypatch.setattr(doctor, "machine", broken)
    monkeypatch.setattr(doctor, "_devices", lambda: ())
    monkeypatch.setattr(doctor.logging, "disable", lambda level: None)
    assert doctor.main() == 1
    printed = capsys.readouterr().out
    assert "ok  first" in printed
    assert "OSError: the disk is gone" in printed
    assert "To be fixed: 1" in printed
