"""What the tests of both engines share: the commands, and what they print."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import environment, run_in

SNAKEMAKE = ("snakemake", "--cores", "2", "results/table1.md")
DVC = ("dvc", "repro", "table@table1")
STUDY = "pipelines/study/smoke.yaml"
HANDED_OVER = {
    *("prepare@mnist5k-16", "prepare@stackedmnist5k-16", "fit@mnist5k-16", DVC[-1]),
    *("train@A", "train@E-inverted", "evaluate@A", "evaluate@E-inverted"),
}
RULES = ("prepare", "fit", "train", "evaluate", "table")


def dvc_stages(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr))


def without_comments_changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n# a comment\n")


def code_changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def seeds_moved(tree: Path, seed: int = 0) -> None:
    """The tiny study's seeds as the smoke study has them: in params.yaml, which DVC may write."""
    text = re.sub(r", seed: \d", "", (tree / STUDY).read_text().partition("convergence:")[0])
    rest = (tree / STUDY).read_text().partition("convergence:")[2]
    (tree / STUDY).write_text(f"{text}convergence:{rest}")
    (tree / "params.yaml").write_text(f"# a comment\nruns:\n  A: {{seed: {seed}}}\n  E-inverted: {{seed: 0}}\n")


def succeed(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    done = run_in(tree, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def stages_said(line: str) -> set[str]:
    return set(line.partition(": ")[2].split(", "))


@contextmanager
def at_work(tree: Path, *command: str, sign: str) -> Iterator[subprocess.Popen[bytes]]:
    """An engine in the middle of its work, which its log shows by `sign`: stopped there, killed in the end."""
    output = tree / "work/engine.log"
    with output.open("wb") as log:
        engine = subprocess.Popen(
            command, cwd=tree, env=environment(tree), stdout=log, stderr=log, start_new_session=True
        )
    try:
        while sign not in output.read_text():
            assert engine.poll() is None, output.read_text()
            time.sleep(0.1)
        os.killpg(engine.pid, signal.SIGSTOP)
        yield engine
    finally:
        with suppress(ProcessLookupError):
            os.killpg(engine.pid, signal.SIGKILL)
        engine.wait()
