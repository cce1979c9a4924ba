"""Killed, stopped, starved of disk: the same command finishes the run with the weights of an uninterrupted one."""

import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from r3gan.configs import CONFIGS
from r3gan.data.loader import Dataset, open_dataset
from r3gan.files import read_json
from r3gan.schedules import Ramp
from r3gan.training import checkpoint, curve, loop
from r3gan.training.determinism import check_determinism
from r3gan.training.signals import StopRequests
from tests.conftest import PATIENCE_S, REPOSITORY, environment, paused
from tests.helpers import CPU, SMOKE, make_run, same

KIMG = "0.32"
RUN = f"own/{SMOKE}/E-inverted/seed0"
LAZY_RUN = f"own/{SMOKE}/A/seed0"


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


def start(
    folder: Path, prepared: Path, *more: str, pause: str = "", before: Callable[[], None] | None = None
) -> "subprocess.Popen[str]":
    """A training of 40 steps as a process (or several) of a session of its own, with a checkpoint after every step.

    `pause` such as "after 3" lets it wait there until it is stopped: after, or before, the checkpoint of that step has
    its name.
    """
    command = [sys.executable, "-m", "r3gan", "train", "--config", "E-inverted", "--dataset", SMOKE, "--threads", "1"]
    command += ["--total-kimg", KIMG, "--checkpoint-seconds", "0.0001", "--data", str(prepared / "data" / SMOKE), *more]
    moment, _, step = pause.partition(" ")
    known = paused(REPOSITORY, moment, f"checkpoint-{int(step):09d}.safetensors") if pause else environment(REPOSITORY)
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        command,
        cwd=folder,
        env=known,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=before,
    )


def finish(folder: Path, prepared: Path, *more: str, before: Callable[[], None] | None = None) -> str:
    process = start(folder, prepared, *more, before=before)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output[-3000:]
    return output


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def checkpoints(folder: Path, run: str = RUN) -> list[Path]:
    return sorted((folder / "work" / run / "checkpoints").glob(checkpoint.PATTERN))


def weights(folder: Path, run: str = RUN) -> dict[str, torch.Tensor]:
    return load_file(folder / "runs" / run / "generator.safetensors")


