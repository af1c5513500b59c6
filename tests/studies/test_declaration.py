from pathlib import Path

import pytest

from snnvtg.errors import InputError
from snnvtg.models import SpikeMbaConfig, TransformerConfig
from snnvtg.neurons.surrogate import SURROGATES
from snnvtg.studies.declaration import parse_sweep, read_sweep
from snnvtg.training import PRESETS

FILES = sorted((Path(__file__).parents[2] / "experiments/sweeps").glob("*.yaml"))
HEAD = "name: a\ntitle: b\nseeds: [3, 1]\n"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_sweeps_that_come_along_fit_every_preset(file, preset):
    sweep = read_sweep(file)
    recipes = sweep.recipes(PRESETS[preset])
    assert len(recipes) == len(sweep.rows) > 1
    assert sweep.reference in recipes


def test_table_4_is_the_papers_six_rows():
    recipes = read_sweep(FILES[0].with_name("table4.yaml")).recipes(PRESETS["paper"])
    full = recipes["full"]
    assert full.model == PRESETS["paper"].model and full.training == PRESETS["paper"].training
    assert not recipes["without-cmr"].model.use_cmr and recipes["without-cmr"].model.use_ssd
    assert not recipes["without-ssd"].model.use_ssd and recipes["without-ssd"].model.use_cmr
    assert recipes["without-contrastive"].training.loss.contrastive == 0
    assert recipes["without-saliency-proposal"].training.loss.proposal == 0
    assert len(recipes) == 6


def test_the_transformer_takes_every_setting_it_shares():
    preset = PRESETS["small"]
    sweep = parse_sweep(HEAD + "rows:\n  baseline:\n    architecture: transformer\n    training.epochs: 2\n")
    recipe = sweep.recipes(preset)["baseline"]
    assert isinstance(recipe.model, TransformerConfig)
    assert (recipe.architecture, recipe.training.epochs) == ("transformer", 2)
    model = recipe.model
    assert (model.width, model.num_blocks, model.num_heads) == (64, 2, 8)
    assert (model.centre_videos, model.position, model.decoding) == (True, "none", "expected_iou")
    assert model.expand == TransformerConfig().expand != SpikeMbaConfig().expand


def test_every_surrogate_is_swept_and_the_presets_own_is_one_model_with_the_reference():
    sweep = read_sweep(FILES[0].with_name("surrogates.yaml"))
    swept = {recipe.model.lif.surrogate for recipe in sweep.recipes(PRESETS["demo"]).values()}
    assert swept == set(SURROGATES)


def test_a_grid_is_every_combination_and_preset_leaves_a_setting_alone():
    sweep = parse_sweep(HEAD + "grid:\n  model.num_timesteps: [1, 2]\n  model.num_slots: [preset, 0]\n")
    recipes = sweep.recipes(PRESETS["demo"])
    found = {name: (recipe.model.num_timesteps, recipe.model.num_slots) for name, recipe in recipes.items()}
    assert found == {
        "num_timesteps=1 num_slots=preset": (1, 4),
        "num_timesteps=1 num_slots=0": (1, 0),
        "num_timesteps=2 num_slots=preset": (2, 4),
        "num_timesteps=2 num_slots=0": (2, 0),
    }
    assert sweep.seeds == (3, 1)
    assert sweep.axes == ("model.num_timesteps", "model.num_slots")


def test_numbers_as_people_write_them():
    rows = "rows:\n  x: {training.learning_rate: 1e-3, model.lif.beta: .5, model.qkv_bn: FALSE, training.epochs: 7}\n"
    recipe = parse_sweep(HEAD + rows).recipes(PRESETS["demo"])["x"]
    assert (recipe.training.learning_rate, recipe.model.lif.beta) == (0.001, 0.5)
    assert (recipe.model.qkv_bn, recipe.training.epochs) == (False, 7)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("rows:\n  x:\n    model.lif.reset: sof", "f.yaml:6: row 'x': model.lif.reset=sof: LIFParameters.reset: "),
        ("rows:\n  x:\n    model.slot_position: mid", "f.yaml:6: row 'x': model.slot_position=mid: mid not in literal"),
        ("rows:\n  x:\n    training.epochs: 2.5", "f.yaml:6: row 'x': training.epochs=2.5: expected a int"),
        ("rows:\n  x:\n    training.epochs: [1]", "f.yaml:6: training.epochs: expected one value"),
        ("rows:\n  x:\n    epochs: 1", "f.yaml:6: row 'x': unknown key 'epochs'; known: architecture, or a setting"),
        ("rows:\n  x:\n    a.b: 1", "f.yaml:6: row 'x': a.b=1: no such setting; known here: model, training"),
        ("rows:\n  x: {}\n  x: {}", "f.yaml:6: 'x' is already there at line 5"),
        ("rows:\n  n/a: {}", "f.yaml:5: row 'n/a': expected another name"),
        ("rows:\n  best-fixed-window: {}", "f.yaml:5: row 'best-fixed-window'"),
        ("rows: [a]", "f.yaml:4: rows: expected NAME: VALUE lines"),
        ("rows: {}", "no rows; declare rows, grid or both"),
        ("grid:\n  model.num_timesteps: 1", "f.yaml:5: model.num_timesteps: expected a list"),
        ("grid:\n  model.num_timesteps: [1, 0]", "f.yaml:5: row 'num_timesteps=0': model.num_timesteps=0: num_timest"),
        ("rows:\n  x:\n    architecture: transformer\n    model.use_cmr: false", "f.yaml:7: row 'x': model.use_cmr=fa"),
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
        parse_sweep(HEAD + body + "\n", "f.yaml").recipes(PRESETS["demo"])
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
