import pytest

from snnvtg.errors import InputError
from snnvtg.models.spikemba import SpikeMba, SpikeMbaConfig
from snnvtg.models.transformer import Transformer, TransformerConfig
from snnvtg.neurons.surrogate import SURROGATES
from snnvtg.sweeps.declaration import grid_sweep
from snnvtg.sweeps.reader import parse_sweep, read_sweep
from snnvtg.sweeps.settings import trial_of

HEAD = "name: a\ntitle: b\nseeds: [3, 1]\n"


def own(name):
    return parse_sweep(SpikeMba.sweep(name))


@pytest.mark.parametrize("preset", ["demo", "small", "paper"])
@pytest.mark.parametrize("name", SpikeMba.sweeps())
def test_the_models_own_sweeps_fit_every_preset(name, preset):
    sweep = own(name)
    trials = sweep.trials(trial_of(preset))
    assert len(trials) == len(sweep.rows) > 1
    assert sweep.reference is None or sweep.reference in trials


def test_table_4_is_the_papers_six_rows():
    recipes = {name: trial.recipe for name, trial in own("table4").trials(trial_of("paper")).items()}
    assert recipes["full"] == SpikeMba.recipe("paper")
    assert not recipes["without-cmr"].model.use_cmr and recipes["without-cmr"].model.use_ssd
    assert not recipes["without-ssd"].model.use_ssd and recipes["without-ssd"].model.use_cmr
    assert recipes["without-contrastive"].model.loss.contrastive == 0
    assert recipes["without-saliency-proposal"].model.loss.proposal == 0
    assert len(recipes) == 6


def test_the_transformer_takes_every_setting_it_shares():
    sweep = parse_sweep(HEAD + "rows:\n  baseline:\n    model: transformer\n    training.epochs: 2\n")
    recipe = sweep.trials(trial_of("small"))["baseline"].recipe
    assert isinstance(recipe.model, TransformerConfig)
    assert (recipe.model_class, recipe.training.epochs) == (Transformer, 2)
    assert (recipe.model.loss.overlap, recipe.model.loss.entropy_negatives) == (1.0, "batch")
    model = recipe.model
    assert (model.width, model.num_blocks, model.num_heads) == (64, 2, 8)
    assert (model.centre_videos, model.position, model.decoding) == (True, "none", "expected_iou")
    assert model.expand == TransformerConfig().expand != SpikeMbaConfig().expand


def test_every_surrogate_is_swept_and_the_presets_own_is_one_model_with_the_reference():
    sweep = own("surrogates")
    swept = {trial.recipe.model.lif.surrogate for trial in sweep.trials(trial_of("demo")).values()}
    assert swept == set(SURROGATES)


def test_a_grid_is_every_combination_and_preset_leaves_a_setting_alone():
    sweep = parse_sweep(HEAD + "grid:\n  model.num_timesteps: [1, 2]\n  model.num_slots: [preset, 0]\n")
    models = {name: trial.recipe.model for name, trial in sweep.trials(trial_of("demo")).items()}
    found = {name: (model.num_timesteps, model.num_slots) for name, model in models.items()}
    assert found == {
        "num_timesteps=1 num_slots=preset": (1, 4),
        "num_timesteps=1 num_slots=0": (1, 0),
        "num_timesteps=2 num_slots=preset": (2, 4),
        "num_timesteps=2 num_slots=0": (2, 0),
    }
    assert sweep.seeds == (3, 1)
    assert sweep.axes == ("model.num_timesteps", "model.num_slots")
    assert sweep.columns == {"model.num_timesteps": "num_timesteps", "model.num_slots": "num_slots"}


def test_axes_that_end_alike_keep_their_whole_names():
    sweep = grid_sweep("a", "b", {"model.num_timesteps": ["1"], "inference.num_timesteps": ["1", "2"]})
    assert list(sweep.columns.values()) == ["model.num_timesteps", "inference.num_timesteps"]
    assert [trial.inference.num_timesteps for trial in sweep.trials(trial_of("demo")).values()] == [1, 2]