def kill(process: "subprocess.Popen[str]") -> None:
    """End the process and everything below it at once, as a lost machine would."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    process.communicate()
    psutil.wait_procs(family, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def uninterrupted(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    finish(folder, prepared)
    assert [path.name for path in checkpoints(folder)] == ["checkpoint-000000040.safetensors"]  # the last state
    return weights(folder)


def test_kills_at_random_points_change_nothing(
    uninterrupted: dict[str, torch.Tensor], prepared: Path, tmp_path: Path
) -> None:
    chance = random.Random(0)
    folder = tmp_path / "work" / RUN / "checkpoints"
    for pause in ("before 4", "after 18", "after 35"):
        had = checkpoints(tmp_path)[-1:]
        process = start(tmp_path, prepared, pause=pause)
        if pause == "before 4":  # in the middle of writing
            wait_for(lambda: bool(list(folder.glob(".checkpoint-000000004.*.part*"))), process)
        else:
            wait_for(lambda had=had: checkpoints(tmp_path)[-1:] != had, process)  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 1.0))
        kill(process)
        assert not (tmp_path / "runs").exists()
    output = finish(tmp_path, prepared)
    assert "continues at" in output
    assert same(weights(tmp_path), uninterrupted)
    record = read_json(tmp_path / "runs" / RUN / "train.json", "")
    assert len(record["continued_at_images"]) == 3
    assert record["steps"] == 40


def test_a_request_to_stop_saves_and_exits_with_the_code_to_requeue(
    uninterrupted: dict[str, torch.Tensor], prepared: Path, tmp_path: Path
) -> None:
    process = start(tmp_path, prepared, "--keep-checkpoints", "1", pause="after 2")
    wait_for(
        lambda: [path.name for path in checkpoints(tmp_path)][-1:] == ["checkpoint-000000002.safetensors"], process
    )
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 75, output
    assert "the same command continues (exit code 75)" in output
    assert len(checkpoints(tmp_path)) == 1
    assert "Traceback" not in output
    finish(tmp_path, prepared)
    assert same(weights(tmp_path), uninterrupted)


def test_a_full_disk_loses_neither_checkpoint_nor_run(
    uninterrupted: dict[str, torch.Tensor], prepared: Path, tmp_path: Path
) -> None:
    process = start(tmp_path, prepared, pause="after 2")
    wait_for(lambda: len(checkpoints(tmp_path)) == 2, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    kept = checkpoints(tmp_path)
    # No room for the result: one sentence, and the checkpoints stay.
    process = start(tmp_path, prepared, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)))
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "generator.safetensors cannot be written" in output
    assert "Traceback" not in output
    assert checkpoints(tmp_path) == kept
    smaller = kept[-1].stat().st_size // 2  # enough for the generator, not for a checkpoint
    output = finish(tmp_path, prepared, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (smaller, smaller)))
    assert "warning: no checkpoint at step" in output
    assert "continues at" in output
    assert same(weights(tmp_path), uninterrupted)


def test_two_ranks_stopped_and_killed_go_on_to_the_same_weights(prepared: Path, tmp_path: Path) -> None:
    run = LAZY_RUN  # Config A has more to go on from than the others: penalties of its own steps, a mean path length
    ranks = ("--launcher", "torchrun", "--ranks", "2", "--zero", "1", "--config", "A", "--total-kimg", "0.16")
    finish(tmp_path / "whole", prepared, *ranks)
    process = start(tmp_path / "cut", prepared, *ranks, pause="after 4")
    wait_for(lambda: bool(checkpoints(tmp_path / "cut", run)), process)
    process.send_signal(signal.SIGTERM)  # to the command alone, which passes it on
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 75, output[-3000:]
    had = checkpoints(tmp_path / "cut", run)[-1]
    process = start(tmp_path / "cut", prepared, *ranks, pause="after 16")
    wait_for(lambda: checkpoints(tmp_path / "cut", run)[-1] != had, process)
    kill(process)
    output = finish(tmp_path / "cut", prepared, *ranks)
    assert "continues at" in output
    assert same(weights(tmp_path / "cut", run), weights(tmp_path / "whole", run))
    record = read_json(tmp_path / "cut/runs" / run / "train.json", "")
    assert record["execution"]["launch"].startswith("torchrun --standalone --nproc-per-node 2 -m r3gan train")
    assert record["execution"]["zero_stage"] == 1
    assert record["provenance"]["device"]["count"] == 2


def test_ctrl_c_is_a_request_too_and_one_later_acts_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # test workers ignore it
    with StopRequests() as requests:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the launcher passes on what the terminal has sent
        assert requests.stop
        monkeypatch.setattr("r3gan.training.signals.PATIENCE_S", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_run_is_trained_by_one_command_at_a_time(prepared: Path, tmp_path: Path) -> None:
    process = start(tmp_path, prepared, pause="after 1")
    wait_for(lambda: bool(checkpoints(tmp_path)), process)
    second = start(tmp_path, prepared)
    output, _ = second.communicate(timeout=PATIENCE_S)
    kill(process)
    assert second.returncode == 2
    assert "is being trained by another process" in output
    assert "Traceback" not in output


def options(folder: Path, **more: object) -> loop.Options:
    return loop.Options(out=folder / "out", work=folder / "work", device=CPU, checkpoint_seconds=0, **more)  # type: ignore[arg-type]


def test_checkpoints_hold_no_code(stacks: Dataset, tmp_path: Path) -> None:
    loop.train(make_run("B", total_kimg=0.008), stacks, options(tmp_path))
    (path,) = (tmp_path / "work/checkpoints").glob(checkpoint.PATTERN)
    tensors = load_file(path)  # safetensors: anything else raises
    parts = {name.split("/")[0] for name in tensors}
    assert parts == {"generator", "discriminator", "ema", "generator-adam", "discriminator-adam", "path_length_mean"}


def test_signs_of_failure_end_a_run() -> None:
    good = {"grad_norm_real": 0.1, "grad_norm_fake": 0.1, "spread": 0.3}
    curve.check_probe(5, good)
    for name, value, reason in (
        ("grad_norm_fake", 2e4, "exceeds"),
        ("spread", 1e-5, "collapsed"),
        ("grad_norm_real", float("nan"), "grad_norm_real is nan"),
    ):
        with pytest.raises(curve.Diverged, match=reason) as failure:
            curve.check_probe(5, good | {name: value})
        assert failure.value.step == 5


def test_a_collapsed_generator_is_seen_while_training(stacks: Dataset, tmp_path: Path) -> None:
    # A rate of zero keeps the networks as they are: with G's last layer at zero, it puts out one grey image.
    class Collapsed(type(CONFIGS["B"].networks)):  # type: ignore[misc]
        def generator(self, size: object) -> torch.nn.Module:
            network = super().generator(size)
            for head in network.to_image:
                torch.nn.init.zeros_(head.weight)
            return network  # type: ignore[no-any-return]

    run = make_run("B", lr=Ramp(0, 0))
    run = replace(run, config=replace(run.config, networks=Collapsed()))
    record = loop.train(run, stacks, options(tmp_path))
    assert record.outcome == "Fail"
    assert "G has collapsed" in record.fail_reason


def test_determinism_is_checked_step_by_step(stacks: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_determinism(make_run("A"), stacks, CPU, {}, 3) is None
    calls = iter(range(1000))
    monkeypatch.setattr("r3gan.training.steps.random_seed", lambda *a: next(calls))
    report = check_determinism(make_run("A"), stacks, CPU, {}, 3)
    assert report is not None
    assert "after step 1" in report
    assert "tensors differ" in report
