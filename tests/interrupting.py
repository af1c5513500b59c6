"""Commands in processes of their own that are told to end, or killed, and what they leave."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
TINY = [
    part
    for setting in (
        *("training.epochs=8", "model.width=8", "model.num_blocks=1", "model.num_heads=2", "model.num_slots=1"),
        *("model.state_size=2", "data.synthetic.num_train=16", "data.synthetic.num_val=4", "data.synthetic.num_test=4"),
    )
    for part in ("--set", setting)
]
ALREADY = "exists already"
"""of packed features: the kill came after the last of the work"""


class Running:
    """A command in a process group of its own, as a terminal starts it."""

    def __init__(self, folder: Path, *arguments: str):
        command = [sys.executable, str(ROOT / "experiments" / arguments[0]), *map(str, arguments[1:])]
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        kept = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, **kept, text=True, start_new_session=True)

    def wait_for(self, seen, seconds=600.0) -> None:
        """Until `seen()`, or the end of the command."""
        end = time.monotonic() + seconds
        while not seen() and self.process.poll() is None:
            assert time.monotonic() < end, "it never came"
            time.sleep(0.005)

    def send(self, number: signal.Signals, *, to_all: bool) -> tuple[int, list[str]]:
        """Signal the command, or its whole group; exit status and lines on stderr, progress apart."""
        if to_all:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, list[str]]:
        """Exit status and lines on stderr, once no process of the group is left."""
        said = self.process.communicate(timeout=600)[1]
        end = time.monotonic() + 10
        while group_lives(self.process.pid):
            assert time.monotonic() < end, "a process was left behind"
            time.sleep(0.02)
        lines = [line.split("\r")[-1] for line in said.split("\n")]
        said = [line for line in lines if line.strip() and "%|" not in line]
        return self.process.returncode, [line for line in said if not re.search(r": \d+ models: ", line)]


def group_lives(group: int) -> bool:
    """Whether a process of the group runs; one that ended and that nobody waited for does not."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(its_group) == group and state != "Z":
                return True
    return False


def half_files(folder: Path) -> list[str]:
    """Scratch files, and tables, JSON and checkpoints that cannot be read, below `folder`."""
    found = [str(path) for path in folder.rglob("*") if ".unfinished-" in path.name]
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".csv":
                pd.read_csv(path)
            elif path.suffix == ".pt":
                import torch

                torch.load(path, weights_only=True)
        except Exception as error:
            found.append(f"{path}: {error}")
    return found


def figures(path: Path) -> pd.DataFrame | dict:
    """A table or metrics file without what tells runs apart: seconds."""
    if path.suffix == ".csv":
        return pd.read_csv(path).drop(columns="seconds", errors="ignore")
    return json.loads(path.read_text())["figures"]


def equal(first: Path, second: Path) -> bool:
    """Whether two runs wrote the same figures."""
    ours, theirs = figures(first), figures(second)
    return ours.equals(theirs) if isinstance(ours, pd.DataFrame) else ours == theirs


def killed_at_random(folder: Path, arguments: list[str], moments: int, seed: int, longest: float) -> list[float]:
    """Kill the command at `moments` random moments of its life of `longest` seconds; then let it end by itself.

    Where it ends before its moment, its files are removed and it begins anew, so that every moment counts.
    """
    generator, struck = random.Random(seed), []
    while len(struck) < moments:
        moment = generator.uniform(0.1, longest)
        running = Running(folder, *arguments)
        try:
            running.process.wait(moment)
        except subprocess.TimeoutExpired:
            running.send(signal.SIGKILL, to_all=generator.random() < 0.5)
            struck.append(round(moment, 2))
            print(f"{arguments[0]}: killed after {moment:.2f} s", flush=True)
            whole = [name for name in half_files(folder) if ".unfinished-" not in name]
            assert not whole, whole
        else:
            status, said = running.end()
            assert status == 0 or ALREADY in said[-1], said
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
    status, said = Running(folder, *arguments).end()
    assert status == 0 or ALREADY in said[-1], said
    assert not half_files(folder), half_files(folder)
    return struck


def signalled_at_random(folder: Path, arguments: list[str], moments: int, seed: int, longest: float) -> list[str]:
    """Send Ctrl-C or SIGTERM to the command, or to its group, at random moments of its life of `longest` seconds.

    What was not as it should be, in words: the status, one line on stderr, no half file. A command that has done all
    its work may end as if nothing had come.
    """
    generator, wrong = random.Random(seed), []
    for number in range(moments):
        place = folder / str(number)
        place.mkdir()
        moment, to_all = generator.uniform(0.1, longest), generator.random() < 0.5
        chosen = generator.choice((signal.SIGINT, signal.SIGTERM))
        running = Running(place, *arguments)
        try:
            running.process.wait(moment)
        except subprocess.TimeoutExpired:
            status, said = running.send(chosen, to_all=to_all)
        else:
            status, said = running.end()
        answered = status == 128 + chosen and len(said) == 1 and said[0].startswith("interrupted: ")
        if half_files(place) or not (answered or status == 0):
            wrong.append(f"{chosen.name} after {moment:.2f} s: status {status}, {said}, {half_files(place)}")
    return wrong