def test_numbers_as_people_write_them():
    rows = "rows:\n  x: {training.learning_rate: 1e-3, model.lif.beta: .5, model.qkv_bn: FALSE, training.epochs: 7}\n"
    recipe = parse_sweep(HEAD + rows).trials(trial_of("demo"))["x"].recipe
    assert (recipe.training.learning_rate, recipe.model.lif.beta) == (0.001, 0.5)
    assert (recipe.model.qkv_bn, recipe.training.epochs) == (False, 7)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "rows:\n  x:\n    model.lif.reset: sof",
            "f.yaml:6: row 'x': model.lif.reset=sof: LIFParameters.reset: expected one of hard, soft",
        ),
        (
            "rows:\n  x:\n    model.slot_position: mid",
            "f.yaml:6: row 'x': model.slot_position=mid: expected one of suffix",
        ),
        ("rows:\n  x:\n    training.epochs: 2.5", "f.yaml:6: row 'x': training.epochs=2.5: expected a whole number"),
        ("rows:\n  x:\n    training.epochs: [1]", "f.yaml:6: row 'x': training.epochs=[1]: expected a whole number"),
        ("rows:\n  x:\n    epochs: 1", "f.yaml:6: row 'x': unknown key 'epochs'; known: model, preset, or a setting"),
        ("rows:\n  x:\n    a.b: 1", "f.yaml:6: row 'x': a.b=1: no such setting; known here: model, training, data"),
        ("rows:\n  x: {}\n  x: {}", "f.yaml:6: 'x' is already there at line 5"),
        ("rows:\n  n/a: {}", "f.yaml:5: row 'n/a': expected another name"),
        ("rows:\n  prior: {}", "f.yaml:5: row 'prior'"),
        ("controls: [blind]\nrows:\n  x: {}", "f.yaml:4: no control 'blind'; known: shuffled-query"),
        ("rows: [a]", "f.yaml:4: rows: expected NAME: VALUE lines"),
        ("rows: {}", "no rows; declare rows, grid or both"),
        ("grid:\n  model.num_timesteps: 1", "f.yaml:5: model.num_timesteps: expected a list"),
        ("grid:\n  model.num_timesteps: [1, 0]", "f.yaml:5: row 'num_timesteps=0': model.num_timesteps=0: num_timest"),
        ("rows:\n  x:\n    model: transformer\n    model.use_cmr: false", "f.yaml:7: row 'x': model.use_cmr=fa"),
        (
            "rows:\n  x:\n    model.width: 30\n    model.num_heads: 5\n    model.num_blocks: 0",
            "f.yaml:8: row 'x': model.num_blocks=0",
        ),
        (
            "rows:\n  x:\n    model.dropout: 2",
            "f.yaml:6: row 'x': model.dropout=2: dropout: expected a share in [0, 1)",
        ),
    ],
)
def test_a_mistake_names_the_line(body, said):
    with pytest.raises(InputError) as caught:
        parse_sweep(HEAD + body + "\n", "f.yaml").trials(trial_of("demo"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml: empty"),
        ("name: a", "f.yaml:1: title is missing"),
        ("name: a b\ntitle: c\nseeds: [0]\nrows: {x: {}}", "f.yaml:1: name: expected letters"),
        ("name: a_queries\ntitle: c\nseeds: [0]\nrows: {x: {}}", "f.yaml:1: name: a_queries.csv may be the overlaps"),
        ("name: a\ntitle: c\nseeds: 0\nrows: {x: {}}", "f.yaml:3: seeds: expected a list"),
        ("name: a\ntitle: c\nseeds: [0, 0]\nrows: {x: {}}", "f.yaml:3: seeds: expected distinct whole numbers"),
        ("name: a\ntitle: c\nseeds: [-1]\nrows: {x: {}}", "f.yaml:3: seeds: expected distinct whole numbers"),
        ("name: a\n\trows: 1", "f.yaml:2: not YAML"),
    ],
)
def test_a_sweep_that_is_none_names_the_line(text, said):
    with pytest.raises(InputError) as caught:
        parse_sweep(text, "f.yaml")
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.yaml: no readable sweep file"):
        read_sweep(tmp_path / "gone.yaml")
