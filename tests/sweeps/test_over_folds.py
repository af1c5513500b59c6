import dataclasses

import numpy as np
import pandas as pd
import pytest

from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.sweeps.comparison import read_results
from snnvtg.sweeps.over_folds import pooled, run_over_folds
from snnvtg.sweeps.progress import read_board
from snnvtg.sweeps.reader import parse_sweep
from snnvtg.sweeps.report import failures_in_words, render
from snnvtg.sweeps.settings import trial_of

TINY = (
    "training.epochs=1 model.width=8 model.num_blocks=1 model.num_heads=2 model.num_slots=1 model.state_size=2"
).split()
SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
SWEEP = """
name: parts
title: Parts
seeds: [0]
reference: full
controls: [shuffled-query]
rows:
  full: {}
  without-slots: {model.num_slots: 0}
"""

DIVERGES = "training.epochs: 3, training.learning_rate: 1.0e+30, training.gradient_clip: 1.0e+30"


@pytest.fixture(scope="module")
def pooled_table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    base = trial_of("demo", TINY, data=SMALL)
    run_over_folds([parse_sweep(SWEEP)], base, [folder / "parts.csv"], 3, runs=folder / "runs")
    return folder / "parts.csv"


def test_every_query_of_all_splits_is_answered_once_for_each_row(pooled_table):
    results = read_results(pooled_table)
    assert results.rows == ["full", "without-slots"]
    for _, answered in results.queries.groupby(["row", "seed"], dropna=False):
        assert sorted(answered["query"]) == list(range(16))


def test_a_pooled_figure_is_the_mean_over_its_queries(pooled_table):
    results = read_results(pooled_table)
    for row in results.rows:
        own = results.queries[results.queries["row"] == row]
        assert results.of(row)["mIoU"].item() == pytest.approx(100 * own["mIoU"].mean())
    assert results.control("full", "shuffled-query")["mIoU"].notna().all()
    assert results.of("prior")["seconds"].isna().all() and (results.of("full")["seconds"] > 0).all()


def test_a_pooled_table_is_drawn_as_any_other(pooled_table):
    assert "each of 3 folds of all videos held out, 1 seed" in render(pooled_table)
    assert pooled_table.with_suffix(".png").is_file()


def test_pooling_again_gives_the_same_table(pooled_table):
    before = pooled_table.read_text()
    pooled([pooled_table.with_name("folds") / f"parts-{k}.csv" for k in (1, 2, 3)], pooled_table, data="synthetic")
    assert pooled_table.read_text() == before


@pytest.fixture
def paths(pooled_table, tmp_path):
    """A copy of the folds' tables."""
    for k in (1, 2, 3):
        for name in (f"parts-{k}.csv", f"parts-{k}.json", f"parts-{k}_queries.csv"):
            (tmp_path / name).write_bytes((pooled_table.with_name("folds") / name).read_bytes())
    return [tmp_path / f"parts-{k}.csv" for k in (1, 2, 3)]


def test_a_row_that_a_fold_lacks_is_left_out(paths, tmp_path):
    lines = paths[1].read_text().splitlines()
    paths[1].write_text("\n".join(line for line in lines if not line.startswith("without-slots")) + "\n")
    pooled(paths, tmp_path / "parts.csv", data="synthetic")
    assert set(pd.read_csv(tmp_path / "parts.csv")["row"]) == {"full", "prior", "linear"}


def test_a_table_of_another_sweep_is_not_written_over(pooled_table, tmp_path):
    other = tmp_path / "parts.csv"
    other.write_bytes(pooled_table.read_bytes())
    other.with_suffix(".json").write_text('{"identity": {"sweep": "another"}}')
    paths = [pooled_table.with_name("folds") / f"parts-{k}.csv" for k in (1, 2, 3)]
    with pytest.raises(InputError, match="rows of another sweep"):
        pooled(paths, other, data="synthetic")


def test_over_folds_only_the_held_out_fold_is_measured(tmp_path):
    base = trial_of("demo", TINY, data=SMALL)
    on_val = dataclasses.replace(base, inference=dataclasses.replace(base.inference, split="val"))
    with pytest.raises(InputError, match="--split val: over folds"):
        run_over_folds([parse_sweep(SWEEP)], on_val, [tmp_path / "parts.csv"], 3, runs=tmp_path)


@pytest.mark.parametrize("setting", ["inference.split: val", "data.fold: 1"])
def test_a_row_that_is_measured_elsewhere_is_refused(tmp_path, setting):
    sweep = parse_sweep(SWEEP.replace("model.num_slots: 0", setting))
    with pytest.raises(InputError, match="row 'without-slots': over folds, every row is measured on the fold held out"):
        run_over_folds([sweep], trial_of("demo", TINY, data=SMALL), [tmp_path / "parts.csv"], 3, runs=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_failures_of_all_folds_are_named(tmp_path):
    sweep = parse_sweep(SWEEP.replace("model.num_slots: 0", DIVERGES))
    tables = run_over_folds([sweep], trial_of("demo", TINY, data=SMALL), [tmp_path / "parts.csv"], 3, runs=tmp_path)
    with pytest.raises(InputError, match=r"3 rows have no figures.* parts-1: without-slots, seed 0: .*; parts-2: "):
        failures_in_words(tables)
    assert set(pd.read_csv(tmp_path / "parts.csv")["row"]) == {"full", "prior", "linear"}
    assert "full, fold 2, seed 0" in {model.name for model in read_board(tmp_path).models}


def test_videos_keep_their_numbers_over_the_folds(pooled_table):
    queries = read_results(pooled_table).queries
    owner = queries.drop_duplicates("query").set_index("query")["video"]
    assert np.array_equal(owner.loc[queries["query"]].to_numpy(), queries["video"].to_numpy())
    assert owner.nunique() == 16  # one query for each synthetic video


def test_a_figure_that_a_fold_lacks_is_none(paths, tmp_path):
    second = pd.read_csv(paths[1])
    second.loc[second["row"] == "full", "energy_pj"] = None
    second.to_csv(paths[1], index=False)
    pooled(paths, tmp_path / "parts.csv", data="synthetic")
    own = pd.read_csv(tmp_path / "parts.csv").query("model == 'spikemba'").set_index("row")["energy_pj"]
    assert np.isnan(own["full"]) and own["without-slots"] > 0
