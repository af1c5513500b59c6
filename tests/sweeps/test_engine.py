import dataclasses
import json

import pandas as pd
import pytest

from snnvtg.claims import claimed
from snnvtg.cli.ablation import Options
from snnvtg.data.loading import Loader
from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.sweeps.declaration import grid_sweep
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.jobs import run_job
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.report import failures_in_words
from snnvtg.sweeps.request import unfinished
from snnvtg.sweeps.results import SweepTable
from snnvtg.sweeps.runs import checkpoint_of_row
from snnvtg.sweeps.settings import trial_of
from snnvtg.training import loop

SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
TINY = (
    "training.epochs=1 model.width=8 model.num_blocks=1 model.num_heads=2 model.num_slots=1 model.state_size=2"
).split()
SWEEP = """
name: rates
title: Learning rates
seeds: [0, 1]
rows:
  usual: {}
  again: {}
  far-too-large: {training.learning_rate: 1e30, training.gradient_clip: 1e30, training.epochs: 3}
"""


@pytest.fixture
def base():
    return trial_of("demo", TINY, data=SMALL)


@pytest.fixture
def open_table(tmp_path, base):
    def opened(text=SWEEP):
        sweep = parse_sweep(text)
        return SweepTable(tmp_path / f"{sweep.name}.csv", sweep, sweep.trials(base), base, started=0.0)

    return opened


def jobs_of(table):
    return unfinished([table])


def run(job, folder):
    return run_job(job, runs=folder / "runs", device="cpu")


class InPlace:
    """An executor that runs the first model of a sweep in this process."""

    workers, shares_tables, runs_elsewhere = 1, False, False

    def run(self, request, tables, watch):
        self.outcome = request.run(unfinished(tables)[0])


def test_loaders_make_the_batches_of_a_sweep_and_change_no_figure(base, tmp_path, monkeypatch):
    asked, outcomes = [], []
    monkeypatch.setattr(
        loop, "Loader", lambda data, size, loaders: asked.append(loaders) or Loader(data, size, loaders)
    )
    for count in (0, 1):
        pool, place = Options(runs=tmp_path / str(count), loaders=count).pool(), InPlace()
        run_sweeps([parse_sweep(SWEEP)], base, [tmp_path / str(count) / "rates.csv"], **pool | {"executor": place})
        outcomes.append(place.outcome)
    assert asked == [0, 1]
    (ours,), (theirs,) = (outcome.measured[0].accuracies.values() for outcome in outcomes)
    assert ours.figures == theirs.figures


def test_a_training_that_diverges_is_named_and_the_others_go_on(open_table, tmp_path):
    table = open_table()
    jobs = jobs_of(table)
    assert len(jobs) == 4  # `usual` and `again` are one model
    for job in jobs:
        table.add(run(job, tmp_path))
    assert set(table.failures) == {"far-too-large, seed 0", "far-too-large, seed 1"}
    assert all("training diverged" in reason for reason in table.failures.values())
    frame = pd.read_csv(tmp_path / "rates.csv")
    assert frame["row"].tolist() == ["again", "again", "usual", "usual"]
    # the next run tries what has no figures, and only that
    assert {job.recipe.training.learning_rate for job in jobs_of(open_table())} == {1e30}


def test_queries_of_a_row_that_was_not_finished_are_dropped(open_table, tmp_path):
    table = open_table()
    usual = jobs_of(table)[0]
    table.add(run(usual, tmp_path))
    whole = (tmp_path / "rates_queries.csv").read_text()
    # killed between the two files: queries of a row that the table does not have
    last = whole.splitlines()[-1].replace("usual", "far-too-large")
    (tmp_path / "rates_queries.csv").write_text(f"{whole}{last}\n")
    again = open_table()
    again.add(run(dataclasses.replace(usual, seed=1), tmp_path))
    rows = pd.read_csv(tmp_path / "rates_queries.csv")[["row", "seed"]].drop_duplicates()
    assert rows.to_numpy().tolist() == [["again", 0], ["again", 1], ["usual", 0], ["usual", 1]]


def test_rows_whose_queries_are_lost_are_refused(open_table, tmp_path):
    open_table().add_untrained()
    (tmp_path / "rates_queries.csv").write_text("row,model,seed,query,video,mIoU\n")
    with pytest.raises(InputError, match="row 'linear', seed None is missing"):
        open_table()


def test_a_new_title_is_kept_without_new_rows(open_table, tmp_path):
    open_table().add_untrained()
    before = (tmp_path / "rates.csv").read_bytes()
    open_table(SWEEP.replace("Learning rates", "Another title")).keep_declaration()
    assert "Another title" in (tmp_path / "rates.json").read_text()
    assert (tmp_path / "rates.csv").read_bytes() == before


