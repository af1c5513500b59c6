import functools

import pandas as pd
import pytest

from snnvtg.data.synthetic import SyntheticConfig, generate
from snnvtg.errors import InputError
from snnvtg.studies.ablation import Job, SweepTable, measure, run_sweeps
from snnvtg.studies.declaration import parse_sweep
from snnvtg.studies.presets import with_overrides

SMALL = SyntheticConfig(num_train=8, num_val=4, num_test=4)
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
def preset():
    return with_overrides("demo", TINY)


@pytest.fixture
def opened(tmp_path, preset):
    data = generate(SMALL)

    def open_table(text=SWEEP):
        sweep = parse_sweep(text)
        identity = {"data": data.name, "checksum": data.checksum, "split": "test", "preset": preset}
        return SweepTable(tmp_path, sweep, sweep.recipes(preset), identity, data.test.queries, 0.0)

    return data, open_table


def run(data, job, folder):
    return measure(data, job, split="test", runs=folder, device="cpu")


def test_a_training_that_diverges_is_named_and_the_others_go_on(opened, tmp_path):
    data, open_table = opened
    table = open_table()
    jobs = list(dict.fromkeys(table.unfinished()))
    assert len(jobs) == 4  # `usual` and `again` are one model
    for job in jobs:
        table.add(run(data, job, tmp_path / "runs"))
    assert set(table.failures) == {"far-too-large, seed 0", "far-too-large, seed 1"}
    assert all("training diverged" in reason for reason in table.failures.values())
    frame = pd.read_csv(tmp_path / "rates.csv")
    assert frame["row"].tolist() == ["again", "again", "usual", "usual"]
    # the next run tries what has no figures, and only that
    assert {job.recipe.training.learning_rate for job in open_table().unfinished()} == {1e30}


def test_overlaps_of_a_row_that_was_not_finished_are_dropped(opened, tmp_path):
    data, open_table = opened
    table = open_table()
    usual = next(iter(table.unfinished()))
    table.add(run(data, usual, tmp_path / "runs"))
    whole = (tmp_path / "rates_queries.csv").read_text()
    # killed between the two files: overlaps of a row that the table does not have
    (tmp_path / "rates_queries.csv").write_text(whole + "far-too-large,0,0,0,0.5\n")
    again = open_table()
    again.add(run(data, Job(usual.recipe, 1), tmp_path / "runs"))
    rows = pd.read_csv(tmp_path / "rates_queries.csv")[["row", "seed"]].drop_duplicates()
    assert rows.to_numpy().tolist() == [["again", 0], ["again", 1], ["usual", 0], ["usual", 1]]


def test_rows_whose_overlaps_are_lost_are_refused(opened, preset, tmp_path):
    data, open_table = opened
    table = open_table()
    table.add_untrained(data, preset)
    (tmp_path / "rates_queries.csv").write_text("row,seed,query,video,iou\n")
    with pytest.raises(InputError, match="row 'best-fixed-window', seed None is missing"):
        open_table()


def test_a_new_title_is_kept_without_new_rows(opened, preset, tmp_path):
    data, open_table = opened
    open_table().add_untrained(data, preset)
    before = (tmp_path / "rates.csv").read_bytes()
    open_table(SWEEP.replace("Learning rates", "Another title")).keep_declaration()
    assert "Another title" in (tmp_path / "rates.json").read_text()
    assert (tmp_path / "rates.csv").read_bytes() == before


def test_a_figure_that_validation_does_not_have_is_refused_before_anything_is_written(preset, tmp_path):
    sweep = parse_sweep(SWEEP.replace("again: {}", "again: {training.select_on: MR-full-mAP}"))
    load = functools.partial(generate, SMALL)
    with pytest.raises(InputError, match=r"training\.select_on is 'MR-full-mAP'; figures of"):
        run_sweeps([sweep], preset, load, tmp_path / "out", tmp_path / "runs")
    with pytest.raises(InputError, match="device 'cudo' cannot be used"):
        run_sweeps([sweep], preset, load, tmp_path / "out", tmp_path / "runs", device="cudo")
    assert not list(tmp_path.iterdir())
