"""Tables that many processes add to at the same time."""

import multiprocessing

import numpy as np
import pandas as pd
import pytest

from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.leases import Lease
from snnvtg.sweeps.declaration import grid_sweep
from snnvtg.sweeps.jobs import Job, Measured, Outcome
from snnvtg.sweeps.measurement import Accuracy
from snnvtg.sweeps.request import SweepRequest, awaited, failure, unfinished
from snnvtg.sweeps.settings import trial_of

SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
fork = multiprocessing.get_context("fork")


def requested(folder, seeds=range(40), learning_rate="0.001"):
    base = trial_of("demo", [f"training.learning_rate={learning_rate}"], data=SMALL)
    sweep = grid_sweep("widths", "Widths", {"model.width": ["preset"]})
    sweep = sweep.__class__(**{**vars(sweep), "seeds": tuple(seeds)})
    return SweepRequest((sweep,), (base,), (folder / "widths.csv",), folder / "runs")


def outcome_of(job: Job) -> Outcome:
    """An outcome with figures that tell the seed."""
    ((inference, _),) = job.measured
    from snnvtg.sweeps.trial import Trial

    accuracy = Accuracy({"mIoU": float(job.seed)}, {"mIoU": np.full(4, job.seed / 100)})
    common = {"data": "synthetic", "parameters": 1, "best_epoch": 1, "run": f"run{job.seed}", "seconds": 1.0}
    trial = Trial(job.recipe, job.data, inference)
    measured = Measured(trial, job.seed, common, {}, {"spikemba": accuracy}, np.arange(4), np.arange(4))
    return Outcome(job, (measured,))


def add(request, job, gate):
    (table,) = request.tables()
    gate.wait(60)
    table.add(outcome_of(job))


def test_forty_processes_that_finish_at_once_lose_no_row_and_double_none(tmp_path):
    request = requested(tmp_path)
    jobs = unfinished(request.tables())
    assert len(jobs) == 40
    gate = fork.Barrier(44)
    # the last four models are finished twice
    processes = [fork.Process(target=add, args=(request, job, gate)) for job in [*jobs, *jobs[-4:]]]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 44
    frame = pd.read_csv(tmp_path / "widths.csv")
    assert frame["seed"].tolist() == list(range(40)) and frame["mIoU"].tolist() == list(range(40))
    queries = pd.read_csv(tmp_path / "widths_queries.csv")
    assert queries.groupby("seed")["mIoU"].agg(["size", "mean"]).to_numpy().tolist() == [
        [4.0, pytest.approx(seed / 100)] for seed in range(40)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["widths.csv", "widths.json", "widths_queries.csv"]
    assert not unfinished(request.tables())


def test_a_table_sees_what_another_process_wrote(tmp_path):
    request = requested(tmp_path, seeds=(0, 1))
    (ours,), (theirs,) = request.tables(), request.tables()
    first, second = unfinished([ours])
    theirs.add(outcome_of(first))
    ours.refresh()
    assert unfinished([ours]) == [second]
    theirs.add(Outcome(second, failure="it diverged"))
    ours.refresh()
    assert failure([ours], second) == "it diverged" and unfinished([ours]) == [second] and not awaited([ours])
    ours.forget_failures([second])
    theirs.refresh()
    assert awaited([theirs]) == [second]
    theirs.add(outcome_of(second))
    assert "it diverged" not in (tmp_path / "widths.json").read_text()


def test_a_sweep_of_other_settings_is_refused_wherever_it_comes_to_write(tmp_path):
    ours, theirs = requested(tmp_path), requested(tmp_path, learning_rate="0.5")
    (table,), (other,) = ours.tables(), theirs.tables()  # both begin in an empty folder
    table.keep_declaration()
    said = r"widths\.csv: holds rows of another sweep \(differs in preset\); move it away or choose another --out"
    with pytest.raises(InputError, match=said):
        other.add(outcome_of(unfinished([other])[0]))
    table.add(outcome_of(unfinished([table])[0]))
    assert pd.read_csv(tmp_path / "widths.csv")["seed"].tolist() == [0]


def test_a_worker_with_other_code_is_refused_before_it_trains(tmp_path, monkeypatch):
    request = requested(tmp_path)
    request.tables()[0].keep_declaration()
    before = (tmp_path / "widths.csv").read_bytes()
    monkeypatch.setattr("snnvtg.sweeps.results.code_digest", lambda *modules: "123456789012")
    with pytest.raises(InputError, match=r"another sweep \(differs in code, measuring\)"):
        request.tables()
    assert (tmp_path / "widths.csv").read_bytes() == before


def test_a_writer_that_stood_still_too_long_does_not_overwrite_its_successor(tmp_path, monkeypatch):
    request = requested(tmp_path, seeds=(0, 1))
    (table,) = request.tables()
    table.add(outcome_of(unfinished([table])[0]))
    before = (tmp_path / "widths.csv").read_bytes()
    monkeypatch.setattr("snnvtg.sweeps.results.Lease.is_held", lambda lease: False)
    with pytest.raises(InputError, match="another process took over while this one stood still"):
        table.add(outcome_of(unfinished([table])[0]))
    assert (tmp_path / "widths.csv").read_bytes() == before


def test_a_writer_that_stood_still_begins_again_with_what_its_successor_wrote(tmp_path, monkeypatch):
    request = requested(tmp_path, seeds=(0, 1))
    (ours,), (theirs,) = request.tables(), request.tables()
    first, second = unfinished([ours])
    is_held, lost = Lease.is_held, []

    def lost_once(lease):
        if not lost:
            lost.append(lease)
            lease.path.unlink()  # taken over
            theirs.add(outcome_of(second))
            return False
        return is_held(lease)

    monkeypatch.setattr("snnvtg.sweeps.results.Lease.is_held", lost_once)
    ours.add(outcome_of(first))
    assert pd.read_csv(tmp_path / "widths.csv")["seed"].tolist() == [0, 1]
    assert len(pd.read_csv(tmp_path / "widths_queries.csv")) == 8
