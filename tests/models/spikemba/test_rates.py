import dataclasses

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.instrumentation import FiringRates
from snnvtg.models.spikemba import SpikeMba, SpikeMbaLossConfig
from snnvtg.models.spikemba.losses import rate_loss
from snnvtg.models.spikemba.rates import masked_rate, recorded_rates
from snnvtg.neurons import available_backends, set_backend
from snnvtg.training.loop import _Run


def built(config, **changes):
    torch.manual_seed(0)
    return SpikeMba(dataclasses.replace(config, **changes), video_width=6, text_width=5)


def test_rate_loss_by_hand():
    rates = {"q": torch.tensor(0.5), "k": torch.tensor(0.1), "v": torch.tensor(0.2), "out": torch.tensor(0.0)}
    # above the target of 0.1 by 0.4, 0, 0.1 and not at all
    assert rate_loss(rates, SpikeMbaLossConfig(rate=1)).item() == pytest.approx((0.16 + 0.01) / 4)
    assert rate_loss(rates, SpikeMbaLossConfig(rate=1, rate_target=0)).item() == pytest.approx((0.25 + 0.01 + 0.04) / 4)


def test_masked_rate_leaves_padding_out():
    spikes = torch.zeros(2, 2, 3, 4)
    spikes[0, 0, 0] = 1  # 4 spikes of 2 steps × 4 positions × 4 channels
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert masked_rate(spikes, mask).item() == 4 / 32
    spikes[:, 1, 1:] = 1
    assert masked_rate(spikes, mask).item() == 4 / 32


@pytest.mark.parametrize("encoding", ["direct", "latency"])
def test_recorded_rates_are_those_counted(tiny, make_batch, encoding):
    model = built(tiny, encoding=encoding).train()
    with torch.no_grad(), recorded_rates(model) as rates, FiringRates(model) as counted:
        model(make_batch())
    assert list(rates) == [f"blocks.{b}.ssd.{n}_lif" for b in range(2) for n in ("q", "k", "v", "out")]
    for name, rate in rates.items():
        assert 0 < counted[name] < 1
        assert rate.item() == pytest.approx(counted[name], rel=1e-5)


def test_nothing_stays_behind(tiny, make_batch):
    model = built(tiny)
    with recorded_rates(model) as rates:
        model(make_batch())
    rates.clear()
    model(make_batch())
    assert not rates
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("backend", [name for name, why in available_backends().items() if not why])
def test_its_gradient_is_the_same_under_every_backend(tiny, make_batch, backend):
    def gradients(name):
        model, batch = built(tiny), make_batch()
        set_backend(model, name)
        with recorded_rates(model) as rates:
            model(batch)
        rate_loss(rates, SpikeMbaLossConfig(rate=1)).backward()
        return {n: p.grad for n, p in model.named_parameters() if ".ssd." in n}

    expected = gradients("reference")
    for name, grad in gradients(backend).items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-3, atol=1e-7)
    norms = {n: g.abs().sum() for n, g in expected.items() if n.endswith("norm.bias")}
    assert len(norms) == 8 and all(norm > 0 for norm in norms.values())


def test_training_on_it_lowers_the_firing_rate(small_data, tiny, quick, recipe):
    def trained(weight):
        loss = SpikeMbaLossConfig(rate=weight, rate_target=0.05)
        config = dataclasses.replace(quick, learning_rate=5e-3, ema_decay=0, schedule="constant")
        run = _Run(recipe(dataclasses.replace(tiny, loss=loss), config), small_data, 1, "cpu")
        for _ in range(10):
            run.one_epoch()
        with torch.no_grad(), FiringRates(run.model.eval()) as rates:
            run.model(small_data.val.batch(range(8)))
        return rates

    free, held = trained(0.0), trained(100.0)
    assert held.firing_rate < 0.6 * free.firing_rate
    assert all(held[name] < free[name] for name in free)


def test_no_weight_changes_no_bit(small_data, tiny, quick, recipe):
    def state(loss):
        run = _Run(recipe(dataclasses.replace(tiny, loss=loss), quick), small_data, 1, "cpu")
        run.one_epoch()
        return run.model.state_dict()

    plain, without = state(SpikeMbaLossConfig()), state(SpikeMbaLossConfig(rate=0.0, rate_target=0.7))
    assert all(torch.equal(plain[key], without[key]) for key in plain)


def test_a_run_without_its_rates_is_an_error_and_a_model_without_spikes_has_no_term(tiny, make_batch):
    penalised = dataclasses.replace(tiny, loss=SpikeMbaLossConfig(rate=1.0))
    batch, model = make_batch(), built(penalised)
    output = model.eval()(batch)
    with pytest.raises(InputError, match=r"loss\.rate: expected the firing rates of a run in training mode"):
        model.train().losses(output, batch)
    assert "rate" in model.losses(model(batch), batch)
    silent = built(penalised, use_ssd=False).train()
    assert not {"rate", "contrastive"} & silent.losses(silent(batch), batch).keys()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate": -1.0}, r"loss\.rate: expected a finite number of at least 0"),
        ({"rate_target": 1.5}, "rate_target: expected spikes"),
    ],
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(InputError, match=words):
        SpikeMbaLossConfig(**settings)
