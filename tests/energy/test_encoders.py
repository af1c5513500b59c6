"""Spikes that no neuron made: an encoder in front of Q, K and V turns their MACs into accumulates, T times."""

import dataclasses

import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.energy.crosscheck import cross_check
from snnvtg.models.spikemba import SpikeMba, SpikingSaliencyDetector
from snnvtg.neurons import LIFParameters

T, M, D = 3, 5, 4


def recorded(encoding: str, **options) -> Ledger:
    torch.manual_seed(0)
    options = {"scale": 0.125, "qkv_bn": True, "order": "scores", **options}
    model = SpikingSaliencyDetector(D, 2, LIFParameters(), encoding=encoding, **options).eval()
    with torch.no_grad(), Ledger(model, strict=True) as ledger:
        model(torch.randn(1, M, D), torch.ones(1, M, dtype=torch.bool), T)
    return ledger


def projection(ledger: Ledger):
    (record,) = (record for record in ledger.records if record.module == "q_proj")
    return record


def test_direct_encoding_multiplies_once():
    assert projection(recorded("direct")).counts["mac"] == (M * D * D, M * D * D)


@pytest.mark.parametrize("encoding", ["poisson", "latency"])
def test_encoded_tokens_add_a_row_of_weights_for_each_spike(encoding):
    ledger = recorded(encoding)
    (made,) = (record for record in ledger.records if record.op == "encode")
    record = projection(ledger)
    assert 0 < made.spikes_out < T * M * D
    assert record.counts["ac"] == (made.spikes_out * D, T * M * D * D)
    assert (record.spikes_in, record.dense_in, record.num_timesteps) == (made.spikes_out, T * M * D, T)
    # the encoder is no neuron: four LIF layers update, T times each
    assert ledger.totals["neuron_updates"] == 4 * T * M * D
    # a folded normalisation in front of Q's neurons meets T currents instead of one
    affine = {r.module: r.counts["mul"][1] for r in ledger.records if r.op == "lif.affine"}
    assert affine["q_lif"] == T * M * D


def test_the_encoders_own_work():
    n = M * D
    (poisson,) = (record for record in recorded("poisson").records if record.op == "encode")
    assert poisson.counts == {"random": (T * n, T * n), "compare": (T * n, T * n)}
    (latency,) = (record for record in recorded("latency").records if record.op == "encode")
    assert latency.counts == {"add": (2 * n, 2 * n), "mul": (n, n), "compare": (T * n, T * n)}
    assert latency.spikes_out <= n


@torch.no_grad()
@pytest.mark.parametrize("encoding", ["poisson", "latency"])
def test_fvcore_and_torch_count_the_same_dense_products(encoding, tiny, make_batch):
    model = SpikeMba(dataclasses.replace(tiny, encoding=encoding), 6, 5).eval()
    checked = cross_check(model, make_batch([0])).set_index("group")
    assert checked.ledger["linear"] == checked.fvcore["linear"] == checked.torch["linear"] > 0
