"""Every backend against the reference, and the suite against backends that are wrong on purpose."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from snnvtg import operator_checks
from snnvtg.errors import InputError
from snnvtg.neurons.backends import BACKENDS, LIF_OPERATION, available_backends
from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.backends.reference import REFERENCE
from snnvtg.neurons.conformance import CASES, CHECKS, KINDS, Subject, run_check
from snnvtg.neurons.conformance.__main__ import main

HERE = [name for name, reasons in available_backends().items() if reasons is None]
FULL = ("reference", "fused", "torch")  # these refuse nothing
BEYOND = ("potentials", "truncated back propagation", "a value per neuron")  # other libraries may refuse these


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("backend", HERE)
def test_backend_equals_the_reference(backend, check):
    results = [run_check(Subject(BACKENDS[backend]), check, case) for case in CASES]
    assert [r for r in results if r.outcome == "failed"] == []
    if check not in BEYOND:
        assert results[0].outcome == "passed", "the default neuron is refused by nobody"
    if backend in FULL:
        assert [r for r in results if r.outcome == "refused"] == []


def wrong(change) -> Backend:
    """The reference with one mistake."""
    return replace(REFERENCE, name="wrong", run=lambda neuron, inputs: change(neuron, inputs))


def fires_above_only(neuron, inputs):
    threshold = torch.nextafter(inputs.v_threshold.detach(), torch.tensor(9.0, dtype=inputs.v_threshold.dtype))
    return REFERENCE.run(neuron, replace(inputs, v_threshold=threshold + 0 * inputs.v_threshold))


def ignores_the_initial_state(neuron, inputs):
    return REFERENCE.run(neuron, replace(inputs, v=None))


def always_detaches(neuron, inputs):
    return REFERENCE.run(replace(neuron, parameters=replace(neuron.parameters, detach_reset=True)), inputs)


def returns_the_state_before_the_leak(neuron, inputs):
    spikes, v = REFERENCE.run(neuron, inputs)
    return spikes, v / neuron.parameters.beta if neuron.parameters.beta else v


def takes_nan_for_silence(neuron, inputs):
    spikes, v = REFERENCE.run(neuron, inputs)
    return torch.where(spikes.isnan(), 0.0, spikes).to(spikes.dtype), v


def is_random(neuron, inputs):
    spikes, v = REFERENCE.run(neuron, inputs)
    return spikes, v + 1e-7 * torch.rand_like(v)


@pytest.mark.parametrize(
    "mistake, check, case",
    [
        (fires_above_only, "ties at the threshold", "default"),
        (ignores_the_initial_state, "one step", "default"),
        (always_detaches, "finite differences", "full reset gradient"),
        (always_detaches, "spikes state and gradients", "full reset gradient"),
        (returns_the_state_before_the_leak, "spikes state and gradients", "default"),
        (takes_nan_for_silence, "nan is no spike", "default"),
        (is_random, "deterministic", "default"),
    ],
)
def test_suite_catches(mistake, check, case):
    assert run_check(Subject(wrong(mistake)), check, case).outcome == "failed"


def test_command_reports_and_exits_0(capsys):
    assert main("snnvtg.neurons.backends.fused:FUSED", part="values") == 0
    everything = len(CASES) * len(CHECKS)
    assert capsys.readouterr().out.splitlines()[-1] == f"fused on cpu (bit for bit): {everything} passed"


def test_command_shows_refusals_and_fails_on_failures(capsys, monkeypatch):
    monkeypatch.setitem(BACKENDS, "wrong", replace(wrong(takes_nan_for_silence), refuses=BACKENDS["snntorch"].refuses))
    assert main("wrong", part="values") == 1
    printed = capsys.readouterr().out
    assert "failed   nan is no spike · default: NaN at step 2 of 5 gave" in printed
    assert "refused  snnTorch subtracts the threshold after the leak" in printed


MINE = """
from snnvtg.neurons.backends.base import Backend
from snnvtg.neurons.backends.fused import FUSED

MINE = Backend("mine", FUSED.run, missing=FUSED.missing, refuses=FUSED.refuses, examples=FUSED.examples)
"""


def test_command_runs_other_peoples_programs_on_a_backend_of_ones_own(capsys, monkeypatch, tmp_path):
    (tmp_path / "conforming_backend.py").write_text(MINE)
    some = ("func grad", "forward mode", "opcheck", "spawned loader workers")
    monkeypatch.setattr(operator_checks, "CHECKS", {name: operator_checks.CHECKS[name] for name in some})
    assert main(f"{tmp_path / 'conforming_backend.py'}:MINE", part="programs") == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    # the workers of a fresh process are tried with one kind of neuron, the rest with each
    kinds = len(KINDS)
    assert last == [
        f"refused  it has no forward-mode derivative ({kinds} times, first: forward mode · default)",
        f"mine on cpu (bit for bit): {2 * kinds + 1} passed, {kinds} refused",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("backend", HERE)
def test_command_runs_everything_on_every_backend(backend):
    assert main(backend) == 0


@pytest.mark.parametrize("name", ["nope", "snnvtg.neurons:NOPE", "snnvtg.neurons:LIF", "no.such.module:X"])
def test_command_names_what_it_cannot_find(name):
    with pytest.raises(InputError, match=name.rpartition(":")[2]):
        LIF_OPERATION.named(name)


def test_command_line_ends_bad_input_with_status_2():
    command = [sys.executable, "-m", "snnvtg.neurons.conformance", "nope"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
