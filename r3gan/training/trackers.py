"""TRACKERS: tools that show a run's curve while it trains, one entry each; what is trained does not depend on them."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, Self

from r3gan.errors import UserError, unknown

Row = Mapping[str, float]  # of the loss curve
NO_ROW = -1  # the newest row of a tool that has none


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """What a tool is told of a run; `resumed` means that it may already have rows, which it keeps."""

    name: str
    work: Path
    configuration: Mapping[str, Any]
    resumed: bool

    def kept_id(self, tool: str) -> str:
        """The run's id in a tool that gives runs numbers of its own; empty for a run that begins."""
        file = self.work / f"{tool}.id"
        return file.read_text(encoding="utf-8") if self.resumed and file.exists() else ""

    def keep_id(self, tool: str, found: str) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / f"{tool}.id").write_text(found, encoding="utf-8")


class Tracker(Protocol):
    """A run in a tool: begun by the constructor, with `last`, the images seen at the newest row that it already has."""

    last: int

    def log_row(self, row: Row, images_seen: int) -> None: ...

    def log_grid(self, picture: Path, images_seen: int) -> None: ...

    def end(self, outcome: str) -> None: ...


class TensorBoard:
    """Event files in work/RUN/tensorboard."""

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.work / "tensorboard"
        if not run.resumed:
            shutil.rmtree(folder, ignore_errors=True)
        self.last = newest_event(folder)
        self.writer = SummaryWriter(str(folder))
        if self.last == NO_ROW:
            lines = (f"    {name}: {value}" for name, value in flat(run.configuration).items())
            self.writer.add_text("configuration", "\n".join(lines))

    def log_row(self, row: Row, images_seen: int) -> None:
        for name, value in row.items():
            self.writer.add_scalar(name, value, images_seen)
        self.writer.flush()

    def log_grid(self, picture: Path, images_seen: int) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(picture) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        self.writer.add_image("samples", pixels, images_seen, dataformats="HWC")

    def end(self, outcome: str) -> None:
        self.writer.add_text("outcome", outcome)
        self.writer.close()


def newest_event(folder: Path) -> int:
    """The images seen at the newest row of the event files in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not folder.exists():
        return NO_ROW
    events = EventAccumulator(str(folder)).Reload()
    known = events.Scalars("kimg") if "kimg" in events.Tags()["scalars"] else []
    return max((event.step for event in known), default=NO_ROW)


class DVCLive:
    """Plain files in dvclive/RUN with a dvc.yaml, where `dvc metrics`, `dvc plots` and `dvc exp show` find them."""

    def __init__(self, run: TrackedRun) -> None:
        from dvclive.live import Live

        folder = Path("dvclive", run.name)
        files = folder / "live"  # not next to dvc.yaml, to which every row would add the same entries once more
        self.live = Live(str(files), resume=run.resumed, save_dvc_exp=False, dvcyaml=str(folder / "dvc.yaml"))
        self.last = self.live.summary.get("step", NO_ROW)
        self.live.log_params(flat(run.configuration))

    def log_row(self, row: Row, images_seen: int) -> None:
        self.live.step = images_seen
        for name, value in row.items():
            self.live.log_metric(name, value)
        self.live.next_step()

    def log_grid(self, picture: Path, images_seen: int) -> None:
        self.live.log_image(f"samples/{images_seen}.png", picture)

    def end(self, outcome: str) -> None:
        self.live.summary["outcome"] = outcome
        self.live.end()


class MLflow:
    """A run of the experiment r3gan, in work/mlflow.db unless MLFLOW_TRACKING_URI names another store."""

    statuses: Mapping[str, str] = {"trained": "FINISHED", "Fail": "FAILED"}

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        self.mlflow, artifacts = mlflow, None
        if "MLFLOW_TRACKING_URI" not in os.environ:
            mlflow.set_tracking_uri(f"sqlite:///{Path('work/mlflow.db').resolve()}")
            artifacts = Path("work/mlflow").resolve().as_uri()
        known = run.kept_id("mlflow")
        if not known:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "r3gan")
            if mlflow.get_experiment_by_name(name) is None:
                mlflow.create_experiment(name, artifact_location=artifacts)
            mlflow.set_experiment(name)
        self.id = mlflow.start_run(run_id=known or None, run_name=None if known else run.name).info.run_id
        history = mlflow.MlflowClient().get_metric_history(self.id, "kimg") if known else []
        self.last = max((value.step for value in history), default=NO_ROW)
        if not known:
            run.keep_id("mlflow", self.id)
            mlflow.log_params(flat(run.configuration))

    def log_row(self, row: Row, images_seen: int) -> None:
        self.mlflow.log_metrics(dict(row), step=images_seen)

    def log_grid(self, picture: Path, images_seen: int) -> None:
        self.mlflow.log_artifact(str(picture), "samples")

    def end(self, outcome: str) -> None:
        self.mlflow.set_tag("outcome", outcome)
        self.mlflow.end_run(self.statuses.get(outcome, "KILLED"))


class WandB:
    """Weights & Biases, as files in work/RUN/wandb for `wandb sync`, unless WANDB_MODE says online."""

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_MODE", "offline")
        import wandb

        known = run.kept_id("wandb") or uuid.uuid4().hex[:8]
        run.keep_id("wandb", known)
        if os.environ["WANDB_MODE"] == "offline":
            # It begins every file at step 0, so the newest one holds the whole curve.
            shutil.rmtree(run.work / "wandb", ignore_errors=True)
        self.wandb = wandb
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "r3gan"), name=run.name, id=known, resume="allow",
            dir=str(run.work), config=flat(run.configuration),
        )  # fmt: skip
        self.last = self.run.step - 1

    def log_row(self, row: Row, images_seen: int) -> None:
        self.run.log(dict(row), step=images_seen)

    def log_grid(self, picture: Path, images_seen: int) -> None:
        self.run.log({"samples": self.wandb.Image(str(picture))}, step=images_seen)

    def end(self, outcome: str) -> None:
        self.run.summary["outcome"] = outcome
        self.run.finish(exit_code=0 if outcome == "trained" else 1)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tool: its name, the package that must be installed, what pip installs for it, and how a run begins in it."""

    title: str
    package: str
    install: str
    begin: Callable[[TrackedRun], Tracker]


