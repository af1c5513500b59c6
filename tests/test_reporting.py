"""Provenance tells the commit of this project's checkout, and of no other repository that an installed copy lies in."""

import subprocess
import sys

import pytest

from snnvtg import reporting

NONE = "unknown (not a git checkout)"


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository whose root, or a folder of which, is taken for this project's; returns its commit."""
    monkeypatch.setattr(reporting, "PROJECT", tmp_path)

    def make(inside="", files=("pyproject.toml", "snnvtg/reporting.py"), committed=True):
        place = tmp_path / inside
        for name in files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("ours\n")
        (tmp_path / "theirs.txt").write_text("theirs\n")
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "--all" if committed else "theirs.txt")
        git(tmp_path, "commit", "-q", "-m", "first")
        monkeypatch.setattr(reporting, "PROJECT", place)
        return git(tmp_path, "rev-parse", "HEAD")

    return make


def test_a_checkout_of_this_project_tells_its_commit_and_whether_the_code_differs(repository, tmp_path):
    head = repository()
    assert reporting.commit() == head
    (tmp_path / "theirs.txt").write_text("a note\n")
    assert reporting.commit() == head
    (tmp_path / "snnvtg" / "reporting.py").write_text("changed\n")
    assert reporting.commit() == f"{head}+changes"


def test_a_copy_installed_into_another_projects_folder_tells_no_commit(repository):
    repository(inside="env/lib/site-packages", files=("snnvtg/reporting.py",), committed=False)
    assert reporting.commit() == NONE


def test_a_copy_that_another_project_keeps_in_its_own_repository_tells_no_commit(repository):
    repository(inside="third_party/grounding")
    assert reporting.commit() == NONE


def test_site_packages_that_are_a_repository_themselves_tell_no_commit(repository):
    repository(files=("snnvtg/reporting.py",))
    assert reporting.commit() == NONE


def test_no_repository_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(reporting, "PROJECT", tmp_path)
    assert reporting.commit() == NONE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["snnvtg timestep-sweep", "--seeds", "0"], "snnvtg timestep-sweep --seeds 0"),
        ([str(reporting.PROJECT / "experiments" / "train.py"), "--data", "/home/me/charades"],
         "python experiments/train.py --data charades"),
        (["/elsewhere/mine.py"], "python mine.py"),
    ],
)  # fmt: skip
def test_the_command_is_told_as_it_can_be_given_again(monkeypatch, arguments, said):
    monkeypatch.setattr(sys, "argv", arguments)
    assert reporting.provenance()["command"] == said
