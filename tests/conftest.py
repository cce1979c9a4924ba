"""Shared, expensive things: prepared digits and their classifier."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers import PATIENCE_S, REPOSITORY, Command, environment


def pytest_configure() -> None:
    torch.set_num_threads(1)  # small tensors: a second thread only waits


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
