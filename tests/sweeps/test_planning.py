"""What a sweep will cost: counts worked out by hand, costs recorded or measured, planned against actual."""

import dataclasses
import json

import pytest

from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.reporting import device_description
from snnvtg.sweeps.over_folds import in_folds
from snnvtg.sweeps.plan_report import comparison_rows, kind_table, read, size, words, write
from snnvtg.sweeps.planning import Plan, costed, counted, recorded
from snnvtg.sweeps.probing import Cost, Failure, probe
from snnvtg.sweeps.progress import planned_seconds
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.request import SweepRequest, unfinished
from snnvtg.sweeps.settings import trial_of
from snnvtg.sweeps.status import Status

SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
TINY = (
    "training.epochs=4 model.width=8 model.num_blocks=1 model.num_heads=2 model.num_slots=1 model.state_size=2"
).split()
WIDTHS = """
name: widths
title: Widths
seeds: [0, 1]
rows:
  usual: {}
  again: {}
  slower: {training.learning_rate: 1e-4}
  wide: {model.width: 16}
"""
OTHER = """
name: other
title: Another sweep with one row of the first
seeds: [0]
rows:
  same: {}
controls: [shuffled-query]
"""


@pytest.fixture
def request_of(tmp_path):
    def made(*texts):
        sweeps = tuple(parse_sweep(text) for text in texts)
        paths = tuple(tmp_path / f"{sweep.name}.csv" for sweep in sweeps)
        return SweepRequest(sweeps, (trial_of("demo", TINY, data=SMALL),) * len(sweeps), paths, tmp_path / "runs")

    return made


@pytest.fixture
def plan(request_of, tmp_path):
    return counted(request_of(WIDTHS), out=tmp_path, workers=2)


def with_costs(plan, **by_name):
    """The plan where each kind, by the name of its first model, has these costs."""
    names = {models[0].name: group for group, models in plan.groups.items()}
    return dataclasses.replace(plan, costs={names[name]: cost for name, cost in by_name["costs"].items()})


def test_rows_and_models_are_counted(plan, request_of, tmp_path):
    # 4 rows of 2 seeds; `usual` and `again` are one model; `slower` costs what `usual` does
    assert (plan.rows, plan.rows_there, len(plan.models), len(plan.groups)) == (8, 0, 6, 2)
    assert (plan.trained, plan.begun, sum(model.rows for model in plan.models)) == (0, 0, 8)
    both = counted(request_of(WIDTHS, OTHER), out=tmp_path)
    assert (both.rows, len(both.models)) == (9, 6)  # the row of the other sweep is a model of the first
    assert {model.name for model in both.models} >= {"usual (and 2 more), seed 0", "usual (and 1 more), seed 1"}


def test_nothing_is_written_by_a_plan(plan, tmp_path):
    assert not list(tmp_path.iterdir())


def test_what_is_there_already_is_counted(request_of, tmp_path):
    request = request_of(WIDTHS)
    first, second, _ = (job for job in unfinished(request.tables()) if job.seed == 0)
    table = request.tables()[0]
    table.add(request.run(first))  # in the tables: two rows
    request.run(second)  # trained alone
    plan = counted(request, out=tmp_path)
    begun = next(model for model in plan.models if model.name == "wide, seed 0")
    folder = request.runs / begun.folder
    folder.mkdir()
    (folder / "last.pt").write_bytes(b"")
    (folder / "status.json").write_text(json.dumps(dataclasses.asdict(Status("interrupted", epoch=3, epochs=4))))
    plan = counted(request, out=tmp_path)
    assert (plan.rows, plan.rows_there, len(plan.models), plan.trained, plan.begun) == (8, 2, 5, 1, 1)
    assert {model.name: model.epochs_left for model in plan.models} == {
        "slower, seed 0": 0,
        "wide, seed 0": 1,
        "usual (and 1 more), seed 1": 4,
        "slower, seed 1": 4,
        "wide, seed 1": 4,
    }
    assert "2 in the tables already" in words(plan_with_any_cost(plan), "cpu")


def plan_with_any_cost(plan):
    return dataclasses.replace(plan, costs={group: Cost("measured", 1.0, 1.0) for group in plan.groups})


