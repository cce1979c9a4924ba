"""Ranks as processes: two runs at once, a rank that dies, requests to stop at any time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from r3gan.errors import UserError
from r3gan.training import launch
from tests.conftest import PATIENCE_S, REPOSITORY, environment
from tests.helpers import SMOKE, training_words

RUN = f"own/{SMOKE}/E-inverted/seed0"
RANKS = ("--ranks", "2", "--threads", "1")
WITHIN_S = 30


def start(folder: Path, prepared: Path, *more: str, kimg: str = "100") -> "subprocess.Popen[str]":
    """A training that does not end by itself, with a checkpoint every few steps."""
    command = [sys.executable, "-m", "r3gan", *training_words(kimg)]
    command += ["--checkpoint-seconds", "0.0001", "--data", str(prepared / "data" / SMOKE), *more]
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command, cwd=folder, env=environment(REPOSITORY), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for_checkpoint(folder: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not list((folder / "work" / RUN / "checkpoints").glob("checkpoint-*")):
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def family(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def ranks_of(process: "subprocess.Popen[str]") -> dict[str, psutil.Process]:
    """The processes that train, by their RANK."""
    found = {}
    for member in family(process):
        known = member.environ()
        if "RANK" in known and "--rank-of" in " ".join(member.cmdline()) and not member.children():
            found[known["RANK"]] = member
    return found


@pytest.mark.parametrize("launcher", ["torchrun", "deepspeed"])
def test_of_two_runs_at_once_one_loses_a_rank_and_one_is_stopped(launcher: str, prepared: Path, tmp_path: Path) -> None:
    one, two = (start(tmp_path / name, prepared, "--launcher", launcher, *RANKS) for name in ("one", "two"))
    wait_for_checkpoint(tmp_path / "one", one)
    wait_for_checkpoint(tmp_path / "two", two)  # each has a port of its own
    members = family(one) + family(two)
    ranks_of(one)["1"].kill()
    killed_at = time.monotonic()
    output, _ = one.communicate(timeout=PATIENCE_S)
    assert one.returncode == 1, output[-3000:]
    assert time.monotonic() - killed_at < WITHIN_S
    assert "r3gan train: " in output.splitlines()[-1]
    two.terminate()  # the command alone, which passes it on
    output, _ = two.communicate(timeout=PATIENCE_S)
    assert two.returncode == 75, output[-3000:]
    assert "the same command continues (exit code 75)" in output.splitlines()[-1]
    _, alive = psutil.wait_procs(members, timeout=5)
    assert alive == []


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (UserError("one sentence"), 2, "one sentence"),
        (OSError(28, "No space left"), 1, "rank 3 has failed: OSError: [Errno 28] No space left"),
    ],
)
def test_a_rank_that_fails_leaves_its_reason(
    error: Exception, code: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> int:
        raise error

    monkeypatch.setenv("RANK", "3")
    monkeypatch.setattr(os, "_exit", sys.exit)  # it would end the tests
    with pytest.raises(SystemExit) as ended:
        launch.as_rank(tmp_path / "outcome", work)
    assert ended.value.code == code
    assert launch.read_outcome(tmp_path / "outcome") == (code, reason)


def test_a_request_before_the_ranks_have_begun_is_heard(prepared: Path, tmp_path: Path) -> None:
    process = start(tmp_path, prepared, "--launcher", "torchrun", *RANKS)
    deadline = time.monotonic() + PATIENCE_S
    while not family(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    members = family(process)
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 75, output[-3000:]
    assert [member for member in members if member.is_running()] == []


# The main thread stays in one call, as in a kernel that does not come back: it does not see the signal.
STUCK = """
import signal, sys, time
from r3gan.cli import main
from r3gan.training import loop, signals

def stuck(run, state):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print("in the first step", flush=True)
    time.sleep(600)

loop.iterate = stuck
signals.GRACE_S, signals.PATIENCE_S = float(sys.argv[1]), 0.2
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("grace", "reason"), [("0.5", "the step does not end"), ("500", "a second request to stop")])
def test_a_step_that_never_ends_is_ended(grace: str, reason: str, prepared: Path, tmp_path: Path) -> None:
    command = ["train", "--config", "B", "--dataset", SMOKE, "--data", str(prepared / "data" / SMOKE)]
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, grace, *command],
        cwd=tmp_path,
        env=environment(REPOSITORY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    while "in the first step" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    if grace == "500":
        time.sleep(1.5)  # not the same request again
        process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 75, output
    assert reason in output
    assert "Traceback" not in output


def test_ports_are_free_and_differ() -> None:
    assert launch.free_port() != launch.free_port()


def test_the_first_rank_that_fails_is_the_one_that_is_named(tmp_path: Path) -> None:
    launch.leave_outcome(tmp_path / "outcome", 2, "first")
    launch.leave_outcome(tmp_path / "outcome", 1, "second")
    assert launch.read_outcome(tmp_path / "outcome") == (2, "first")
    (tmp_path / "outcome").write_text("[")
    assert launch.read_outcome(tmp_path / "outcome") is None


def test_what_a_launcher_leaves_behind_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "LEFT_BEHIND_S", 0.2)
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    launch.signal_group(left.pid, 0)
    launch.end_group(left.pid)
    assert left.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    assert os.getpgid(0) != left.pid
