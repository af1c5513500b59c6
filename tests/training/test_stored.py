"""Checkpoints that somebody changed: one line that names the file, before anything of their size is built."""

import time
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from snnvtg.errors import InputError
from snnvtg.models import MODELS, GroundingModel, Recipe, TrainingConfig
from snnvtg.training.checkpoint import Checkpoint, load_checkpoint

FIRST = "project_vis.layers.1.weight"


@pytest.fixture(params=["spikemba", "transformer"])
def path(request, tiny, tmp_path):
    """An untrained checkpoint of every model."""
    cls = MODELS[request.param]
    config = tiny if request.param == "spikemba" else cls.config_class(width=16, num_blocks=2, num_heads=2)
    state = cls(config, 6, 5).state_dict()
    Checkpoint(Recipe(cls, config, TrainingConfig()), 6, 5, ("clip",), 1.0, state, {}).save(tmp_path / "best.pt")
    return tmp_path / "best.pt"


def changed(path, change):
    """`path` with its content changed in place by `change`, and what loading it says."""
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    assert time.process_time() - began < 5
    said = str(caught.value)
    assert "best.pt: " in said and "\n" not in said and "weights_only" not in said and len(said) < 400
    return said


def test_a_checkpoint_as_saved_is_taken(path):
    loaded = load_checkpoint(path)
    loaded.build()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.zeros(3, 6), f"tensor {FIRST} is 3 × 6, its settings ask for 16 × 6"),
        (torch.zeros(16, 6, dtype=torch.int64), "is torch.int64, its settings ask for torch.float32"),
        (torch.full((16, 6), torch.nan), f"tensor {FIRST} has values that are no finite numbers"),
        (torch.full((16, 6), torch.inf), "no finite numbers"),
        (torch.zeros(1).expand(16, 6), "larger than what the file holds"),
        (torch.zeros(16, 6).to_sparse(), "no dense tensor"),
        (torch.zeros(16, 6, dtype=torch.complex64), "no dense tensor"),
        (3.0, f"'{FIRST}' in the state is a float, expected a tensor"),
        ([[0.0] * 6] * 16, "is a list, expected a tensor"),
    ],
)
def test_a_tensor_that_does_not_fit(path, value, said):
    assert said in changed(path, lambda content: content["state"].update({FIRST: value}))


def test_a_missing_and_a_foreign_tensor(path):
    content = torch.load(path, weights_only=True)
    assert f"lacks tensor {FIRST}, by" in changed(path, lambda content: content["state"].pop(FIRST))
    torch.save(content, path)
    extra = {"state": content["state"] | {"mine": torch.zeros(1)}}
    assert "has a foreign tensor mine" in changed(path, lambda content: content.update(extra))


@pytest.mark.parametrize("state", [[], None, 3, "state", torch.zeros(2), {1: torch.zeros(2)}])
def test_a_state_that_is_none(path, state):
    assert "state" in changed(path, lambda content: content.update(state=state))


@pytest.mark.parametrize(
    "settings",
    [{"num_blocks": 10**9}, {"width": 10**6}, {"width": 10**18}, {"expand": 10**9}, {"num_heads": 0}, {"width": "a"}],
)
def test_settings_that_the_tensors_do_not_bear_out(path, settings):
    changed(path, lambda content: content["model"].update(settings))


@pytest.mark.parametrize(
    "field",
    [
        {"video_width": 10**8},
        {"video_width": -1},
        {"text_width": "5"},
        {"clip_length": float("nan")},
        {"clip_length": None},
        {"feature_names": 3},
        {"feature_names": (1,)},
        {"text_name": 1},
        {"text_marks": [1]},
        {"text_marks": {"a": 1}},
        {"longest": -1},
        {"progress": None},
        {"model": None},
        {"model": [1]},
        {"model": {}, "training": {"epochs": -1}},
        {"training": {"epochs": "many"}},
        {"training": 3},
        {"model_name": 3},
        {"model_name": "nonsense"},
        {"more": 1},
    ],
)
def test_a_field_that_is_no_such_thing(path, field):
    changed(path, lambda content: content.update(field))


def test_a_missing_field(path):
    for name in ("video_width", "state", "model", "training", "model_name", "progress"):
        whole = path.read_bytes()
        changed(path, lambda content, name=name: content.pop(name))
        path.write_bytes(whole)


def test_no_cut_gives_the_advice_to_trust_the_file(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as caught:
            load_checkpoint(path)
        assert "weights_only" not in str(caught.value) and "\n" not in str(caught.value)


@dataclass(frozen=True)
class DeepConfig:
    """Settings that know no range."""

    num_blocks: int = 2
    width: int = 3


class Deep(GroundingModel):
    """A model of the user's own; this one reads a number while it is built."""

    config_class = DeepConfig
    reads_numbers = False

    def __init__(self, config, video_width, text_width):
        super().__init__(config, video_width, text_width)
        self.blocks = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.num_blocks))
        if self.reads_numbers:
            self.first = float(self.blocks[0].weight[0, 0])

    forward = losses = predict = lambda self, *given: None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_blocks": 10**9}, "its settings ask for far more than the 4 tensors it holds"),
        ({"width": 10**6}, "tensor blocks.0.weight is 3 × 3, its settings ask for 1000000 × 1000000"),
        ({"width": 10**12}, "best.pt: "),
        ({"num_blocks": 1}, "has a foreign tensor blocks.1.bias and 1 more"),
        ({"num_blocks": 3}, "lacks tensor blocks.2.bias and 1 more"),
    ],
)
def test_a_model_of_ones_own_needs_no_ranges_to_be_safe(tmp_path, settings, said):
    path, state = tmp_path / "best.pt", Deep(DeepConfig(), 1, 1).state_dict()
    Checkpoint(Recipe(Deep, DeepConfig(), TrainingConfig()), 1, 1, ("clip",), 1.0, state, {}).save(path)
    assert load_checkpoint(path, Deep).build()
    content = torch.load(path, weights_only=True)
    content["model"].update(settings)
    torch.save(content, path)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, Deep)
    assert time.process_time() - began < 5 and said in str(caught.value)


def test_a_model_that_reads_its_numbers_while_it_is_built_is_loaded_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(Deep, "reads_numbers", True)
    path, state = tmp_path / "best.pt", Deep(DeepConfig(), 1, 1).state_dict()
    Checkpoint(Recipe(Deep, DeepConfig(), TrainingConfig()), 1, 1, ("clip",), 1.0, state, {}).save(path)
    assert load_checkpoint(path, Deep).build()
    Checkpoint(Recipe(Deep, DeepConfig(3), TrainingConfig()), 1, 1, ("clip",), 1.0, state, {}).save(path)
    with pytest.raises(InputError, match=r"the tensors of the checkpoint do not fit Deep with its settings"):
        load_checkpoint(path, Deep).build()
