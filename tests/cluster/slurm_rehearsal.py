"""A sweep on a real Slurm that is broken on the way, and one by workers that are killed: both end as one process does.

    python tests/cluster/slurm_rehearsal.py                 # as root; installs slurm-wlm and munge where they are not

Starts munged, slurmctld and three slurmd, submits 24 models, and on the way kills a node (kill -9 of slurmd and its
jobs), cancels a job and restarts the controller; then the same command again. Writes reports/cluster_slurm.md, .csv
and .json, and stops all it started.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/cluster")]

import tyro  # noqa: E402
from slurm_here import SlurmHere, install  # noqa: E402

from snnvtg.leases import holder  # noqa: E402
from snnvtg.reporting import provenance, write_csv, write_json, write_text  # noqa: E402

SMALL = (
    *("training.epochs=4", "model.width=8", "model.num_blocks=1", "model.num_heads=2", "model.num_slots=1"),
    *("model.state_size=2", "data.synthetic.num_train=24", "data.synthetic.num_val=6", "data.synthetic.num_test=6"),
)
SWEEP = [str(ROOT / "experiments/timestep_sweep.py"), *(part for s in SMALL for part in ("--set", s))]
MODELS = ["--timesteps", "1", "2", "4", "--seeds", "0", "1", "2", "3"]
CLUSTER = "partition: rehearsal\nminutes: 60\nmemory_gb: 2\nwarning_seconds: 30\nparallel: 24\nrequeues: 5\n"
UNLIKE = ("seconds",)
"""columns of wall time"""


@dataclass(frozen=True)
class Options:
    """Rehearse."""

    out: Path = ROOT / "reports/cluster_slurm.md"


class Rehearsal:
    """Commands in a folder of their own, and what happened, with the second it happened at."""

    def __init__(self, folder: Path, sweep: Sequence[str] = (*SWEEP, *MODELS)):
        """`sweep`: the command that is run, without its folders."""
        self.folder, self.sweep, self.lines, self.began = folder, sweep, [], time.monotonic()
        (folder / "cluster.yaml").write_text(CLUSTER)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    def log(self, words: str) -> None:
        """One line of the log."""
        self.lines.append(f"{time.monotonic() - self.began:6.0f} s  {words}")
        print(self.lines[-1], flush=True)

    def start(self, name: str, *options: str) -> subprocess.Popen:
        """The sweep with its table in the folder `name`, in a process group of its own."""
        command = [sys.executable, *self.sweep, "--runs", f"runs-{name}", "--out", f"{name}/sweep.csv", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, start_new_session=True, **pipes)

    def run(self, name: str, *options: str) -> str:
        """The last line of what the sweep says."""
        running = self.start(name, *options)
        said = running.communicate(timeout=3600)[0].strip().splitlines()
        lines = [line for line in said if line.startswith(("slurm:", "failed", "error"))]
        if running.returncode:
            raise SystemExit(f"exit status {running.returncode}: {said}")
        return " | ".join(lines).replace(str(self.folder), "FOLDER") or "drawn"

    def rows(self, name: str) -> int:
        """Models with figures."""
        path = self.folder / name / "sweep.csv"
        return pd.read_csv(path)["run"].nunique() if path.is_file() else 0

    def compare(self, name: str, reference: str = "one") -> bool:
        """Whether two sweeps have the same rows and figures, and the same figures of every query."""
        ours, theirs = (self.folder / each / "sweep.csv" for each in (name, reference))
        tables = [pd.read_csv(path).drop(columns=list(UNLIKE)) for path in (ours, theirs)]
        queries = [path.with_name("sweep_queries.csv").read_bytes() for path in (ours, theirs)]
        same = tables[0].equals(tables[1]) and queries[0] == queries[1]
        doubled = int(tables[0].duplicated(["row", "model", "seed"]).sum())
        self.log(f"{name}: {len(tables[0])} rows, {doubled} doubled; equal to the table of one process: {same}")
        return same


def slurm(rehearsal: Rehearsal, cluster: SlurmHere) -> bool:
    """The sweep through Slurm, broken on the way."""
    rehearsal.environment |= {"SLURM_CONF": str(cluster.configuration)}
    command = ("--executor", "slurm", "--cluster", "cluster.yaml")
    log, rows = rehearsal.log, lambda: rehearsal.rows("slurm")
    log(f"three nodes are up: {cluster.states()}")
    log(rehearsal.run("slurm", *command))
    cluster.wait_for(lambda: rows() >= 4, 1800)
    running = [number for number, (state, node) in cluster.jobs().items() if (state, node) == ("RUNNING", "node2")]
    cluster.kill("node2")
    log(f"{rows()} models finished; node2 killed (-9) with its job {running}")
    number = next_to_run(cluster)
    cluster.ask("scancel", number)
    log(f"job {number} cancelled when it had just begun")
    log("the command again: " + rehearsal.run("slurm", *command))
    cluster.kill("slurmctld")
    log(f"{rows()} models finished; the controller killed (-9)")
    time.sleep(8)
    cluster.start_controller()
    log(f"the controller is back; nodes: {cluster.states()}")
    cluster.wait_for(lambda: "down*" in cluster.states() or not cluster.jobs(), 600)
    log(f"nodes: {cluster.states()}; in the queue: {len(cluster.jobs())}")
    for _ in range(4):
        cluster.wait_for(lambda: not cluster.jobs(), 3600)
        said = rehearsal.run("slurm", *command)
        log(f"{rows()} models finished, none in the queue; the command again: {said}")
        if "24 finished" in said:
            break
    return rehearsal.compare("slurm")


def next_to_run(cluster: SlurmHere) -> str:
    """The number of the next job that begins."""
    running = lambda: {number for number, (state, _) in cluster.jobs().items() if state == "RUNNING"}  # noqa: E731
    before = running()
    return wait(lambda: next(iter(running() - before), None))


def workers(rehearsal: Rehearsal) -> bool:
    """The sweep by three commands that share a folder, as three machines would; one is killed, and a writer."""
    options = ("--executor", "workers", "--workers", "1", "--lease", "20")
    running = [rehearsal.start("workers", *options) for _ in range(3)]
    rehearsal.log("workers: the same command three times, one model at once each")
    wait(lambda: rehearsal.rows("workers") >= 3)
    os.killpg(running[0].pid, signal.SIGKILL)
    rehearsal.log(f"{rehearsal.rows('workers')} models finished; one of the three killed (-9) with its processes")
    lease = rehearsal.folder / "workers/.sweep.csv.lease"
    writer = wait(lambda: holder(lease).get("process"), pause=0.001)
    group = os.getpgid(writer)
    os.killpg(group, signal.SIGKILL)
    rehearsal.log(f"{rehearsal.rows('workers')} models finished; the one that was writing the table killed (-9)")
    running.append(rehearsal.start("workers", *options))
    rehearsal.log("a new one started")
    for each in running:
        each.communicate(timeout=3600)
    left = [each.returncode for each in running]
    rehearsal.log(f"exit statuses {left}")
    return rehearsal.compare("workers")


def wait(seen, pause: float = 0.3, seconds: float = 1800.0):
    """What `seen()` says once it is true."""
    end = time.monotonic() + seconds
    while not (found := seen()):
        if time.monotonic() > end:
            raise TimeoutError("it never came")
        time.sleep(pause)
    return found


def main(options: Options) -> None:
    """Rehearse, and write the report after each part; exit status 1 where a table differs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which stops the daemons
    install()
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    rehearsal = Rehearsal(folder)
    rehearsal.run("one", "--workers", "1")
    rehearsal.log(f"one process: {rehearsal.rows('one')} models")
    with SlurmHere(folder / "slurm", 3) as cluster:
        same, version = {"Slurm": slurm(rehearsal, cluster)}, cluster.ask("sinfo", "--version").strip()
        write_csv(pd.read_csv(folder / "slurm/sweep.csv").drop(columns=["seconds"]), options.out.with_suffix(".csv"))
        write_report(options.out, rehearsal, version, same)
        same["workers"] = workers(rehearsal)
        write_report(options.out, rehearsal, version, same)
    shutil.rmtree(folder)
    raise SystemExit(0 if all(same.values()) else 1)


def write_report(out: Path, rehearsal: Rehearsal, version: str, same: dict[str, bool]) -> None:
    """The log, and whether the tables are equal."""
    about = provenance(slurm=version, equal=same)
    write_json(about, out.with_suffix(".json"))
    verdicts = ", ".join(f"{name}: {'yes' if equal else 'NO'}" for name, equal in same.items())
    text = f"# A sweep on Slurm, broken on the way\n\n`{about['command']}`, commit {about['commit']}, {version}.\n\n"
    text += "Three slurmd, a slurmctld and a munged on one machine of two cores; other programs took one and more.\n"
    text += f"Final table equal to that of one process, wall time apart: {verdicts}.\n\n"
    text += "```text\n" + "\n".join(rehearsal.lines) + "\n```\n"
    write_text(text, out)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
