"""The backward pass of leaf operations: the same whichever backend ran, and no change to the gradients."""

import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.models.spikemba import SpikeMba
from snnvtg.neurons import available_backends, set_backend

RUNNABLE = [name for name, reasons in available_backends().items() if reasons is None]


def step(model, batch, ledger=None) -> dict[str, torch.Tensor]:
    model.zero_grad()
    out = model(batch)
    (out.clips.square().sum() + out.foreground_logits.sum() + sum(s.mean() for s in out.spikes)).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.fixture
def model(tiny) -> SpikeMba:
    torch.manual_seed(0)
    return SpikeMba(tiny, 6, 5).train()


def test_gradients_are_those_without_a_ledger(model, make_batch):
    expected = step(model, make_batch())
    with Ledger(model, strict=True) as ledger:
        found = step(model, make_batch())
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-6)
    assert ledger.coverage == 1


def test_every_neuron_backend_costs_the_same_training_step(model, make_batch):
    accounts = {}
    for backend in RUNNABLE:
        set_backend(model, backend)
        with Ledger(model, strict=True) as ledger:
            step(model, make_batch())
        accounts[backend] = ledger.totals, ledger.backward_totals
    assert len(accounts) >= 2
    assert all(account == accounts["reference"] for account in accounts.values())


def test_a_lif_layer_backward_is_counted_a_neuron_and_step(model, make_batch):
    with Ledger(model) as ledger:
        step(model, make_batch())
    forward = [record for record in ledger.records if record.op == "lif"]
    backward = [record for record in ledger.records if record.op == "lif.backward"]
    assert len(forward) == len(backward) == 8
    assert sum(record.counts["mul"][0] for record in backward) == 6 * sum(record.outputs for record in forward)
    assert {record.phase for record in backward} == {"backward"}


def test_the_forward_of_a_training_step_is_that_of_training_without_gradients(model, make_batch):
    with Ledger(model) as with_gradients:
        step(model, make_batch())
    with torch.no_grad(), Ledger(model) as without:
        model(make_batch())
    assert with_gradients.totals["synops"] == without.totals["synops"]
    assert with_gradients.totals["macs_dense"] == without.totals["macs_dense"]
    assert not without.backward_totals["macs"]


def test_clipping_and_the_optimiser_stand_apart_from_both_passes(model, make_batch):
    batch = make_batch()
    with Ledger(model, strict=True) as passes:
        step(model, batch)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.0, foreach=True)  # the same spikes again
    with Ledger(model, strict=True) as whole:
        for _ in range(2):
            step(model, batch)
            optimiser.step()
    assert whole.totals["macs"] == 2 * passes.totals["macs"]
    assert whole.totals["add"] == 2 * passes.totals["add"]
    assert whole.backward_totals["macs"] == 2 * passes.backward_totals["macs"]
    trained = sum(p.numel() for p in model.parameters() if p.grad is not None)
    assert whole.update_totals["add"] == 2 * trained  # weight − lr · gradient
