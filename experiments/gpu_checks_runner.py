"""Running a list of parts on a machine that is at hand for minutes and can fetch nothing; see gpu_checks.py.

Only Python's own library is imported here: what the parts need may not be installed yet, or never.
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = (".json", ".csv", ".md", ".png", ".txt")  # what of a part's files is worth taking home
LEAST = 5.0  # seconds below which nothing is begun


@dataclass(frozen=True)
class Part:
    """Commands that answer one question.

    In a command `{A|B}` is A on a GPU and B in a rehearsal, `{out}` the part's folder. `seconds` is its share of the
    time; what other parts leave over it may use too. `needs` are modules without which it is "not installed"; `site`
    names a folder of wheels of its own, `gpu-SITE`, that comes before all others.
    """

    name: str
    commands: tuple[str, ...]
    seconds: float
    needs: tuple[str, ...] = ()
    site: str = ""


@dataclass
class Result:
    """What came of a part: passed, failed, timed out, not installed, or no time."""

    part: str
    outcome: str
    seconds: float = 0.0
    commands: list[dict] = field(default_factory=list)
    """command, exit status (None: cut off) and seconds of each that was begun"""
    said: list[str] = field(default_factory=list)
    code: str = ""
    rehearsal: bool = False


@dataclass(frozen=True)
class Place:
    """Where wheels are installed and parts write (`work`), and where the results go after each part (`out`)."""

    work: Path
    out: Path
    rehearsal: bool = False

    def folder(self, part: str) -> Path:
        """A part's own; what other code wrote lies elsewhere, so that no table mixes the two."""
        return self.work / code_digest() / part

    def environment(self, part: Part) -> dict[str, str]:
        """What a part's commands see: its own site, the one for all, this checkout."""
        sites = [self.work / "sites" / name for name in ((part.site,) if part.site else ()) + ("all",)]
        path = [*map(str, sites), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        spin = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ
        return {**spin, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def install(wheels: Path, sites: Path) -> list[str]:
    """Install `wheels`/*.whl and `wheels`/gpu/*.whl for all parts, `wheels`/gpu-NAME/*.whl as site NAME.

    Nothing is fetched. Returns a line for each wheel that does not fit this machine; the others are installed.
    """
    folders = {"all": [wheels, wheels / "gpu"]}
    folders |= {folder.name.removeprefix("gpu-"): [folder] for folder in sorted(wheels.glob("gpu-*"))}
    refused = []
    for name, places in folders.items():
        files = [str(file) for place in places for file in sorted(place.glob("*.whl"))]
        marker = sites / name / ".installed"
        if files and not (marker.is_file() and marker.read_text().splitlines() == files):
            refused += _pip(files, sites / name) and [why for file in files for why in _pip([file], sites / name)]
            marker.write_text("\n".join(files))
    return refused


def _pip(files: list[str], target: Path) -> list[str]:
    target.mkdir(parents=True, exist_ok=True)
    options = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "-q", *options, "--target", str(target), *files]
    done = subprocess.run(command, capture_output=True, text=True)
    return [f"{Path(files[0]).name}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"] if done.returncode else []


def run_all(parts: Sequence[Part], place: Place, end: float) -> list[Result]:
    """Run what has not passed yet under this code until `end` (monotonic); everything is written after each part."""
    # who is told to end ends what it started first
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    code, results = code_digest(), earlier(place)
    done = {r.part for r in results.values() if r.outcome == "passed" and r.code == code}
    tried = {r.part for r in results.values() if r.code == code and r.outcome not in ("no time", "not installed")}
    waiting = sorted((part for part in parts if part.name not in done), key=lambda part: part.name in tried)
    for name in (part.name for part in parts if part.name in done):
        print(f"{name:12} passed earlier", flush=True)
    for i, part in enumerate(waiting):
        left = end - time.monotonic()
        share = min(left, max(part.seconds, left - sum(later.seconds for later in waiting[i + 1 :])))
        result = run_part(part, place, share)
        result.code, result.rehearsal = code, place.rehearsal
        results[part.name] = result
        write(list(results.values()), place)
        print(f"{part.name:12} {result.outcome:14} {result.seconds:6.1f} s of {share:5.1f}", flush=True)
    return [results[part.name] for part in parts]


def run_part(part: Part, place: Place, seconds: float) -> Result:
    """Run a part's commands one after the other, for at most `seconds` together, with everything they start."""
    folder, environment = place.folder(part.name), place.environment(part)
    result, started = Result(part.name, "passed"), time.monotonic()
    if seconds < LEAST:
        result.outcome = "no time"
        return result
    folder.mkdir(parents=True, exist_ok=True)
    missing = absent(part.needs, environment)
    if missing:
        result.outcome, result.said = "not installed", [f"not installed: {', '.join(missing)}"]
        return result
    for command in part.commands:
        arguments, begun = filled(command, folder, place.rehearsal), time.monotonic()
        status, said = _run(arguments, folder / "log.txt", environment, seconds - (begun - started))
        took = round(time.monotonic() - begun, 1)
        shown = shlex.join(["python", *(word.replace(str(folder), part.name) for word in arguments)])
        result.commands.append({"command": shown, "exit": status, "seconds": took})
        result.said += said[-40:]
        if status != 0:
            result.outcome = _outcome(status, said)
            break
    result.seconds = round(time.monotonic() - started, 1)
    return result


def filled(command: str, folder: Path, rehearsal: bool) -> list[str]:
    """The command's words, with one side of each `{A|B}` and with the part's folder."""
    side = 2 if rehearsal else 1
    return shlex.split(re.sub(r"\{([^|{}]*)\|([^|{}]*)\}", lambda m: m[side], command).replace("{out}", str(folder)))


def absent(modules: Sequence[str], environment: dict[str, str]) -> list[str]:
    """Which of these a part's commands could not import."""
    ask = "import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"
    command = [sys.executable, "-c", ask, *modules]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT).stdout.split()


