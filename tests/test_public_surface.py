"""The public names: all there, documented, and free until they are used."""

import subprocess
import sys

import pytest

import snnvtg
from snnvtg.cli import COMMANDS
from snnvtg.data.synthetic import SyntheticConfig

HEAVY = ("torch", "pandas", "matplotlib", "snntorch", "fvcore", "tqdm")


def modules_after(code: str) -> set[str]:
    """The modules that are loaded after `code`, in a process of its own."""
    ask = f"{code}\nimport sys\nprintable = ' '.join(sys.modules)\nprint('\\n' + printable)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_loads_nothing_heavy():
    assert not modules_after("import snnvtg; dir(snnvtg)") & {*HEAVY, "numpy", "tyro"}


def test_the_options_of_every_command_load_nothing_heavy():
    names = ", ".join(f"snnvtg.cli.{command.replace('-', '_')}" for command in COMMANDS)
    assert not modules_after(f"import {names}") & set(HEAVY)


@pytest.mark.parametrize("name", snnvtg.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(snnvtg, name)
    assert name in dir(snnvtg)
    assert isinstance(value, str | dict) or value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'snnvtg' has no attribute 'nonsense'"):
        snnvtg.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        from snnvtg.data import nonsense  # noqa: F401


def test_the_first_steps_as_the_package_describes_them(tmp_path):
    small = SyntheticConfig(num_train=12, num_val=4, num_test=4, min_clips=16, max_clips=20, long_range_fraction=0)
    data = snnvtg.load_data(synthetic=small)
    recipe = snnvtg.recipe("demo", "training.epochs=1", "model.width=16", "model.num_blocks=1", "model.num_heads=2")
    assert snnvtg.model(recipe, data).config.width == 16
    model = snnvtg.train(recipe, data, seed=0, quiet=True).build()
    with snnvtg.FiringRates(model) as rates, snnvtg.Ledger(model) as ledger:
        answers = snnvtg.predict(model, data.val)
    assert [answer.qid for answer in answers] == [query.qid for query in data.val.queries]
    assert rates.firing_rate > 0
    assert snnvtg.energy_pj(ledger, snnvtg.COST_MODELS["45nm_fp32"]) > 0
    assert set(snnvtg.evaluate(model, data.val)[0]) >= {"mIoU"}
    kept = [snnvtg.trained(recipe, data, seed=0, runs=tmp_path, quiet=True) for _ in range(2)]
    assert len(list(tmp_path.glob("*/finished.pt"))) == 1
    assert all(checkpoint.state["norm.bias"].equal(model.state_dict()["norm.bias"]) for checkpoint in kept)


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(snnvtg.InputError, match="nowhere: no such folder"):
        snnvtg.load_data(tmp_path / "nowhere")


def test_a_wrong_option_and_a_missing_file_are_said_before_anything_heavy_is_loaded():
    lines = {
        "train": "--data nowhere",
        "timestep_sweep": "--data nowhere",
        "ablation": "--sweeps nowhere.yaml",
        "plan": "--sweeps nowhere.yaml",
        "progress": "--runs nowhere",
        "cross_validate": "--data . --dataset tvsum",
        "predict": "--checkpoint nowhere.pt",
        "video_retrieval": "--checkpoint nowhere.pt",
        "energy_report": "--checkpoint nowhere.pt",
        "evaluate": "--submission nowhere.jsonl --annotations nowhere.jsonl",
        "compare": "--first nowhere.jsonl --second nowhere.jsonl --annotations nowhere.jsonl",
        "report": "--reports nowhere",
        "explore": "--checkpoint nowhere.pt",
        "compare_models": "--data nowhere",
        "index": "--checkpoint nowhere.pt --data . --out store",
        "search": "--store nowhere --query words",
        "ground": "--features nowhere.npz --text nowhere.txt --query words",
    }
    assert {name.replace("_", "-") for name in lines} == set(COMMANDS)
    calls = [
        f"refused({name!r}, {arguments!r})" for name, arguments in lines.items() for arguments in (arguments, "--x")
    ]
    code = """
import importlib, sys
def refused(name, line):
    sys.argv = [name, *line.split()]
    try:
        importlib.import_module(f"snnvtg.cli.{name}").start()
    except SystemExit as end:
        assert end.code == 2, (name, line, end.code)
    else:
        raise AssertionError(name)
"""
    assert not modules_after(code + "\n".join(calls)) & set(HEAVY)
