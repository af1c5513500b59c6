"""Compiled kernels where the disk does not play along: built all the same, or refused once with the reasons."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snnvtg import native
from snnvtg.errors import BackendError

SOURCE = 'extern "C" int answer() { return 42; }\n'


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """The source of a small kernel and a cache folder that is not there yet; builds are counted."""
    monkeypatch.setenv("SNNVTG_CACHE", str(tmp_path / "cache"))
    native.forget()
    builds = []
    run = native._run
    monkeypatch.setattr(native, "_run", lambda step, source: (builds.append(source), run(step, source)))
    source = tmp_path / "answer.cpp"
    source.write_text(SOURCE)
    source_and_builds = source, builds
    yield source_and_builds
    native.forget()


def cached(tmp_path) -> Path:
    (library,) = (tmp_path / "cache").glob("*.so")
    return library


def test_a_kernel_is_built_once_and_then_loaded_from_the_cache(kernel, tmp_path):
    source, builds = kernel
    assert native.load(source).answer() == 42
    made = len(builds)
    native.forget()
    assert native.load(source).answer() == 42
    assert len(builds) == made
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".so"]


@pytest.mark.parametrize("damage", ["cut short", "one byte", "empty", "unsealed"])
def test_a_damaged_library_is_built_anew(kernel, tmp_path, damage):
    source, builds = kernel
    native.load(source)
    library, made = cached(tmp_path), len(builds)
    content = library.read_bytes()
    half = len(content) // 2
    damaged = {
        "cut short": content[:half],
        "one byte": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
        "empty": b"",
        "unsealed": content[:-40],
    }[damage]
    library.unlink()  # this process has the old one mapped
    library.write_bytes(damaged)
    native.forget()
    assert native.load(source).answer() == 42
    assert len(builds) == 2 * made
    assert cached(tmp_path).read_bytes()[-32:] == content[-32:] or native._is_whole(cached(tmp_path))


def test_a_library_cut_short_does_not_end_the_process(tmp_path):
    """In a process of its own: loading half a library ends in a bus error."""
    code = """
import sys, torch
from pathlib import Path
from snnvtg.scan import causal_conv1d
x, weight = torch.ones(1, 3, 4), torch.ones(4, 2)
print(causal_conv1d(x, weight, backend="cpu").sum().item())
if sys.argv[1:]:
    (library,) = Path(sys.argv[1]).glob("*.so")
    library.write_bytes(library.read_bytes()[:9000])
    import os
    os._exit(0)
"""
    environment = {**os.environ, "SNNVTG_CACHE": str(tmp_path)}
    run = [sys.executable, "-c", code]
    first = subprocess.run([*run, str(tmp_path)], capture_output=True, text=True, env=environment)
    again = subprocess.run(run, capture_output=True, text=True, env=environment)
    assert again.returncode == 0, (again.returncode, again.stderr)
    assert again.stdout == first.stdout != ""


def a_file(tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    return tmp_path / "cache"


@pytest.mark.parametrize("place", [a_file, lambda tmp_path: "/proc/nowhere/snnvtg"], ids=["a file", "read-only"])
def test_where_the_cache_cannot_be_written_the_kernel_is_built_for_the_process_with_a_warning(
    kernel, tmp_path, monkeypatch, place
):
    source, builds = kernel
    monkeypatch.setenv("SNNVTG_CACHE", str(place(tmp_path)))
    with pytest.warns(UserWarning, match=r"kernel cache cannot be used.*this process alone. Set SNNVTG_CACHE"):
        library = native.load(source)
    assert library.answer() == 42
    made = len(builds)
    assert native.load(source) is library and len(builds) == made


def test_a_full_disk_is_a_reason_and_is_tried_once(kernel, monkeypatch):
    source, builds = kernel

    def full(step, source):
        builds.append(source)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(native, "_run", full)
    for _ in range(3):
        with pytest.raises(
            BackendError, match=r"kernel cache cannot be used.*No space left.*temporary files.*No space"
        ):
            native.load(source)
    assert len(builds) == 2  # in the cache, and in the folder for temporary files


def test_a_compiler_that_finds_the_disk_full_says_so(tmp_path, monkeypatch):
    compiler = tmp_path / "full.sh"
    compiler.write_text("#!/bin/sh\necho 'as: fatal error: closing kernel.o: No space left on device' >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(OSError, match="No space left"):
        native._run([str(compiler)], tmp_path / "kernel.cpp")


def test_without_a_home_folder_the_kernel_is_built_for_the_process(kernel, monkeypatch):
    source, _ = kernel
    for name in ("SNNVTG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(native.Path, "home", homeless)
    with pytest.warns(UserWarning, match="home directory"):
        assert isinstance(native.load(source), ctypes.CDLL)


def test_a_kernel_that_does_not_compile_is_refused_in_the_compilers_words_and_tried_once(kernel):
    source, builds = kernel
    source.write_text("int wrong(")
    for _ in range(2):
        with pytest.raises(BackendError, match=r"answer.cpp does not compile \(.*error"):
            native.load(source)
    assert len(builds) == 1


def test_a_fork_uses_one_thread():
    code = "import os, torch; from snnvtg import native; torch.set_num_threads(2); n = native.num_threads()"
    code += "\npid = os.fork()"
    code += "\nif not pid: os._exit(native.num_threads())\nprint(n, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["2", "1"], done.stderr
