"""Models as one array of Slurm jobs, through submitit; nothing of ours has to stay alive while they run.

The command submits what is neither finished nor in the queue, says how far all is, and returns; the same command again
says so anew. Each job writes the rows of its own model.
"""

import getpass
import io
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from snnvtg.data.extras import require
from snnvtg.errors import InputError
from snnvtg.leases import leased
from snnvtg.reporting import write_json
from snnvtg.sweeps.executors.cluster_file import ClusterConfig
from snnvtg.sweeps.executors.contract import Watch
from snnvtg.sweeps.executors.task import Task, submitted_here
from snnvtg.sweeps.jobs import Job
from snnvtg.sweeps.request import SweepRequest, awaited, declared, failure, unfinished
from snnvtg.sweeps.results import SweepTable

SUBMITTING = 30.0
"""seconds after which a command that died while it submitted is no longer waited for"""
LOOK = 10.0
"""seconds between two looks at the queue, where the command waits"""
SMALLEST_ARRAY = 1000
"""models in one array where the cluster does not say how many it takes"""


@dataclass(frozen=True)
class Slurm:
    """Jobs of Slurm."""

    config: ClusterConfig = field(default_factory=ClusterConfig)
    wait: bool = False
    """until all are finished, or none is in the queue any more"""
    lease: float = 60.0
    """seconds after which a job that renewed nothing is taken for dead"""
    shares_tables: ClassVar[bool] = True
    runs_elsewhere: ClassVar[bool] = True

    @property
    def workers(self) -> int:
        """Models that run at once at the most."""
        return self.config.parallel

    def run(self, request: SweepRequest, tables: Sequence[SweepTable], watch: Watch) -> None:
        """Submit what is neither finished nor in the queue; print how far all is."""
        submitit = require("submitit", "cluster", "--executor slurm")
        check_slurm()
        check_device_fits(self.config, request.device)
        for table in tables:
            table.keep_declaration()  # a job of other settings is refused from now on
        with leased(request.folder / "submitting.lease", SUBMITTING):
            for table in tables:
                table.refresh()
            record, states = _Record(request), queue()
            left = unfinished(tables)
            absent = [job for job in left if record.state(job, states) is None]
            print_failures(request, tables, absent, record)
            lost = [job for job in absent if record.of(job) and not failure(tables, job)]
            for table in tables:
                table.forget_failures(absent)
            watch.declared(absent)
            self._submit(submitit, request, absent, record)
        counts = Counter(record.state(job, states) for job in left)
        print(_in_words(len(declared(tables)), len(left), counts, absent, lost, record))
        if self.wait:
            self._wait(tables, record)

    def _submit(self, submitit: Any, request: SweepRequest, jobs: Sequence[Job], record: "_Record") -> None:
        """One array, or as many as the cluster's largest size asks for; what was submitted is on record at once."""
        size = largest_array()
        pieces = [jobs[i : i + size] for i in range(0, len(jobs), size)]
        if not pieces:
            return
        executor = submitit.SlurmExecutor(record.logs, max_num_timeout=self.config.requeues)
        executor.update_parameters(**parameters(self.config, len(pieces)))
        said = io.StringIO()  # sbatch's words, which are in the error
        request = submitted_here(request)
        for piece in pieces:
            try:
                with redirect_stderr(said), executor.batch():
                    submitted = [executor.submit(Task(request, job, self.lease)) for job in piece]
            except submitit.core.utils.FailedJobError as error:
                raise InputError(f"Slurm takes no job: {_first(str(error))}; change --cluster FILE") from None
            except OSError as error:
                why = f"{record.logs}: cannot be written ({error.strerror}); make room and run the same command"
                raise InputError(why) from error
            record.add({job: known.job_id for job, known in zip(piece, submitted, strict=True)})

    def _wait(self, tables: Sequence[SweepTable], record: "_Record") -> None:
        while jobs := awaited(tables):
            states = queue()
            time.sleep(LOOK)  # after the queue: the last rows may be on their way through a shared file system
            for table in tables:
                table.refresh()
            if all(record.state(job, states) is None for job in jobs):
                return