def test_hours_memory_and_disk_are_sums_of_what_one_model_takes(plan):
    narrow = Cost("measured", 0.1, 10.0, 2.0, 18.0, 400.0, 1.0, 5.0, 0.5)  # 2 + 4 * 10 + 18 = 60 s
    wide = Cost("measured", 0.2, 20.0, 4.0, 36.0, 900.0, 2.0, 10.0, 0.5)  # 4 + 4 * 20 + 36 = 120 s
    made = with_costs(plan, costs={"usual (and 1 more), seed 0": narrow, "wide, seed 0": wide})
    assert made.total == 4 * 60 + 2 * 120
    # in order: usual 60, slower 60, wide 120, usual 60, slower 60, wide 120, dealt to whoever is free
    assert [made.wall(workers) for workers in (1, 2, 6, 99)] == [480, 300, 120, 120]
    assert (made.peak_mb, made.memory_mb) == (900, 1800)
    assert (made.models_mb, made.tables_mb) == (4 * 1 + 2 * 2, 8 * 0.5)
    assert made.most_mb == 8 + 4 + 2 * 10  # the two largest in training at once
    started = dataclasses.replace(made, start_seconds=5.0)
    assert started.wall(2) == 305
    said = words(made, "cpu")
    assert "0.133 CPU-hours (0:08:00, 0:08:00 of it processor time); 2 of 2 kinds of models measured" in said
    assert "900 MB for a worker at its peak, 1.8 GB for 2" in said
    assert kind_table(made)["models"].tolist() == [4, 2]


def test_a_kind_that_was_not_measured_is_taken_as_the_median_of_the_others(plan):
    narrow = Cost("recorded, 2 models", epoch=10.0, measuring=20.0)
    made = with_costs(plan, costs={"usual (and 1 more), seed 0": narrow, "wide, seed 0": Failure("diverged")})
    assert made.total == 6 * 60
    assert "1 of 2 kinds of models recorded, 1 taken as the median of those" in words(made, "cpu")
    assert kind_table(made)["seconds from"].tolist() == ["recorded, 2 models", "not measured: diverged"]


def test_what_was_recorded_on_this_machine_counts(plan, tmp_path):
    group = plan.models[0].group
    for number, (seconds, machine) in enumerate([(40.0, None), (80.0, None), (60.0, None), (9.0, "another")]):
        folder = tmp_path / f"runs/model{number}"
        folder.mkdir(parents=True)
        (folder / "finished.pt").write_bytes(b"x" * 2_000_000)
        status = Status(
            "finished", 4, 4, train_seconds=seconds, measure_seconds=5.0, processor_seconds=13.0,
            peak_mb=300.0 + number, group=group,
            device="cpu", machine=machine or device_description(),
        )  # fmt: skip
        (folder / "status.json").write_text(json.dumps(dataclasses.asdict(status)))
    (found,) = recorded(tmp_path / "runs", "cpu", [group]).values()
    assert (found.source, found.epoch, found.measuring) == ("recorded, 3 models", 15.0, 5.0)
    assert (found.peak_mb, found.kept_mb) == (302.0, 2.0)
    assert found.busy == 13 / 65
    assert not recorded(tmp_path / "runs", "cuda", [group])


def test_a_model_is_measured_without_being_trained(plan, tmp_path):
    cost = probe(plan.models[0].job, device="cpu")
    assert cost.source == "measured" and cost.step > 0
    assert cost.epoch >= cost.step and cost.measuring > 0 and cost.training_mb > cost.kept_mb > 0
    assert cost.table_mb > 0 and (cost.peak_mb is None or cost.peak_mb > 50)
    job = plan.models[0].job
    far = dataclasses.replace(job.recipe.training, learning_rate=1e30, gradient_clip=1e30)
    failed = probe(dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, training=far)), device="cpu")
    assert failed.why.startswith("training diverged at step")


def test_measuring_ends_when_its_time_is_over_and_says_so(request_of, monkeypatch, tmp_path):
    asked = []

    def one_by_one(work, jobs, workers, lost):
        for job in jobs:
            asked.append(job)
            yield (job.place, Cost("measured", 1.0, 1.0)) if hasattr(job, "place") else 0

    monkeypatch.setattr("snnvtg.sweeps.planning.in_processes", one_by_one)
    request = request_of(WIDTHS)
    made = costed(counted(request, out=tmp_path), request, seconds=-1.0)
    assert len(made.known) == 1 and len(made.groups) == 2
    assert made.known.keys() == {made.models[0].group}  # that of most models first
    assert "no time was left" in kind_table(made)["seconds from"].iloc[1]
    monkeypatch.setattr("snnvtg.sweeps.planning.in_processes", lambda *_, lost: [lost(_[1][0], "was killed")])
    with pytest.raises(InputError, match="no model could be measured: was killed"):
        costed(counted(request, out=tmp_path), request)


