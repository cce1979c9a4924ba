"""Shared, expensive things: prepared digits, a copy of the working tree to run the engines in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
# Nothing here takes this long; only a hanging process should meet it, also where the machine has other work to do.
PATIENCE_S = 600
Command = Callable[..., subprocess.CompletedProcess[str]]

TINY_STUDY = """\
scale: smoke
datasets: [mnist5k-16, stackedmnist5k-16]
classifiers: [mnist5k-16]
launch: {launcher: local, ranks: 1}
evaluations:
  digits: &digits {classifier: mnist5k-16, metrics: [digit-frechet, modes, kl], samples: 300}
runs:
  A: &run {config: A, dataset: stackedmnist5k-16, seed: 0, total_kimg: 0.128, threads: 1, evaluation: *digits}
  E-inverted: {<<: *run, config: E-inverted, seed: 0}
convergence:
  snapshot_kimg: 0.064
  evaluation: {classifier: mnist5k-16, metrics: [digit-frechet], samples: 300}
  runs:
    E-converging: &E {config: E-inverted, dataset: stackedmnist5k-16, seed: 1, total_kimg: 0.128, threads: 1}
  at_end: {evaluation: {metrics: [], samples: 300}, runs: {E-converging: *E}}
"""


# Folders whose modules take minutes. A module is one worker's: one that starts last keeps the other worker waiting.
FIRST = ("pipeline", "training", "report", "estimate")


def pytest_configure() -> None:
    torch.set_num_threads(1)  # small tensors: a second thread only waits


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; pytest-xdist hands out modules in this order."""
    items.sort(key=lambda item: FIRST.index(item.path.parent.name) if item.path.parent.name in FIRST else len(FIRST))


def need(*programs: str) -> None:
    """Skip the test where one of these is not on PATH (`make system` installs them); fail where nothing may be."""
    missing = [program for program in programs if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing and os.environ.get("R3GAN_SKIP_NOTHING"):
        pytest.fail(f"not on PATH: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not on PATH: {', '.join(missing)}")


def environment(folder: Path) -> dict[str, str]:
    """Of a process that uses the code in `folder` and the tools next to this interpreter."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Bytecode is kept: hundreds of processes import the same modules.
    left_out = ("DVC_", "SNAKEMAKE_", "PYTEST_", "PYTHONDONTWRITEBYTECODE")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return clean | {"PATH": path, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


def paused(folder: Path, moment: str, file: str) -> dict[str, str]:
    """Of a process with the code in `folder` that waits "before" or "after" a file gets its name (tests/pause)."""
    path = f"{folder / 'tests/pause'}{os.pathsep}{folder}"
    return environment(folder) | {"PYTHONPATH": path, "R3GAN_PAUSE": moment, "R3GAN_PAUSE_AT": file}


def run_in(
    folder: Path, *command: str, timeout: float = PATIENCE_S, code: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in `folder`, with the code that lies there or in `code`."""
    known = environment(code or folder)
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=timeout)


def copy_tree(target: Path) -> Path:
    """The working tree as git sees it (ignored files stay behind), as a repository of its own with the tiny study."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).exists() and name not in ("dvc.lock", "params.yaml"):  # the tiny study has its seeds
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target / name, follow_symlinks=False)
    (target / "pipelines/study/smoke.yaml").write_text(TINY_STUDY)
    written = run_in(target, "r3gan", "dvc-file")
    assert written.returncode == 0, written.stderr
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run_in(target, "git", "init", "-q")
    run_in(target, "git", "add", "-A")
    run_in(target, "git", *identity, "commit", "-qm", "copy")
    return target


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ of the smoke scale."""
    from r3gan.data.build import prepare

    folder = tmp_path_factory.mktemp("prepared")
    for name in ("mnist5k-16", "stackedmnist5k-16"):
        prepare(name, None, folder / "data" / name)
    return folder


@pytest.fixture(scope="session")
def fitted(prepared: Path) -> Path:
    """The same folder with the digit classifier."""
    from r3gan.data.loader import open_dataset
    from r3gan.metrics.classifier import fit

    fit(open_dataset(prepared / "data/mnist5k-16"), prepared / "runs/classifier/mnist5k-16")
    return prepared


@pytest.fixture
def r3gan(tmp_path: Path) -> Command:
    """The command, as a real process in an empty folder (or in `cwd`)."""

    def call(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "r3gan", *arguments],
            cwd=cwd,
            env=environment(REPOSITORY),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return call