class _Record:
    """Which job of Slurm each model was submitted as last, in a file that outlives the command."""

    def __init__(self, request: SweepRequest):
        self.request, self.path, self.logs = request, request.folder / "submitted.json", request.folder / "logs"
        try:
            self.jobs: dict[str, str] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            self.jobs = {}

    def of(self, job: Job) -> str | None:
        """The number of the job, as `12_3`."""
        return self.jobs.get(self.request.model_folder(job).name)

    def state(self, job: Job, states: dict[str, str]) -> str | None:
        """Its state in the queue; None where it is not in there."""
        return states.get(self.of(job) or "")

    def add(self, submitted: dict[Job, str]) -> None:
        """Put newly submitted jobs on record."""
        self.jobs |= {self.request.model_folder(job).name: number for job, number in submitted.items()}
        write_json(self.jobs, self.path)

    def log(self, job: Job) -> Path:
        """Where the job's output is."""
        return self.logs / f"{self.of(job)}_0_log.out"


def parameters(config: ClusterConfig, arrays: int) -> dict[str, Any]:
    """What submitit is told, where the models come in `arrays` arrays."""
    given = {
        "job_name": "snnvtg",
        "partition": config.partition,
        "account": config.account,
        "gpus_per_node": config.gpus or None,
        "cpus_per_task": config.cpus,
        "mem": f"{round(1024 * config.memory_gb)}M" if config.memory_gb else None,
        "time": config.minutes,
        "signal_delay_s": config.warning_seconds,
        "array_parallelism": max(1, config.parallel // arrays),
        "setup": list(config.setup) or None,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **config.sbatch},
    }
    return {name: value for name, value in given.items() if value is not None}


def check_slurm() -> None:
    """InputError where this machine cannot submit."""
    absent = [tool for tool in ("sbatch", "squeue", "srun") if shutil.which(tool) is None]
    if absent:
        raise InputError(
            f"--executor slurm: no {absent[0]} here; run the command on a login node of the cluster, "
            "or take --executor workers on machines that share a folder"
        )


def check_device_fits(config: ClusterConfig, device: str) -> None:
    """InputError where a GPU is asked for and not used, or used and not asked for."""
    if bool(config.gpus) != device.startswith("cuda"):
        remedy = "give --device cuda" if config.gpus else "set gpus: 1 in the file of --cluster"
        raise InputError(f"--device {device} with gpus: {config.gpus} of the cluster's file; {remedy}")


def queue() -> dict[str, str]:
    """The state of every job of ours that Slurm has: `12_3` -> `RUNNING`; InputError where it does not answer."""
    command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i %T"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"Slurm does not answer: {_first(done.stderr)}; nothing was submitted, try again")
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip())


def largest_array() -> int:
    """The most jobs of one array."""
    done = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", done.stdout)
    return max(1, int(found[1]) - 1) if found else SMALLEST_ARRAY


def print_failures(request: SweepRequest, tables: Sequence[SweepTable], jobs: Sequence[Job], record: _Record) -> None:
    """Each failure's first line and where its log is, before the model is submitted again."""
    for job in jobs:
        if why := failure(tables, job):
            label = next(label for table in tables for label in table.labels(job))
            where = f" (log: {record.log(job)})" if record.of(job) else ""
            print(f"failed before: {label}: {why.splitlines()[0]}{where}")


def _in_words(
    total: int, left: int, counts: Counter, absent: Sequence[Job], lost: Sequence[Job], record: _Record
) -> str:
    waiting = sum(counts[state] for state in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"))
    running = left - len(absent) - waiting
    words = f"slurm: {total} models: {total - left} finished, {running} running, {waiting} waiting"
    if lost:
        words += f", {len(lost)} ended before they were done (cancelled, or a node lost)"
    if absent:
        arrays = dict.fromkeys((record.of(job) or "").partition("_")[0] for job in absent)
        words += f"; submitted {len(absent)} as {' '.join(arrays)}, logs in {record.logs}"
    if left:
        words += "; the same command says how far they are, and draws when all are finished"
    return words


def _first(said: str) -> str:
    """The first line of what a tool of Slurm says, without its name."""
    line = next((line for line in said.splitlines() if line.strip()), "no reason given")
    return re.sub(r"^\w+: (error|fatal): ", "", line.strip())[:300]
