"""Models that are run by others than one process: workers, and jobs of a cluster."""

import errno
import multiprocessing
import os
import signal
import stat
import time

import pandas as pd
import pytest

from snnvtg.data.source import DataSource
from snnvtg.data.synthetic import SyntheticConfig
from snnvtg.errors import InputError
from snnvtg.leases import holder
from snnvtg.sweeps.declaration import grid_sweep
from snnvtg.sweeps.engine import run_sweeps
from snnvtg.sweeps.executors.cluster_file import ClusterConfig, read_cluster
from snnvtg.sweeps.executors.slurm import Slurm
from snnvtg.sweeps.executors.submitit_local import SubmititLocal
from snnvtg.sweeps.executors.workers import SharedWorkers, serve
from snnvtg.sweeps.request import SweepRequest, unfinished
from snnvtg.sweeps.settings import trial_of

SMALL = DataSource(synthetic=SyntheticConfig(num_train=8, num_val=4, num_test=4))
TINY = ("model.width=8 model.num_blocks=1 model.num_heads=2 model.num_slots=1 model.state_size=2").split()
SWEEP = grid_sweep("widths", "Widths", {"model.width": ["4", "8"]}, controls=("shuffled-query",))


def trial(epochs=2):
    return trial_of("demo", [*TINY, f"training.epochs={epochs}"], data=SMALL)


def requested(folder, epochs=2):
    return SweepRequest((SWEEP,), (trial(epochs),), (folder / "widths.csv",), folder / "runs")


def figures(folder):
    return pd.read_csv(folder / "widths.csv").drop(columns="seconds")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """The table of one process."""
    folder = tmp_path_factory.mktemp("one")
    run_sweeps([SWEEP], trial(), [folder / "widths.csv"], folder / "runs")
    return figures(folder)


def wait_for(seen, seconds=120.0):
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def killed_after_an_epoch(request):
    """Let a process begin with the first model, kill it after an epoch; the model's folder."""
    folder = request.model_folder(unfinished(request.tables())[0])
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(request, 60.0, 0))
    process.start()
    wait_for((folder / "last.pt").exists)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return folder


def test_workers_write_the_table_of_one_process(tmp_path, one_process):
    run_sweeps([SWEEP], trial(), [tmp_path / "widths.csv"], tmp_path / "runs", executor=SharedWorkers(2))
    pd.testing.assert_frame_equal(figures(tmp_path), one_process)
    assert not list(tmp_path.rglob("*claim*")) and not list(tmp_path.glob(".*"))


def test_a_model_of_a_killed_worker_is_taken_over_and_goes_on_from_its_last_epoch(tmp_path, monkeypatch):
    from snnvtg.training.loop import _Run

    request, resumed, restore = requested(tmp_path, epochs=40), [], _Run.restore
    folder = killed_after_an_epoch(request)
    assert holder(folder / "claim.json")

    def restored(run, *given):
        restore(run, *given)
        resumed.append(run.epoch)

    monkeypatch.setattr(_Run, "restore", restored)
    serve(request, 60.0, 0)
    assert len(resumed) == 1 and 1 <= resumed[0] < 40
    frame = figures(tmp_path)
    assert frame.groupby("model").size()[["spikemba", "shuffled-query"]].tolist() == [2, 2]


def test_a_worker_leaves_the_model_of_another_alone_until_its_lease_expires(tmp_path):
    request = requested(tmp_path)
    first, second = unfinished(request.tables())
    claim = request.claim(first, 1.5)
    claim.path.parent.mkdir(parents=True)
    claim.path.write_text('{"token": "another", "system": "another machine"}')
    order, add = [], request.run.__func__
    began = time.monotonic()

    class Noted(SweepRequest):
        def run(self, job):
            order.append((job.recipe.model.width, time.monotonic() - began))
            return add(self, job)

    serve(Noted(**vars(request)), 1.5, 0)
    assert [width for width, _ in order] == [second.recipe.model.width, first.recipe.model.width]
    assert order[1][1] > 1.5