def test_planned_against_actual(plan, tmp_path):
    cost = Cost("measured", 0.1, 10.0, 2.0, 18.0, 400.0, 1.0, 5.0, 0.5, busy=0.5)
    made = dataclasses.replace(plan, costs=dict.fromkeys(plan.groups, cost), start_seconds=3.0)
    write(made, tmp_path / "plan.json", "cpu")
    kept, runs, done = read(tmp_path / "plan.json"), tmp_path / "runs", {}
    assert kept["commit"] and kept["plan"]["models"] == 6 and (tmp_path / "plan.csv").is_file()
    for number, model in enumerate(plan.models):
        (runs / model.folder).mkdir(parents=True)
        (runs / model.folder / "finished.pt").write_bytes(b"x" * 2_000_000)
        times = {"began": 90.0 * (number // 2), "updated": 90.0 * (number // 2) + 90.0}
        took = {"train_seconds": 60.0, "measure_seconds": 30.0, "processor_seconds": 32.0}
        done[model.folder] = Status("finished", 4, 4, **times, **took, peak_mb=800.0)
    rows = {name: (planned, actual, ratio) for name, planned, actual, ratio in comparison_rows(kept, done, runs, runs)}
    assert rows["time of all workers"] == ("0:06:00", "0:09:00", "1.50")
    assert rows["processor time of it"] == ("0:03:00", "0:03:12", "1.07")
    assert rows["memory of a worker"] == ("400 MB", "800 MB", "2.00")
    assert rows["time with 2 workers"] == ("0:03:03", "0:04:33", "1.49")
    assert rows["disk, models"] == ("6 MB", "12 MB", "2.00")
    first = plan.models[0].folder
    kept["planned_models"][first]["epochs_left"] = 0  # found trained: what its training took is not of this sweep
    done[first] = dataclasses.replace(done[first], train_processor_seconds=22.0)
    again = {name: actual for name, _, actual, _ in comparison_rows(kept, done, runs, runs)}
    assert again["processor time of it"] == "0:02:50"
    kept["planned_models"][first]["epochs_left"] = 4
    some = dict(list(done.items())[:2])
    assert comparison_rows(kept, some, runs, runs)[0][1:] == ("0:02:00", "0:03:00", "1.50")
    assert len(comparison_rows(kept, some, runs, runs)) == 2  # no wall time, no disk


def test_a_plan_over_folds_has_the_models_and_tables_of_all_folds(request_of, tmp_path):
    request = request_of(WIDTHS)
    folds = in_folds(request.sweeps, request.bases[0], request.paths, 3)
    plan = counted(SweepRequest(*map(tuple, folds), request.runs), out=tmp_path, workers=18)
    assert (plan.rows, len(plan.models), len({model.folder for model in plan.models})) == (24, 18, 18)
    assert plan.tables == ("folds/widths-1", "folds/widths-2", "folds/widths-3")
    assert len(plan.groups) == 2  # a model of one fold is measured for those of the others
    cost = Cost("measured", 0.1, 10.0, 2.0, 18.0, 400.0, 1.0, 5.0, 0.5)
    plan = dataclasses.replace(plan, costs=dict.fromkeys(plan.groups, cost))
    assert plan.wall(18) == max(plan.each.values())  # all folds at the same time
    write(plan, tmp_path / "plan.json", "cpu")
    assert planned_seconds(tmp_path / "folds") == plan_seconds(tmp_path / "plan.json")
    assert len(planned_seconds(tmp_path)) == 18 and planned_seconds(tmp_path / "elsewhere") == {}


def plan_seconds(path):
    return {folder: model["seconds"] for folder, model in read(path)["planned_models"].items()}


def test_sizes_have_the_unit_that_fits():
    assert [size(megabytes) for megabytes in (0.25, 3, 1500, 2e6)] == ["250 kB", "3 MB", "1.5 GB", "2 TB"]


def test_an_empty_plan_says_that_nothing_is_left():
    said = words(Plan(("widths",), 8, 8, ()), "cpu")
    assert said.startswith("rows     8 in widths; 8 in the tables already")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--plan plan.csv", "--plan: expected a name ending in .json, got plan.csv"),
        ("--compare", "--compare: name the plan with --plan FILE.json"),
        ("--compare --plan plan.json", "plan.json: no such plan; write it before the sweep is run, without --compare"),
        ("--compare --plan broken.json", "broken.json: no plan; write one with experiments/plan.py --plan broken.json"),
        ("--minutes 0", "--minutes: expected more than 0, got 0.0"),
        ("--minutes nan", "--minutes: expected more than 0, got nan"),
        ("--sweeps table5", "--sweeps: no file 'table5'"),
        ("--workers 0", "workers: expected at least 1"),
        ("--set training.epochs=0", "epochs: expected a number from 1"),
    ],
)
def test_bad_input_is_one_line(command, capsys, monkeypatch, tmp_path, options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{}")
    assert command("plan", *options.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}") or said in error
    assert error.count("\n") == 1
