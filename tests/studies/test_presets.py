import pytest

from snnvtg.errors import InputError
from snnvtg.studies.presets import with_overrides
from snnvtg.training import PRESETS


def test_settings_reach_any_depth():
    preset = with_overrides("small", ["training.epochs=3", "model.lif.beta=0.75", "training.loss.contrastive=0"])
    assert (preset.training.epochs, preset.model.lif.beta, preset.training.loss.contrastive) == (3, 0.75, 0.0)
    assert preset.model.width == PRESETS["small"].model.width


def test_paper_preset_is_the_paper():
    paper = PRESETS["paper"]
    assert (paper.model.width, paper.model.num_blocks, paper.model.num_timesteps) == (256, 6, 8)
    training = paper.training
    assert (training.batch_size, training.learning_rate, training.weight_decay) == (64, 4e-4, 1e-4)
    assert (training.optimiser, training.schedule) == ("adam", "constant")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epoch=3", "no such setting; known here: epochs, batch_size"),
        ("modell.width=3", "no such setting; known here: model, training"),
        ("training=3", "no such setting"),
        ("training.epochs", "expected KEY=VALUE"),
        ("training.epochs=many", "expected a int"),
        ("training.epochs=0", "expected at least 1, got 0"),
        ("model.use_ssd=maybe", "expected True or False"),
        ("model.slot_position=middle", "slot_position"),
        ("model.num_timesteps=0", "num_timesteps: expected at least 1, got 0"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(override, said):
    with pytest.raises(InputError) as caught:
        with_overrides("small", [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["timestep_sweep", "distractors", "ablation", "cross_validate"])
def test_fewer_than_one_worker_is_one_line_in_every_study(command, capsys, name):
    assert command(name, "--workers", 0) == 2
    assert capsys.readouterr().err == "error: workers: expected at least 1, got 0\n"


@pytest.mark.parametrize("name", ["timestep_sweep", "distractors", "ablation", "cross_validate"])
def test_a_device_that_is_not_there_is_one_line_in_every_study(command, capsys, name):
    assert command(name, "--device", "nosuch") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: device 'nosuch' cannot be used")
