"""Every knob an ablation turns, given as `--set` gives it, trains; and what a knob must not break, it does not."""

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.models.spikemba import SpikeMba
from snnvtg.neurons import LIF, SURROGATES, LIFParameters
from snnvtg.sweeps.settings import trial_of
from snnvtg.training import load_checkpoint, train
from snnvtg.training.loop import _Run

SMALL = (
    "model.width=16 model.num_blocks=1 model.num_heads=2 model.num_timesteps=3 model.state_size=4 training.epochs=1 "
    "training.batch_size=12 training.warmup_epochs=0"
).split()
KNOBS = [
    "model.lif.reset=soft",
    "model.lif.detach_reset=False",
    "model.lif.reset=soft model.lif.detach_reset=False",
    "model.lif.learn_beta=True",
    "model.lif.learn_threshold=True",
    "model.lif.learn_beta=True model.lif.learn_threshold=True model.lif.reset=soft training.optimiser=adamw",
    *(f"model.lif.surrogate={name}" for name in SURROGATES),
    *(f"model.num_slots={number}" for number in (0, 4, 16)),
    "model.slot_position=prefix",
    "model.scan_direction=forward",
    "model.scan_direction=forward model.slot_position=prefix",
    "model.loss.contrastive_form=printed",
    "model.loss.contrastive=0",
    "model.loss.proposal=0",
    "model.use_cmr=False",
    "model.use_ssd=False",
    "model.detector=dense",
    "model.qkv_bn=False",
    "model.attention_order=scores",
    "model.attention_order=values",
    "model.encoding=poisson",
    "model.encoding=latency",
    "model.encoding=poisson model.qkv_bn=False",
    "model.loss.rate=30 model.loss.rate_target=0.05",
    "model.feedback=true model.threshold_spread=0.5 model.loss.rate=30 model.loss.rate_target=0.05",
    "model.encoding=between",
    "model.alignment=match model.proposal_current=matched model.proposals_weigh=true model.mrm_gate=rates "
    "model.loss.saliency=0.5 model.match_words=weighted model.match_features=product",
    "model.text_fusion=attended model.loss.contrastive_form=symmetric",
]


def run_of(data, *settings, seed=1) -> _Run:
    return _Run(trial_of("demo", [*SMALL, *settings]).recipe, data, seed, "cpu")


@pytest.mark.parametrize("knob", KNOBS)
def test_two_steps_train_with_finite_gradients_that_reach_the_knob(small_data, knob):
    run = run_of(small_data, *knob.split())
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    run.one_epoch()
    assert run.optimisation.step == 2
    # a bias in front of a batch normalisation has no effect; neither has a shift of all attention scores
    effectless = ("_proj.bias", "score.bias") if run.recipe.model.qkv_bn else ("out_proj.bias", "score.bias")
    for name, parameter in run.model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith(effectless):
            assert parameter.grad.any(), name
            assert not torch.equal(parameter, before[name]), name
    assert all(torch.isfinite(value).all() for value in run.model.state_dict().values())


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_weight_decay_does_not_touch_learned_neurons(small_data, optimiser):
    settings = ["model.lif.learn_beta=True", "model.lif.learn_threshold=True", f"training.optimiser={optimiser}"]
    run = run_of(small_data, *settings, "training.weight_decay=0.5")
    neurons = {name: p for name, p in run.model.named_parameters() if name.endswith(("_lif.beta", "_lif.v_threshold"))}
    assert len(neurons) == 8
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    for parameter in run.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    run.optimisation.optimiser.step()
    for name, parameter in run.model.named_parameters():
        # without a gradient only the decay moves anything
        assert torch.equal(parameter, before[name]) == (name in neurons or not before[name].any()), name


def test_learned_neurons_stay_valid_however_large_the_step(small_data):
    settings = ["model.lif.learn_beta=True", "model.lif.learn_threshold=True", "training.learning_rate=0.7"]
    run = run_of(small_data, *settings, "model.lif.v_threshold=0.5")
    left = set()
    constrain = LIF.constrain_

    def watched(layer):
        left.update({"beta"} if not 0 <= layer.beta <= 1 else set())
        left.update({"v_threshold"} if layer.v_threshold < 0.005 else set())
        constrain(layer)
        assert 0 <= layer.beta <= 1
        assert layer.v_threshold >= 0.005

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LIF, "constrain_", watched)
        for batch in [small_data.train.batch(range(8))] * 3:
            run._one_step(batch)
    assert left == {"beta", "v_threshold"}  # the steps were large enough to need it


def test_a_leak_that_was_pushed_out_of_range_can_come_back():
    layer, current = LIF(LIFParameters(learn_beta=True)), torch.full((4, 1, 1), 0.3)
    with torch.no_grad():
        layer.beta.fill_(1.2)
    layer(current).sum().backward()
    assert layer.beta.grad == 0  # clamped: no way back
    layer.constrain_()
    layer.beta.grad = None
    layer(current).sum().backward()
    assert layer.beta == 1
    assert layer.beta.grad > 0


def test_without_learned_neurons_the_optimiser_has_one_group(small_data):
    assert len(run_of(small_data).optimisation.optimiser.param_groups) == 1


def test_without_a_detector_there_is_no_contrastive_and_no_rate_loss(small_data):
    run = run_of(small_data, "model.use_ssd=False", "model.loss.rate=1", "model.loss.contrastive=1")
    assert not [m for m in run.model.modules() if isinstance(m, LIF)]
    run.one_epoch()
    assert run.optimisation.step == 2


def test_an_unknown_encoding_is_named():
    with pytest.raises(InputError, match=r"model\.encoding=rate: expected one of direct, between, poisson, latency"):
        trial_of("demo", ["model.encoding=rate"])


def test_a_checkpoint_from_before_these_knobs_still_loads(small_data, tmp_path):
    recipe = trial_of("demo", SMALL).recipe
    path = tmp_path / "last.pt"
    train(recipe, small_data, seed=1, folder=tmp_path, quiet=True)
    content = torch.load(path, weights_only=True)
    del content["model"]["encoding"], content["model"]["loss"]["rate"], content["model"]["loss"]["rate_target"]
    torch.save(content, path)
    loaded = load_checkpoint(path)
    assert loaded.recipe == recipe
    assert isinstance(loaded.build(), SpikeMba)
    run = _Run(recipe, small_data, 1, "cpu")
    run.restore(loaded, path)
    assert run.epoch == 1


def test_poisson_evaluation_is_the_same_at_any_batch_size(small_data):
    run = run_of(small_data, "model.encoding=poisson")
    run.one_epoch()
    model = run.model.eval()
    with torch.no_grad():
        together = model(small_data.test.batch(range(8)))
        torch.rand(5)  # the generator's state is nobody's business in evaluation
        for i in range(8):
            alone = model(small_data.test.batch([i]))
            count = alone.spikes[0].shape[2]
            assert torch.equal(together.spikes[0][:, i, :count], alone.spikes[0][:, 0])
