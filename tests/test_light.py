"""The light install: a wheel with only the packages that are always installed, where there is no checkout."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from r3gan.records.frame import frame
from r3gan.records.store import Store
from r3gan.tables.cell import read_table_file
from tests.conftest import PATIENCE_S, REPOSITORY, environment

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
RESULTS = REPOSITORY / "results"
# The command, where packages that are named first cannot be imported.
PROGRAM = """
import json, sys
class Missing:
    blocked = frozenset(json.loads(sys.argv.pop(1)))
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from r3gan.cli import main
sys.exit(main())
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


def brought_by(names: list[str]) -> set[str]:
    """The distributions that an installation of these requirements brings."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += requires(name) or []
    return found


def not_brought(names: list[str]) -> list[str]:
    """The installed modules that it does not bring."""
    brought = brought_by(names)
    return [
        module
        for module, distributions in packages_distributions().items()
        if module != "r3gan" and not brought & {canonicalize_name(name) for name in distributions}
    ]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the project's wheel holds."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(REPOSITORY / name, tree / name)
    for name in ("r3gan", "pipelines"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, tree / name, symlinks=True, ignore=ignored)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, check=True, timeout=PATIENCE_S)
    (wheel,) = out.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(out / "site")
    return out / "site"


@pytest.fixture
def light(installed: Path, tmp_path: Path) -> Command:
    """The command of the wheel in an empty folder, with the packages that are always installed alone."""
    blocked = json.dumps(not_brought(PROJECT["dependencies"]))

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, blocked, *arguments]
        known = environment(installed)
        return subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, timeout=PATIENCE_S)

    return call


def test_what_is_left_out_is_what_is_large() -> None:
    assert {"torch", "numpy", "pandas", "scipy", "dvc", "snakemake"} <= set(not_brought(PROJECT["dependencies"]))
    assert PROJECT["optional-dependencies"]["report"] == []


def test_records_are_read_and_the_report_is_written(light: Command, tmp_path: Path) -> None:
    shutil.copytree(RESULTS, tmp_path / "theirs")
    shutil.rmtree(tmp_path / "theirs/table7")
    for table in ("table7", "table7-projected"):  # with charts, and without intervals
        done = light("table", table, "--results", "theirs")
        assert (done.returncode, done.stderr) == (0, "")
        assert read_table_file(tmp_path / f"theirs/{table}.json") == read_table_file(RESULTS / f"{table}.json")
    assert (tmp_path / "theirs/table7").is_dir()
    done = light("table", "table4", "--results", "theirs")  # with intervals over seeds
    assert done.returncode == 2 and "scipy is not installed; `pip install 'r3gan[train]'`" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "theirs/table4.md").read_text() == (RESULTS / "table4.md").read_text()
    done = light("records", "--results", "theirs", "--csv", "all.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "all.csv").read_text() == frame(Store(RESULTS)).to_csv(index=False, lineterminator="\n")
    done = light("report", "--results", "theirs")
    assert (done.returncode, done.stderr) == (0, "")
    assert "wrote theirs/report.html" in done.stdout
    assert (tmp_path / "theirs/records.csv").read_text() == (tmp_path / "all.csv").read_text()
    done = light("compare", "--results", "theirs", "--baseline", str(RESULTS))
    assert done.returncode in (0, 1)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["table", "propositions", "--results", str(RESULTS)], "torch"),
        (["toys", "smoke"], "torch"),
        (["train", "--config", "E", "--dataset", "mnist5k-16"], "numpy"),
        (["prepare", "mnist5k-16"], "numpy"),
        (["records", "--results", str(RESULTS), "--parquet", "all.parquet"], "pyarrow"),
    ],
)
def test_what_needs_more_says_so_in_one_sentence(
    light: Command, tmp_path: Path, arguments: list[str], package: str
) -> None:
    done = light(*arguments)
    said = rf"r3gan {arguments[0]}: {package} is not installed; `pip install 'r3gan\[train\]'` installs what .*\n"
    assert re.fullmatch(said, done.stderr), done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []
