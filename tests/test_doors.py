"""Doors nobody tried: values out of range and places that cannot be written, refused in one line before any work."""

import resource
import time

import pytest
import torch

from snnvtg.errors import InputError
from snnvtg.files import atomic
from snnvtg.models import MODELS, Recipe, TrainingConfig
from snnvtg.sweeps.declaration import grid_sweep
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.settings import trial_of
from snnvtg.training.checkpoint import Checkpoint

SWEEP = "name: a\ntitle: b\nseeds: {seeds}\n{rest}\n"


@pytest.fixture
def refused(command, capsys, monkeypatch, tmp_path):
    """Runs a command in an empty folder, expects exit status 2 within seconds; the one line on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(name, *arguments):
        began = time.process_time()
        assert command(name, *arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
        assert time.process_time() - began < 5
        return said

    return call


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train --seed -1", "--seed: expected distinct whole numbers from 0 to 4294967295, got -1"),
        (f"train --seed {10**20}", f"got {10**20}"),
        ("train --device meta", "device 'meta' cannot be used"),
        ("train --device nonsense", "device 'nonsense' cannot be used"),
        ("train --data nowhere", "nowhere: no such folder; expected train.jsonl"),
        (f"train --data {'x' * 5000}", "no such folder; expected train.jsonl"),
        (f"timestep_sweep --seeds 0 {10**20}", "--seeds: expected distinct whole numbers"),
        ("timestep_sweep --seeds -1", "--seeds: expected"),
        ("timestep_sweep --seeds 1 1", "--seeds: expected distinct"),
        ("timestep_sweep --timesteps", "--timesteps: expected distinct numbers"),
        ("timestep_sweep --grid model.width=", "--grid model.width=: expected a setting and distinct values"),
        ("timestep_sweep --workers 0", "workers: expected at least 1"),
        ("timestep_sweep --device meta", "device 'meta' cannot be used"),
        ("ablation --seeds -1", "--seeds: expected"),
        ("tools/cross_validate --seeds -1", "--seeds: expected"),
        ("tools/cross_validate --num-folds 1", "--num-folds: expected"),
        ("predict --batch-size 0", "batch_size is 0"),
        ("predict", "runs/train/best.pt: no such checkpoint"),
        ("tools/video_retrieval --queries -1", "queries is -1; expected at least 1"),
        ("tools/video_retrieval --batch-size 0", "batch_size is 0"),
        ("evaluate --submission a.jsonl --annotations b.jsonl", "a.jsonl: no such file"),
        ("compare --first a.jsonl --second b.jsonl --annotations c.jsonl", "a.jsonl: no such file"),
        ("ground --features a.npz --text g.txt --query words", "a.npz: no such file"),
    ],
)
def test_an_option_that_cannot_be_is_refused(refused, line, said):
    assert said in refused(*line.split())


@pytest.mark.parametrize(
    "setting",
    [
        "model.head_kernel=2",
        "model.num_blocks=1000000000",
        "model.width=1000000",
        "model.alignment_ridge=inf",
        "model.loss.foreground=-1",
        "model.loss.overlap=nan",
        "model.loss.entropy_temperature=0",
        "training.epochs=100000000000000000000000",
        "training.epochs=0",
        "training.learning_rate=inf",
        "training.gradient_clip=nan",
        "training.gradient_clip=0",
        "training.weight_decay=nan",
        "data.synthetic.seed=-1",
        f"data.synthetic.seed={10**30}",
        f"data.synthetic.num_train={10**12}",
        "data.synthetic.noise=nan",
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting):
    with pytest.raises(InputError) as caught:
        trial_of("demo", [setting])
    said = str(caught.value)
    assert said.startswith(f"--set {setting}: " if setting.count("=") else "--set") or setting.split(".")[-1] in said
    assert "\n" not in said


@pytest.mark.parametrize("seeds", ["[-1]", f"[{10**20}]", f"[{'9' * 5000}]", "[1, 1]", "[]", "[a]", "[1.5]"])
def test_seeds_of_a_sweep_file_have_the_range_of_the_option(seeds):
    with pytest.raises(InputError, match=r"^f\.yaml:3: seeds: expected distinct whole numbers from 0 to 4294967295"):
        parse_sweep(SWEEP.format(seeds=seeds, rest="rows: {a: {}}"), "f.yaml")


def test_a_grid_without_axes_or_without_values():
    for rest in ("grid: {}", "grid: {model.width: []}"):
        with pytest.raises(InputError, match=r"^f\.yaml:\d: "):
            parse_sweep(SWEEP.format(seeds="[0]", rest=rest), "f.yaml")


def test_a_grid_of_a_thousand_million_rows_is_refused_at_once():
    values = [str(value) for value in range(1000)]
    with pytest.raises(InputError, match=r"--grid: the grid has 1,000,000,000 combinations; expected at most 10,000"):
        grid_sweep("a", "b", {f"model.{name}": values for name in "abc"})


@pytest.fixture
def full_disk():
    """No file of this process can grow beyond 100 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, full_disk):
    path = tmp_path / "table.csv"
    path.write_text("old")
    full = r"table\.csv: cannot be written \(File too large\); make room"
    with pytest.raises(InputError, match=full), atomic(path) as scratch:
        scratch.write_text("x" * 10_000)
    state = {"weight": torch.zeros(1000)}
    saved = Checkpoint(Recipe(TrainingConfig, TrainingConfig(), TrainingConfig()), 1, 1, (), 1.0, state, {})
    with pytest.raises(InputError, match="cannot be written"):
        saved.save(tmp_path / "best.pt")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("table.csv", "old")]


@pytest.mark.parametrize(
    "line",
    [
        "train --out file/runs",
        "timestep_sweep --out file/table.csv",
        "timestep_sweep --runs file/runs --out a.csv",
        "ablation --out file/reports",
        "evaluate --submission file --annotations file --out file/metrics.json",
        "compare --first file --second file --annotations file --out file/table.csv",
    ],
)
def test_a_place_that_cannot_be_written_is_found_first(refused, tmp_path, line):
    (tmp_path / "file").write_text("")
    assert "file" in (said := refused(*line.split())) and "cannot be written" in said


@pytest.mark.parametrize(
    "line",
    [
        "predict --checkpoint best.pt",
        "tools/video_retrieval --checkpoint best.pt",
        "energy_report --checkpoint best.pt --out energy",
        "ground --checkpoint best.pt --features a.npz --text g.txt --query words",
    ],
)
def test_every_command_that_reads_a_checkpoint_refuses_one_that_was_changed(refused, tmp_path, tiny, line):
    for name in ("a.npz", "g.txt"):
        (tmp_path / name).write_text("")
    state = MODELS["spikemba"](tiny, 64, 32).state_dict() | {"norm.bias": torch.full((16,), torch.nan)}
    saved = Checkpoint(Recipe(MODELS["spikemba"], tiny, TrainingConfig()), 64, 32, ("synthetic",), 1.0, state, {})
    saved.save(tmp_path / "best.pt")
    assert "best.pt: tensor norm.bias has values that are no finite numbers" in refused(*line.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "best.pt", "g.txt"]
