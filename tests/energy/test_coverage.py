"""Every model of the project is priced whole, in evaluation and in a training step."""

import dataclasses

import pytest
import torch

from snnvtg.energy import Ledger
from snnvtg.models import MODELS
from snnvtg.models.spikemba import SpikeMba, SpikeMbaLossConfig

VARIANTS = [
    {"text_fusion": "concat"},
    {"attention_order": "values"},
    {"use_cmr": False},
    {"use_ssd": False},
    {"num_slots": 0},
    {"slot_position": "prefix"},
    {"scan_direction": "forward"},
    {"qkv_bn": False},
    {"encoding": "poisson"},
    {"encoding": "latency"},
    {"position": "none"},
    {"cmr_residual": False},
]


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_evaluation_of_every_model_is_priced_whole(name, make_batch):
    model = MODELS[name](MODELS[name].recipe("demo").model, 6, 5).eval()
    account = Ledger.per_query(model, [make_batch([0])], strict=True)
    assert (account.coverage, account.unpriced) == (1.0, {})
    assert account.totals["macs"] > 0


@pytest.mark.parametrize("name", SpikeMba.configs)
@torch.no_grad()
def test_every_preset_is_priced_whole(name, make_batch):
    model = SpikeMba(dataclasses.replace(SpikeMba.configs[name], num_blocks=1), 6, 5).eval()
    account = Ledger.per_query(model, [make_batch([0])], strict=True)
    assert account.coverage == 1
    assert account.totals["neuron_updates"] > 0


@pytest.mark.filterwarnings("ignore::snnvtg.energy.LedgerWarning")  # some fall silent, untrained
@pytest.mark.parametrize("change", VARIANTS, ids=str)
def test_every_variant_of_spikemba_is_priced_whole(tiny, change, make_batch):
    model = SpikeMba(dataclasses.replace(tiny, **change), 6, 5)
    with torch.no_grad(), Ledger(model.eval()) as padded:
        model(make_batch())
    with Ledger(model.train()) as trained:
        out = model(make_batch())
        (out.clips.square().sum() + out.foreground_logits.sum()).backward()
    assert padded.coverage == trained.coverage == 1 and not padded.unpriced and not trained.unpriced
    assert trained.backward_totals["macs"] > 0


def test_a_whole_training_step_is_priced(tiny, make_batch):
    config = dataclasses.replace(tiny, dropout=0.1, input_dropout=0.3, loss=SpikeMbaLossConfig(overlap=1.0))
    model, batch = SpikeMba(config, 6, 5).train(), make_batch()
    optimiser = torch.optim.AdamW(model.parameters())
    with Ledger(model, strict=True) as ledger:
        sum(model.losses(model(batch), batch).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert ledger.coverage == 1


@torch.no_grad()
def test_predictions_are_priced_too(tiny, make_batch):
    model, batch = SpikeMba(tiny, 6, 5).eval(), make_batch([0])
    with Ledger(model, strict=True) as ledger:
        model.predict(model(batch), batch)
    assert ledger.coverage == 1


@torch.no_grad()
def test_bfloat16_by_autocast_halves_the_products_width(tiny, make_batch):
    model, batch = SpikeMba(tiny, 6, 5).eval(), make_batch([0])
    with Ledger(model, strict=True) as full:
        model(batch)
    with torch.autocast("cpu", torch.bfloat16), Ledger(model, strict=True) as half:
        model(batch)
    assert half.totals["macs_dense"] == full.totals["macs_dense"]
    assert {record.width for record in full.records if "mac" in record.counts} == {32}
    assert {record.width for record in half.records if record.op == "aten.addmm"} == {16}