def test_a_model_that_kills_its_workers_has_failed_and_the_others_are_in_the_table(tmp_path, monkeypatch):
    def killed(work, slots, workers, lost):
        for slot in slots:
            request, _ = work.args
            if not killed.done:
                killed.done = True
                process = multiprocessing.get_context("fork").Process(target=die, args=(request,))
                process.start()
                process.join()
                yield lost(slot, "its process was killed (SIGKILL)")
            else:
                yield work(slot)

    killed.done = False
    monkeypatch.setattr("snnvtg.sweeps.executors.workers.in_processes", killed)
    (table,) = run_sweeps([SWEEP], trial(), [tmp_path / "widths.csv"], tmp_path / "runs", executor=SharedWorkers(1))
    assert table.failures == {"width=4, seed 0": "its process was killed (SIGKILL)"}
    assert "width=8" in set(figures(tmp_path)["row"])


def die(request):
    request.claim(unfinished(request.tables())[0], 60.0).acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_error_of_a_model_costs_that_model_alone(tmp_path, monkeypatch, capfd):
    request = requested(tmp_path)

    class Failing(SweepRequest):
        def run(self, job):
            if job.recipe.model.width == 4:
                raise MemoryError("out of memory\nand more")
            return request.run(job)

    serve(Failing(**vars(request)), 60.0, 0)
    (table,) = request.tables()
    assert table.failures == {"width=4, seed 0": "MemoryError: out of memory"}
    assert "Traceback" in capfd.readouterr().err and "width=8" in set(figures(tmp_path)["row"])


@pytest.mark.parametrize("raised", [InputError("last.pt: cannot be written"), None])
def test_a_full_disk_ends_the_worker_in_one_line_and_blames_no_model(tmp_path, monkeypatch, raised):
    request, full = requested(tmp_path), OSError(errno.ENOSPC, "No space left on device", "log.txt")

    def trained(*_, **__):
        if raised is None:
            raise full
        raise raised from full

    monkeypatch.setattr("snnvtg.sweeps.jobs.trained", trained)
    with pytest.raises(InputError, match="cannot be written"):
        serve(request, 60.0, 0)
    (table,) = request.tables()
    assert not table.failures and len(unfinished([table])) == 2
    assert not list(tmp_path.rglob("claim.json"))


def test_jobs_of_submitit_write_the_table_of_one_process_and_go_on_where_they_were_stopped(tmp_path, one_process):
    pytest.importorskip("submitit")
    request, preempted = requested(tmp_path), []

    class Preempting:
        def started(self, job):
            claim = request.claim(job, 60.0).path
            if not preempted:
                wait_for(lambda: holder(claim))
                preempted.append(holder(claim)["process"])
                os.kill(preempted[0], signal.SIGUSR2)

        def declared(self, jobs):
            assert len(jobs) == 2

        def ended(self, outcome):
            assert not outcome.failure

    paths = ([SWEEP], trial(), [tmp_path / "widths.csv"], tmp_path / "runs")
    run_sweeps(*paths, executor=SubmititLocal(2), watch=Preempting())
    pd.testing.assert_frame_equal(figures(tmp_path), one_process)
    logs = [path.read_text() for path in tmp_path.rglob("*_log.out")]
    assert len(logs) == 2 and sum("Requeued job" in log for log in logs) == 1


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Slurm's tools as small shell scripts, first on the path."""
    folder = tmp_path / "tools"
    folder.mkdir()

    def made(**scripts):
        for name, lines in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
            (folder / name).chmod(stat.S_IRWXU)

    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    made(srun="", scontrol="echo MaxArraySize = 1001", squeue="", sbatch="echo Submitted batch job 7")
    return made


FULL = ClusterConfig("cpu", "vision", 0, 2, 1.5, setup=("module load x",), sbatch={"qos": "night"})


def submit(folder, config=None):
    places = [folder / "widths.csv"], folder / "runs"
    return run_sweeps([SWEEP], trial(), *places, executor=Slurm(config or FULL))


