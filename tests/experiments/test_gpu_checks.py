"""What gpu_checks.py does with parts that fail, hang, lack a package or have no time; they need a GPU themselves."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FAILS = "-c \"import sys; print('out'); sys.exit('reason')\""
HANGS = (
    "-c \"import subprocess, time; print('begun', subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)\""
)
WORKS = "-c \"print('fine')\""


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


@pytest.fixture
def runner(monkeypatch):
    import gpu_checks_runner

    monkeypatch.setattr(gpu_checks_runner, "code_digest", lambda: "this code")
    monkeypatch.setattr(gpu_checks_runner, "LEAST", 0.0)
    return gpu_checks_runner


def outcomes(results):
    return {result.part: result.outcome for result in results}


def soon(seconds=100.0):
    return time.monotonic() + seconds


def test_a_part_that_fails_hangs_or_lacks_a_package_does_not_stop_the_next(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LEAST", 0.5)
    parts = [
        runner.Part("fails", (FAILS, WORKS), 30),
        runner.Part("hangs", (HANGS,), 2),
        runner.Part("needs", (WORKS,), 30, needs=("json", "no_such_package")),
        runner.Part("imports", ("-c 'import no_such_package'",), 30),
        runner.Part("broken", ("-c 'import snnvtg.no_such_module'",), 30),
        runner.Part("works", (WORKS,), 30),
    ]
    place = runner.Place(tmp_path / "work", tmp_path / "out")
    # nothing is left over for the part that hangs
    results = runner.run_all(parts, place, soon(124))
    missing, expected = "not installed", {"fails": "failed", "hangs": "timed out", "broken": "failed"}
    assert outcomes(results) == expected | {"needs": missing, "imports": missing, "works": "passed"}
    found = {result.part: result for result in results}
    assert found["fails"].said == ["out", "reason"] and [c["exit"] for c in found["fails"].commands] == [1]
    assert found["needs"].said == ["not installed: no_such_package"]
    begun, child = found["hangs"].said[0].split()
    assert begun == "begun"
    assert ended(child), "what a hanging part started lives on"
    written = json.loads((tmp_path / "out" / "gpu_checks.json").read_text())
    assert [part["part"] for part in written["parts"]] == [part.name for part in parts]
    assert "| works | passed |" in (tmp_path / "out" / "gpu_checks.md").read_text()


ENDED = """
import sys, time
from pathlib import Path
import gpu_checks_runner as runner
part = runner.Part("hangs", (sys.argv[2],), 60)
runner.run_all([part], runner.Place(Path(sys.argv[1]), Path(sys.argv[1])), time.monotonic() + 60)
"""


def test_who_ends_it_ends_what_it_started(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ENDED, tmp_path, HANGS], cwd=EXPERIMENTS)
    deadline, begun = soon(30), []
    while not begun and time.monotonic() < deadline:
        time.sleep(0.1)
        begun = [words for log in tmp_path.rglob("log.txt") if len(words := log.read_text().split()) == 2]
    process.terminate()
    assert process.wait(10) == 143
    assert ended(begun[0][1])


def ended(child):
    """Whether the process is gone, or dead and not yet asked for."""
    time.sleep(0.2)
    stat = Path(f"/proc/{child}/stat")
    return not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_part_without_time_is_listed_and_not_begun(runner, tmp_path):
    marker = tmp_path / "begun"
    part = runner.Part("late", (f"-c \"open('{marker}', 'w')\"",), 30)
    results = runner.run_all([part], runner.Place(tmp_path, tmp_path), time.monotonic() - 1)
    assert outcomes(results) == {"late": "no time"} and not marker.exists()


def test_a_part_may_use_what_others_leave_and_never_what_is_theirs(runner, tmp_path, monkeypatch):
    shares = {}

    def run_part(part, place, seconds):
        shares[part.name] = round(seconds)
        return runner.Result(part.name, "passed")

    monkeypatch.setattr(runner, "run_part", run_part)
    parts = [runner.Part(name, (), seconds) for name, seconds in {"a": 50, "b": 20, "c": 30}.items()]
    runner.run_all(parts, runner.Place(tmp_path, tmp_path), soon(100))
    assert shares == {"a": 50, "b": 70, "c": 100}
    # where there is less than all of them need, the first ones get what they need
    monkeypatch.setattr(runner, "code_digest", lambda: "changed code")
    runner.run_all(parts, runner.Place(tmp_path, tmp_path), soon(60))
    assert shares == {"a": 50, "b": 30, "c": 60}


def counting(runner, path, name, then=""):
    return runner.Part(name, (f"-c \"open('{path}', 'a').write('{name} '); {then}\"",), 30)


def test_the_same_command_resumes_also_from_the_archive_on_a_fresh_machine(runner, tmp_path, monkeypatch):
    said = tmp_path / "said"
    parts = [
        counting(runner, said, "fails", "raise SystemExit(1)"),
        counting(runner, said, "works"),
        counting(runner, said, "new"),
    ]
    runner.run_all(parts[:2], runner.Place(tmp_path / "work", tmp_path / "out"), soon())
    assert said.read_text() == "fails works "
    # another machine has only what was taken home; what was not reached comes before what failed
    results = runner.run_all(parts, runner.Place(tmp_path / "other", tmp_path / "out"), soon())
    assert said.read_text() == "fails works new fails "
    assert outcomes(results) == {"fails": "failed", "works": "passed", "new": "passed"}
    monkeypatch.setattr(runner, "code_digest", lambda: "changed code")
    runner.run_all(parts, runner.Place(tmp_path / "other", tmp_path / "out"), soon())
    assert said.read_text() == "fails works new fails fails works new "


def test_what_is_kept_of_the_output_names_no_place_and_no_progress(runner, tmp_path):
    code = f"print('a 0 %\\ra 100 %'); print('{runner.ROOT}/reports/x.csv', '{Path.home()}/.cache')"
    part = runner.Part("says", (f'-c "{code}"',), 30)
    assert runner.run_part(part, runner.Place(tmp_path, tmp_path), 30).said == ["a 100 %", "reports/x.csv ~/.cache"]


def test_a_command_has_two_sides_and_the_parts_folder(runner):
    command = "a.py --device {cuda|cpu --every 3} {|--small} --out {out}/t.csv"
    assert runner.filled(command, Path("/f"), False) == ["a.py", "--device", "cuda", "--out", "/f/t.csv"]
    small = ["a.py", "--device", "cpu", "--every", "3", "--small", "--out", "/f/t.csv"]
    assert runner.filled(command, Path("/f"), True) == small


def wheel(folder, name, value, tag="py3-none-any"):
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1-{tag}.whl", "w") as file:
        file.writestr(f"{name}.py", f"value = {value!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")


def test_wheels_are_installed_from_a_folder_each_site_apart(runner, tmp_path):
    wheels, place = tmp_path / "wheels", runner.Place(tmp_path / "work", tmp_path / "out")
    wheel(wheels / "gpu", "ours", "all")
    wheel(wheels / "gpu-old", "ours", "old")
    wheel(wheels, "theirs", 1, "cp27-cp27m-win32")
    refused = runner.install(wheels, place.work / "sites")
    assert len(refused) == 1 and refused[0].startswith("theirs-1-cp27")
    parts = [
        runner.Part("new", ("-c 'import ours; print(ours.value)'",), 30, needs=("ours",)),
        runner.Part("old", ("-c 'import ours; print(ours.value)'",), 30, site="old"),
        runner.Part("absent", (WORKS,), 30, needs=("theirs",)),
    ]
    results = runner.run_all(parts, place, soon())
    assert [result.said[0] for result in results] == ["all", "old", "not installed: theirs"]
    # a second call finds them there
    os.utime(place.work / "sites" / "all" / "ours.py", (1, 1))
    runner.install(wheels, place.work / "sites")
    assert (place.work / "sites" / "all" / "ours.py").stat().st_mtime == 1


def test_the_parts_fit_into_ten_minutes_and_name_files_that_exist(runner):
    from gpu_checks import PARTS, SECONDS

    assert sum(part.seconds for part in PARTS) <= SECONDS < 600
    assert len({part.name for part in PARTS}) == len(PARTS)
    worth = "lif scan lif-speed scan-speed training cupy mamba-ssm graphs energy".split()
    assert [part.name for part in PARTS if part.name in worth] == worth
    for part in PARTS:
        for command in part.commands:
            for rehearsal in (False, True):
                first = runner.filled(command, Path("f"), rehearsal)[0]
                assert first == "-m" or (EXPERIMENTS.parent / first).is_file(), command


def test_without_a_gpu_it_says_so(command, capsys, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert command("gpu_checks") == 2
    assert "no CUDA device" in capsys.readouterr().err
    monkeypatch.setenv("SNNVTG_WHEELS", "nowhere")
    assert command("gpu_checks") == 2
    assert capsys.readouterr().err == "error: SNNVTG_WHEELS=nowhere: no such folder; name one with *.whl, or unset it\n"
