import enum
from typing import Literal

import pytest

from snnvtg.errors import InputError
from snnvtg.models.spikemba import SpikeMba
from snnvtg.sweeps.settings import parse, trial_of


class Colour(enum.Enum):
    RED = 1


def test_settings_reach_any_depth():
    trial = trial_of("small", ["training.epochs=3", "model.lif.beta=0.75", "model.loss.contrastive=0"])
    recipe = trial.recipe
    assert (recipe.training.epochs, recipe.model.lif.beta, recipe.model.loss.contrastive) == (3, 0.75, 0.0)
    assert recipe.model.width == SpikeMba.recipe("small").model.width


def test_settings_reach_data_and_inference():
    trial = trial_of("demo", ["data.synthetic.distractor_strength=9", "data.fold=1", "inference.num_timesteps=2"])
    assert (trial.data.synthetic.distractor_strength, trial.data.fold) == (9.0, 1)
    assert trial.inference.num_timesteps == 2
    assert trial_of("demo", ["inference.num_timesteps=none"]).inference.num_timesteps is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (tuple[int, ...], "1,2,4", (1, 2, 4)),
        (tuple[int, ...], "(1, 2)", (1, 2)),
        (tuple[str, float], "a,0.5", ("a", 0.5)),
        (list[float], "[0.5]", [0.5]),
        (tuple[int, ...], "", ()),
        (int | None, "none", None),
        (int | None, "3", 3),
        (Literal[1, "a"], "1", 1),
        (bool, "TRUE", True),
        (Colour, "RED", Colour.RED),
    ],
)
def test_values_are_read_as_their_type(kind, text, value):
    found = parse(kind, text, "key=value")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (tuple[int, ...], "1,b", "expected a whole number"),
        (tuple[int, int], "1", "expected 2 values separated by commas"),
        (int | None, "x", "expected a whole number or none"),
        (Colour, "BLUE", "expected one of RED"),
        (dict[str, int], "a", "cannot be set from text"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, text, said):
    with pytest.raises(InputError, match=said):
        parse(kind, text, "key=value")


def test_paper_preset_is_the_paper():
    paper = SpikeMba.recipe("paper")
    assert (paper.model.width, paper.model.num_blocks, paper.model.num_timesteps) == (256, 6, 8)
    training = paper.training
    assert (training.batch_size, training.learning_rate, training.weight_decay) == (64, 4e-4, 1e-4)
    assert (training.optimiser, training.schedule) == ("adam", "constant")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epoch=3", "no such setting; known here: epochs, batch_size"),
        ("modell.width=3", "no such setting; known here: model, training, data, inference"),
        ("training=3", "no such setting"),
        ("training.epochs", "expected KEY=VALUE"),
        ("training.epochs=many", "expected a whole number"),
        ("training.epochs=0", "expected a number from 1 to 1000000, got 0"),
        ("training.loss.rate=1", "training.loss.rate is now model.loss.rate"),
        ("training.gradient_clip=nan", "gradient_clip: expected a finite number above 0, got nan"),
        ("model.use_ssd=maybe", "expected true or false"),
        ("model.slot_position=middle", "model.slot_position=middle: expected one of suffix, prefix"),
        ("model.num_timesteps=0", "num_timesteps: expected at least 1, got 0"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(override, said):
    with pytest.raises(InputError) as caught:
        trial_of("small", [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["timestep_sweep", "ablation", "tools/cross_validate"])
def test_fewer_than_one_worker_is_one_line_in_every_study(command, capsys, name):
    assert command(name, "--workers", 0) == 2
    assert capsys.readouterr().err == "error: workers: expected at least 1, got 0\n"


@pytest.mark.parametrize("name", ["timestep_sweep", "ablation", "tools/cross_validate"])
def test_a_device_that_is_not_there_is_one_line_in_every_study(command, capsys, name):
    assert command(name, "--device", "nosuch") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: device 'nosuch' cannot be used")