def test_slurm_is_given_what_is_neither_finished_nor_in_the_queue(tmp_path, tools, capsys):
    pytest.importorskip("submitit")
    tools(sbatch=f"cp $1 {tmp_path}/script; echo Submitted batch job 7")
    submit(tmp_path)
    assert "2 models: 0 finished, 0 running, 0 waiting; submitted 2 as 7, logs in" in capsys.readouterr().out
    script = (tmp_path / "script").read_text()
    for line in (
        "--array=0-1%2",
        "--partition=cpu",
        "--requeue",
        "--time=60",
        "--signal=USR2@90",
        "--mem=1536M",
        "--qos=night",
    ):
        assert f"#SBATCH {line}\n" in script
    assert "module load x\n" in script
    tools(squeue="echo 7_0 RUNNING; echo 7_1 PENDING; echo 3 RUNNING", sbatch="exit 1")
    submit(tmp_path)
    assert "2 models: 0 finished, 1 running, 1 waiting; the same command" in capsys.readouterr().out
    serve(requested(tmp_path), 60.0, 0)
    submit(tmp_path)
    assert capsys.readouterr().out == "slurm: 2 models: 2 finished, 0 running, 0 waiting\n"


def test_a_cancelled_job_is_submitted_again_alone(tmp_path, tools, capsys):
    pytest.importorskip("submitit")
    submit(tmp_path)
    tools(squeue="echo 7_1 RUNNING", sbatch="echo Submitted batch job 8")
    submit(tmp_path)
    said = capsys.readouterr().out.splitlines()[-1]
    assert "1 running, 0 waiting, 1 ended before they were done (cancelled, or a node lost); submitted 1 as 8" in said


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        (
            {"sbatch": "echo sbatch: error: invalid partition specified: cpu >&2; exit 1"},
            "Slurm takes no job: invalid partition specified: cpu; change --cluster FILE",
        ),
        (
            {"squeue": "echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1"},
            "Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller; nothing was submitted",
        ),
    ],
)
def test_what_slurm_refuses_is_one_line(tmp_path, tools, scripts, said, capfd):
    pytest.importorskip("submitit")
    tools(**scripts)
    with pytest.raises(InputError, match=said):
        submit(tmp_path)
    assert "sbatch" not in capfd.readouterr().err


def test_without_slurm_or_submitit_a_line_says_what_to_do(tmp_path, tools, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(InputError, match=r"--executor slurm needs submitit .* pip install 'snnvtg\[cluster\]'"):
        submit(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "submitit", multiprocessing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch here; run the command on a login node"):
        submit(tmp_path)


def test_a_gpu_that_would_lie_idle_is_refused(tmp_path, tools):
    pytest.importorskip("submitit")
    with pytest.raises(InputError, match="--device cpu with gpus: 1 of the cluster's file; give --device cuda"):
        submit(tmp_path, ClusterConfig(gpus=1))


def test_a_clusters_file_is_read_as_it_says(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text("partition: gpu\ngpus: 1\nmemory_gb: 7.5\nsetup: [module load x]\nsbatch: {qos: 3}\nminutes: 5\n")
    expected = ClusterConfig("gpu", None, 1, 1, 7.5, 5, setup=("module load x",), sbatch={"qos": "3"})
    assert read_cluster(path) == expected
    path.write_text("")
    assert read_cluster(path) == ClusterConfig()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("partitions: gpu", "no such key 'partitions'; known: partition, account, gpus"),
        ("gpus: 2", "gpus: expected a whole number from 0 to 1, got 2"),
        ("gpus: true", "gpus: expected a whole number from 0 to 1, got True"),
        ("minutes: 0", "minutes: expected a whole number from 1 to 10000000, got 0"),
        ("memory_gb: 8G", "memory_gb: expected gigabytes, more than 0, got '8G'"),
        ("partition: [a, b]", "partition: expected a name, got "),
        ("setup: module load", "setup: expected a list of lines"),
        ("sbatch: [qos]", "sbatch: expected options of sbatch"),
        ("- gpu", "expected keys and values, as `partition: gpu`"),
        ("a: [", "not YAML"),
    ],
)
def test_a_clusters_file_that_cannot_be_is_one_line(tmp_path, content, said):
    path = tmp_path / "cluster.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_cluster(path)
    assert str(caught.value).startswith(f"{path}: {said}") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cluster", "pyproject.toml"), "--cluster is for --executor slurm; the executor is local"),
        (("--executor", "workers", "--wait"), "--wait is for --executor slurm; the executor is workers"),
        (("--executor", "slurm", "--cluster", "nowhere.yaml"), "nowhere.yaml: no such file; expected partition"),
        (("--executor", "workers", "--lease", "0"), "--lease: expected seconds from 1 to 86400, got 0"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(command, capsys, options, said):
    assert command("timestep_sweep", *options) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")