def _outcome(status: int | None, said: list[str]) -> str:
    if status is None:
        return "timed out"
    unknown = re.match(r"ModuleNotFoundError: No module named '([\w.]+)'", said[-1] if said else "")
    return "not installed" if unknown and unknown[1].split(".")[0] not in ("snnvtg", "tests") else "failed"


def _run(arguments: list[str], log: Path, environment: dict[str, str], seconds: float) -> tuple[int | None, list[str]]:
    """Exit status (None: out of time) and output of one command, which is kept in `log` as it comes."""
    if seconds < LEAST:
        return None, ["no time was left"]
    with log.open("a") as file:
        begun = file.tell()
        # a group of its own, so that what it starts ends with it; no session, which would outlive this one
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=os.setpgrp,
        )
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # one that lives on would hold the device
            _end(process)
    text = log.read_bytes()[begun:].decode(errors="replace")
    # a path of somebody's machine is nobody else's business
    for place, name in {f"{ROOT}{os.sep}": "", sys.prefix: "PYTHON", str(Path.home()): "~"}.items():
        text = text.replace(place, name)
    # of a progress bar the last state
    return status, [line.rsplit("\r", 1)[-1].rstrip() for line in text.strip().split("\n")]


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@lru_cache
def code_digest() -> str:
    """Digest of the code that ran, for machines without the repository's history."""
    digest = hashlib.sha256()
    for folder in ("snnvtg", "experiments", "tests"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".py", ".cpp", ".hpp", ".cu", ".json") and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def earlier(place: Place) -> dict[str, Result]:
    """The results of earlier calls, by part: those in `work`, or in the archive that came home from another machine."""
    archive, state = place.out / "gpu_checks.tar.gz", place.work / "gpu_checks.json"
    if archive.is_file() and not state.is_file():
        place.work.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as file:
            file.extractall(place.work, filter="data")
    if not state.is_file():
        return {}
    return {record["part"]: Result(**record) for record in json.loads(state.read_text())["parts"]}


def write(results: list[Result], place: Place) -> None:
    """The results as JSON and Markdown, and what the parts wrote as one archive: three files to take home."""
    place.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"device": device(), "parts": [asdict(result) for result in results]}, indent=2) + "\n"
    for folder in {place.work, place.out}:
        (folder / "gpu_checks.json").write_text(content)
    (place.out / "gpu_checks.md").write_text(summary(results))
    with tarfile.open(place.out / "gpu_checks.tar.gz", "w:gz") as archive:
        for file in sorted(place.work.rglob("*")):
            if file.suffix in KEPT and "sites" not in file.relative_to(place.work).parts:
                archive.add(file, str(file.relative_to(place.work)))


def device() -> str:
    """The GPU's name, or that there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU (a rehearsal)"


def summary(results: list[Result]) -> str:
    """The parts as a Markdown table, their last lines beneath."""
    lines = [f"# GPU checks on {device()}", "", "| part | outcome | seconds | commands |", "|---|---|---|---|"]
    for r in results:
        commands = "<br>".join(f"`{c['command']}` ({c['seconds']} s, exit {c['exit']})" for c in r.commands)
        lines.append(f"| {r.part} | {r.outcome} | {r.seconds} | {commands} |")
    for r in results:
        lines += ["", f"## {r.part}", "", "```", *r.said[-40:], "```"]
    return "\n".join(lines) + "\n"