TRACKERS: Mapping[str, Entry] = {
    "tensorboard": Entry(
        title="TensorBoard", package="tensorboard", install='"r3gan[track]"', begin=TensorBoard
    ),
    "dvclive": Entry(title="DVCLive", package="dvclive", install='"r3gan[track]"', begin=DVCLive),
    "mlflow": Entry(title="MLflow", package="mlflow", install="mlflow", begin=MLflow),
    "wandb": Entry(title="Weights & Biases", package="wandb", install="wandb", begin=WandB),
}  # fmt: skip


def check(names: Iterable[str]) -> None:
    """UserError where a tool does not exist or is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("--track", name, TRACKERS)
        try:
            version(TRACKERS[name].package)
        except PackageNotFoundError:
            entry = TRACKERS[name]
            raise UserError(f"--track {name} needs the package {entry.package}: pip install {entry.install}") from None


class Trackers:
    """The tools that follow a run; one that fails is left out from then on, with a warning, and training continues.

    As a context manager it ends the run in every tool with `outcome`, which is "stopped" until it is known.
    """

    def __init__(self, names: Iterable[str], run: TrackedRun, curve: Iterable[Row]) -> None:
        self.outcome = "stopped"
        self.following: dict[str, Tracker] = {}

        def begin(name: str) -> None:
            self.following[name] = TRACKERS[name].begin(run)

        for name in names:
            self.attempt(name, partial(begin, name))
        for row in curve:
            self.log_row(row)

    def attempt(self, name: str, act: Callable[[], None]) -> None:
        """Do something with a tool, whose failure of any kind is none of training."""
        try:
            act()
        except Exception as error:
            self.following.pop(name, None)
            reason = [*str(error).splitlines(), type(error).__name__][0]
            print(f"warning: --track {name} has failed, training continues: {reason}", file=sys.stderr, flush=True)

    def each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.following.items()):
            self.attempt(name, partial(act, tracker))

    def log_row(self, row: Row) -> None:
        """Give a row of the curve to each tool that does not have it yet."""
        images_seen = round(row["kimg"] * 1000)
        self.each(lambda tracker: tracker.log_row(row, images_seen) if images_seen > tracker.last else None)

    def log_grid(self, picture: Path, images_seen: int) -> None:
        """Give a written sample grid to each tool that does not have it yet."""
        self.each(lambda tracker: tracker.log_grid(picture, images_seen) if images_seen > tracker.last else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.each(lambda tracker: tracker.end(self.outcome))


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A configuration as one level of names with dots; what is neither number nor text becomes text."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value if isinstance(value, bool | int | float | str) else str(value)
    return found