def test_what_cannot_be_run_is_refused_before_anything_is_written(base, tmp_path):
    def refused(old, new, said, **options):
        sweep = parse_sweep(SWEEP.replace(old, new))
        with pytest.raises(InputError, match=said):
            run_sweeps([sweep], base, [tmp_path / "out/a.csv"], tmp_path / "runs", **options)

    unknown = r"training\.select_on is 'MR-full-mAP'; figures of synthetic: R1@0\.3"
    refused("again: {}", "again: {training.select_on: MR-full-mAP}", unknown)
    refused("x", "x", "device 'cudo' cannot be used", device="cudo")
    dense = "again: {model: transformer, inference.num_timesteps: 2}"
    refused("again: {}", dense, "Transformer has no time steps")
    assert not list(tmp_path.iterdir())


def test_a_second_run_into_one_table_is_refused(base, tmp_path):
    with claimed(tmp_path / "a.csv"), pytest.raises(InputError, match=r"a\.csv: another run is writing to it"):
        run_sweeps([parse_sweep(SWEEP)], base, [tmp_path / "a.csv"], tmp_path / "runs")
    with claimed(tmp_path / "a.csv"):  # free again
        pass


def test_data_may_be_an_axis_and_each_of_its_values_has_its_own_prior(base, tmp_path):
    sweep = grid_sweep("folds", "Folds", {"data.fold": ["0", "1"]})
    (table,) = run_sweeps([sweep], base, [tmp_path / "folds.csv"], tmp_path / "runs", workers=1)
    frame = pd.read_csv(tmp_path / "folds.csv")
    rows = [f"{name}fold={fold}" for name in ("", "linear ", "prior ") for fold in (0, 1)]
    assert sorted(frame["row"]) == rows
    assert frame.dropna(subset="seed")["data"].nunique() == 2
    queries = pd.read_csv(tmp_path / "folds_queries.csv").dropna(subset="seed")
    # four folds of eight queries: two each, numbered as in the whole training split
    assert queries.groupby("row").size().tolist() == [2, 2] and queries["query"].nunique() == 4
    assert not table.failures


def test_one_model_read_out_twice_is_trained_once(base, tmp_path):
    sweep = grid_sweep("out", "Read out", {"inference.num_timesteps": ["1", "2"]}, controls=("shuffled-query",))
    run_sweeps([sweep], base, [tmp_path / "out.csv"], tmp_path / "runs", workers=1)
    frame = pd.read_csv(tmp_path / "out.csv")
    own = frame[frame["model"] == "spikemba"]
    assert own["num_timesteps"].tolist() == [1, 2] and own["energy_pj"].is_monotonic_increasing
    assert len(list((tmp_path / "runs").glob("*/finished.pt"))) == 1
    assert (frame["model"] == "shuffled-query").sum() == 2


def test_a_trained_model_says_which_it_is_and_is_found_by_its_row(base, tmp_path):
    sweep = grid_sweep("widths", "Widths", {"model.width": ["8", "16"]})
    out, runs = tmp_path / "widths.csv", tmp_path / "runs"
    run_sweeps([sweep], base, [out], runs, workers=1)
    path = checkpoint_of_row(out, "width=16", 0, runs)
    settings = json.loads((path.parent / "settings.json").read_text())
    assert (settings["model_name"], settings["model"]["width"], settings["seed"]) == ("spikemba", 16, 0)
    with pytest.raises(InputError, match=r"no row 'width=32', seed 0; give --row, one of: width=16, width=8; seeds: 0"):
        checkpoint_of_row(out, "width=32", 0, runs)


def test_a_model_whose_process_is_killed_is_one_line_and_the_others_are_in_the_table(base, tmp_path, monkeypatch):
    def killed_at_first(work, jobs, workers, lost, started):
        yield lost(jobs[0], "its process was killed (SIGKILL)")
        yield from map(work, jobs[1:])

    monkeypatch.setattr("snnvtg.sweeps.executors.local.in_processes", killed_at_first)
    sweep = grid_sweep("widths", "Widths", {"model.width": ("4", "8")})
    tables = run_sweeps([sweep], base, [tmp_path / "widths.csv"], tmp_path / "runs")
    with pytest.raises(InputError) as caught:
        failures_in_words(tables)
    assert str(caught.value) == (
        "1 rows have no figures, all others are written. widths: width=4, seed 0: its process was killed (SIGKILL)"
    )
    assert set(pd.read_csv(tmp_path / "widths.csv")["row"]) >= {"width=8"}
