"""What real TensorBoard and DVCLive hold of a run, also of one that was interrupted; their failures are warnings."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator

from r3gan.data.loader import Dataset, open_dataset
from r3gan.distributed import World
from r3gan.pipeline.code import imported_by
from r3gan.training import checkpoint, loop, trackers
from r3gan.training.state import State, build_state
from tests.conftest import Command
from tests.helpers import CPU, SMOKE, make_run

STEPS = [8, 16, 24, 32, 40, 48, 56, 64]
RUN = f"test/{SMOKE}/B/seed0"
TOOLS = ("tensorboard", "dvclive")


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(stacks: Dataset, *track: str, **options: object) -> None:
    known = loop.Options(out=Path("out"), work=Path("work"), device=CPU, track=track)
    loop.train(make_run("B", total_kimg=0.064), stacks, replace(known, **options))  # type: ignore[arg-type]


def events() -> EventAccumulator:
    return EventAccumulator("work/tensorboard", size_guidance={IMAGES: 0}).Reload()


def dvclive_steps(quantity: str = "loss_d") -> list[int]:
    return list(pd.read_csv(f"dvclive/{RUN}/live/plots/metrics/{quantity}.tsv", sep="\t")["step"])


def test_tensorboard_and_dvclive_hold_every_row_of_the_curve(stacks: Dataset) -> None:
    train(stacks, *TOOLS)
    curve = pd.read_csv("out/loss.csv")
    assert set(events().Tags()["scalars"]) == set(curve.columns)
    for quantity in curve.columns:
        scalars = events().Scalars(quantity)
        assert [event.step for event in scalars] == STEPS
        assert [event.value for event in scalars] == pytest.approx(list(curve[quantity]), rel=1e-5)  # six digits
        plotted = pd.read_csv(f"dvclive/{RUN}/live/plots/metrics/{quantity}.tsv", sep="\t")
        assert list(plotted["step"]) == STEPS
        assert list(plotted[quantity]) == pytest.approx(list(curve[quantity]), rel=1e-5)
    summary = json.loads(Path(f"dvclive/{RUN}/live/metrics.json").read_text())
    assert summary["step"] == 64 and summary["outcome"] == "trained"
    assert summary["loss_g"] == pytest.approx(curve["loss_g"].iloc[-1], rel=1e-5)
    outcome = events().Tensors("outcome/text_summary")[0].tensor_proto.string_val
    assert outcome == [b"trained"]


def test_the_configuration_and_sample_grids_are_there(stacks: Dataset) -> None:
    train(stacks, *TOOLS)
    assert "recipe.batch: 8\n" in Path(f"dvclive/{RUN}/live/params.yaml").read_text()
    text = events().Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "    networks.family: Stripped\n" in text
    grids = [16, 32, 48, 64]
    assert [image.step for image in events().Images("samples")] == grids
    shown = sorted(int(path.stem) for path in Path(f"dvclive/{RUN}/live/plots/images/samples").glob("*.png"))
    assert shown == grids


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int, kept: int) -> None:
    """Let the run end with an error after so many steps, of which a checkpoint has `kept`."""
    iterate, save = loop.iterate, checkpoint.save

    def iterate_until(run: object, state: State) -> object:
        if state.step == after:
            raise RuntimeError("interrupted")
        return iterate(run, state)  # type: ignore[arg-type]

    def save_until(folder: Path, state: State, *more: object, **options: object) -> bool:
        return state.step <= kept and save(folder, state, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "iterate", iterate_until)
    monkeypatch.setattr(checkpoint, "save", save_until)


@pytest.mark.parametrize("kept", [3, 0])
def test_a_resumed_run_has_every_row_once(stacks: Dataset, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """Rows after the checkpoint are computed again, and all of them where there is no checkpoint."""
    with monkeypatch.context() as patch:
        interrupt(patch, after=5, kept=kept)
        with pytest.raises(RuntimeError, match="interrupted"):
            train(stacks, *TOOLS, checkpoint_seconds=1e-9)
    assert json.loads(Path(f"dvclive/{RUN}/live/metrics.json").read_text())["outcome"] == "stopped"
    assert dvclive_steps() == STEPS[:5] == [event.step for event in events().Scalars("loss_d")]
    train(stacks, *TOOLS)
    assert dvclive_steps() == STEPS == [event.step for event in events().Scalars("loss_d")]
    assert [image.step for image in events().Images("samples")] == [16, 32, 48, 64]
    assert json.loads(Path(f"dvclive/{RUN}/live/metrics.json").read_text())["outcome"] == "trained"


def test_tracking_may_begin_in_the_middle_of_a_run(stacks: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, after=5, kept=4)
        with pytest.raises(RuntimeError, match="interrupted"):
            train(stacks, checkpoint_seconds=1e-9)
    assert not Path("work/tensorboard").exists()
    train(stacks, *TOOLS)
    assert dvclive_steps() == STEPS == [event.step for event in events().Scalars("loss_d")]


def test_dvc_finds_what_dvclive_wrote(stacks: Dataset) -> None:
    def call(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    call("git", "init", "-q")
    call(sys.executable, "-m", "dvc", "init", "-q")
    call("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "empty")
    train(stacks, "dvclive")
    found = json.loads(call(sys.executable, "-m", "dvc", "metrics", "diff", "--json"))
    assert yaml.safe_load(Path(f"dvclive/{RUN}/dvc.yaml").read_text()) == {
        "params": ["live/params.yaml"],
        "metrics": ["live/metrics.json"],
        "plots": [{"live/plots/metrics": {"x": "step"}}, "live/plots/images"],
    }
    assert found[f"dvclive/{RUN}/live/metrics.json"]["step"] == {"old": None, "new": 64}


class FullDisk:
    """A tool that takes one row."""

    last = trackers.NO_ROW

    def __init__(self, run: trackers.TrackedRun) -> None:
        self.rows = 0

    def log_row(self, row: trackers.Row, images_seen: int) -> None:
        self.rows += 1
        if self.rows > 1:
            raise OSError(28, "No space left on device")

    def log_grid(self, picture: Path, images_seen: int) -> None:
        raise AssertionError("it has failed before")

    def end(self, outcome: str) -> None:
        raise AssertionError("it has failed before")


def test_a_tool_that_fails_is_left_out_and_training_goes_on(
    stacks: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = replace(trackers.TRACKERS["mlflow"], begin=FullDisk)
    monkeypatch.setattr(trackers, "TRACKERS", {**trackers.TRACKERS, "mlflow": entry})
    Path("dvclive").write_text("a file where DVCLive wants a folder")
    train(stacks, "mlflow", *TOOLS)
    said = [line for line in capsys.readouterr().err.splitlines() if "--track" in line]
    assert said[0].startswith("warning: --track dvclive has failed, training continues: ")
    assert said[1] == "warning: --track mlflow has failed, training continues: [Errno 28] No space left on device"
    assert len(said) == 2
    assert len(events().Scalars("loss_d")) == len(STEPS)
    assert Path("out/train.json").exists()


def test_only_rank_0_tracks(stacks: Dataset) -> None:
    run = make_run("B")
    state = build_state(run, stacks, CPU)
    options = loop.Options(out=Path("out"), work=Path("work"), device=CPU, track=("tensorboard",))
    assert not loop.follow(run, state, replace(options, world=World(rank=1, size=2))).following
    assert not Path("work").exists()
    with loop.follow(run, state, options) as following:
        assert [*following.following] == ["tensorboard"]


def test_trackers_change_neither_fingerprint_nor_record(stacks: Dataset) -> None:
    train(stacks, *TOOLS)
    tracked = json.loads(Path("out/train.json").read_text())
    train(stacks, out=Path("plain"), work=Path("elsewhere"))
    plain = json.loads(Path("plain/train.json").read_text())
    assert tracked["generator_sha256"] == plain["generator_sha256"]
    assert {key for key in tracked if tracked[key] != plain[key]} <= {"seconds", "provenance", "checksum"}
    assert {"r3gan.training.steps"} == imported_by(["r3gan.training.loop"]) & {
        trackers.__name__,
        "r3gan.training.steps",
    }


@pytest.mark.parametrize("through", ["--track", "R3GAN_TRACK"])
def test_a_tool_that_is_not_installed_is_asked_for_before_anything_is_written(
    prepared: Path, tmp_path: Path, r3gan: Command, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    words = ["train", "--config", "B", "--dataset", SMOKE, "--data", str(prepared / "data" / SMOKE)]
    if through == "R3GAN_TRACK":
        monkeypatch.setenv("R3GAN_TRACK", "tensorboard wandb")
    else:
        words += ["--track", "wandb"]
    done = r3gan(*words)
    assert done.returncode == 2
    assert done.stderr == "r3gan train: --track wandb needs the package wandb: pip install wandb\n"
    assert not any(tmp_path.iterdir())


def test_an_unknown_tool_is_refused_with_the_nearest(r3gan: Command, prepared: Path) -> None:
    done = r3gan("train", "--config", "B", "--dataset", SMOKE, "--track", "tensorbord")
    assert done.returncode == 2
    assert done.stderr == (
        "r3gan train: unknown --track 'tensorbord' (did you mean tensorboard?); "
        "allowed: tensorboard, dvclive, mlflow, wandb\n"
    )
