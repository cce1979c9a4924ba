"""What tests share: copies of the tree, processes in them, short runs, small things that several of them ask."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from r3gan.configs import CONFIGS
from r3gan.training.run import Run
from r3gan.training.state import State

REPOSITORY = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
SMOKE = "stackedmnist5k-16"
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
tables: [table1]
runs:
  A: &run {config: A, dataset: stackedmnist5k-16, seed: 0, total_kimg: 0.128, threads: 1, evaluation: *digits}
  E-inverted: {<<: *run, config: E-inverted, seed: 0}
convergence:
  snapshot_kimg: 0.064
  evaluation: {classifier: mnist5k-16, metrics: [digit-frechet], samples: 300}
  runs:
    E-converging: &E {config: E-inverted, dataset: stackedmnist5k-16, seed: 1, total_kimg: 0.128, threads: 1}
  at_end: {evaluation: {metrics: [], samples: 300}, runs: {E-at-end: *E}}
"""


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
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "SNAKEMAKE_", "PYTEST_"))}
    return clean | {"PATH": path, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


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
        if (REPOSITORY / name).is_file() and name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target / name)
    (target / "pipelines/study/smoke.yaml").write_text(TINY_STUDY)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run_in(target, "git", "init", "-q")
    run_in(target, "git", "add", "-A")
    run_in(target, "git", *identity, "commit", "-qm", "copy")
    return target


def jobs(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The rules of a (dry) run's jobs of Snakemake with their configurations, sorted; fails if it failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, flags=re.M)
    names = []
    for rule, body in found:
        wildcards = re.search(r"wildcards: (.*)", body)
        config = re.search(r"config=([\w-]+)", wildcards[1]) if wildcards else None
        names.append(f"{rule} {config[1]}" if config else rule)
    return sorted(names)


def make_run(name: str, **recipe: object) -> Run:
    """A run of a few steps of 8 images."""
    config = CONFIGS[name]
    return Run(
        scale="test",
        config_name=name,
        config=config,
        recipe=replace(config.recipe(SMOKE), **{"batch": 8, "total_kimg": 0.032} | recipe),  # type: ignore[arg-type]
        dataset=SMOKE,
        seed=0,
    )


def keep_gradients(state: State) -> None:
    """Gradients are let go after a step; the tests look at them."""
    for engine in (state.generator_engine, state.discriminator_engine):
        engine.optimiser.zero_grad = lambda set_to_none: None  # type: ignore[attr-defined]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
