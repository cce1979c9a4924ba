"""Folders with spaces, no home, no name, no git, nothing but ASCII: the command works, or says why not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from r3gan.cli import main
from r3gan.records import provenance
from tests.conftest import REPOSITORY, environment, need


@pytest.mark.parametrize(
    ("target", "installed", "made"),
    [
        ("setup", "python: -m r3gan.training.engine", ".synced"),
        ("compare", "--build-constraint requirements.lock --editable .[report]", ".report"),
    ],
)
def test_make_works_in_a_folder_with_spaces_and_other_letters(
    tmp_path: Path, target: str, installed: str, made: str
) -> None:
    tree = tmp_path / "my dir é"
    known = make_with_stand_ins(tree, tree / ".venv")
    command = ["make", "-C", str(tree)]
    done = subprocess.run([*command, target], env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert installed in done.stdout
    assert ("r3gan: compare" in done.stdout) is (target == "compare")
    assert [path.name for path in (tree / ".venv").glob(".*")] == [made]
    again = subprocess.run([*command, "compare"], env=known, capture_output=True, text=True)
    assert "uv:" not in again.stdout  # what `make setup` has installed is enough


def test_make_sets_up_the_environment_that_is_named_and_no_other(tmp_path: Path) -> None:
    tree, named = tmp_path / "tree", tmp_path / "elsewhere"
    make_with_stand_ins(tree, tree / ".venv")
    known = make_with_stand_ins(tree, named)
    (named / "bin/uv").write_text('#!/bin/sh\necho "uv: $VIRTUAL_ENV"\n')
    done = subprocess.run(
        ["make", "-C", str(tree), "setup", f"VENV={named}"], env=known, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.findall("uv: (.*)", done.stdout) == [str(named)] * 2
    assert (named / ".synced").exists()
    assert not (tree / ".venv/.synced").exists()


def make_with_stand_ins(tree: Path, venv: Path) -> dict[str, str]:
    """A tree with a Makefile, and programs in `venv` that only say how they were called; the variables of a shell."""
    (venv / "lib/python3/site-packages").mkdir(parents=True)
    (venv / "bin").mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copyfile(REPOSITORY / name, tree / name)
    for program in ("python", "uv", "r3gan"):
        (venv / "bin" / program).write_text(f'#!/bin/sh\necho "{program}: $@"\n')
        (venv / "bin" / program).chmod(0o755)
    return {"PATH": "/usr/bin:/bin", "PYTHON": str(venv / "bin/python")}


def test_snakemake_runs_in_a_folder_with_spaces_without_a_home(tmp_path: Path) -> None:
    """The rules' commands quote nothing, since all their paths are relative."""
    need("snakemake")
    tree = tmp_path / "my dir é"
    shutil.copytree(REPOSITORY / "pipelines", tree / "pipelines")
    shutil.copytree(REPOSITORY / "r3gan", tree / "r3gan", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(REPOSITORY / "Snakefile", tree / "Snakefile")
    (tree / ".dvc").mkdir()
    known = environment(tree) | {"HOME": str(tmp_path / "home"), "LC_ALL": "C"}
    command = ["snakemake", "--cores", "1", "--allowed-rules", "table", "--", "results/table6.md"]
    done = subprocess.run(command, cwd=tree, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tree / "results/table6.md").stat().st_size > 1000


@pytest.mark.parametrize("home", ["/dev/null", "nowhere", None])
def test_a_folder_below_work_stands_for_a_home_that_is_not_there(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if home is None:  # and the user is not in the system's list
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    else:
        monkeypatch.setenv("HOME", home)
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert main(["list", "metrics"]) == 0
    assert os.environ["HOME"] == str(tmp_path / "work/home")
    assert os.environ["USER"] == str(os.getuid())
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    (tmp_path / "results").write_text("a file")
    assert main(["table", "table6", "--results", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/results" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        (None, "git is not installed"),
        ("fatal: not a git repository", "not a git checkout"),
        ("fatal: detected dubious ownership in repository", "safe.directory"),
    ],
)
def test_a_record_says_why_it_has_no_commit(
    stub: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stub:
        (tmp_path / "git").write_text(f"#!/bin/sh\necho '{stub}' >&2; exit 128\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ("" if stub is None else f"{os.pathsep}/bin"))
    code = provenance.code_version()
    assert (code.commit, code.dirty) == (None, None)
    assert reason in str(code)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_sign_that_the_terminal_does_not_know_ends_nothing(encoding: str) -> None:
    known = environment(REPOSITORY) | {"LC_ALL": "C", "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "r3gan", "list", "datasets"]
    done = subprocess.run(command, cwd=REPOSITORY, env=known, capture_output=True, text=True, errors="replace")
    assert (done.returncode, done.stderr) == (0, "")
