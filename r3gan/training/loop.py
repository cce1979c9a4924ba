"""The `train` stage: a D step, then a G step, each on new reals and z of its own."""

import contextlib
import fcntl
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from r3gan.data.loader import Dataset
from r3gan.distributed import ALONE, World
from r3gan.errors import UserError
from r3gan.files import sha256
from r3gan.pictures import save_grid
from r3gan.progress import Progress
from r3gan.records.provenance import bf16_instructions, stamp
from r3gan.records.run_folder import is_finished, remove_run
from r3gan.records.schema import Identity, Training, Values
from r3gan.records.store import as_json, made, write
from r3gan.training import KEPT_CHECKPOINTS, checkpoint
from r3gan.training.best import KeepBest, Snapshot
from r3gan.training.clock import Clock
from r3gan.training.curve import Diverged, LoggingInterval, write_curve
from r3gan.training.finished import nothing_left
from r3gan.training.memory import keep_freed_memory
from r3gan.training.run import Run
from r3gan.training.signals import Stopped, StopRequests
from r3gan.training.start import StartingWeights
from r3gan.training.state import State, build_state
from r3gan.training.steps import iterate
from r3gan.training.trackers import TrackedRun, Trackers
from r3gan.weights import save_network

LOGGING_INTERVALS = 50  # of a run; each gives one row of the loss curve
SAMPLE_GRIDS = 4  # written during a run
SLOW_BF16 = "--precision bf16: this processor has no known instructions for bfloat16; emulated, it is slower than fp32"
AGREEMENT_STEPS = 4  # several ranks agree this often whether to stop or to save


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is computed and stored, as opposed to what it trains."""

    out: Path
    work: Path
    device: torch.device
    world: World = ALONE
    zero_stage: int | None = None  # of DeepSpeed; None: plain torch in one process
    wanted: Mapping[str, str | None] = field(default_factory=dict)  # overrides of the device's Execution
    micro_batch: int | None = None
    checkpoint_seconds: float = 600.0
    keep_checkpoints: int = KEPT_CHECKPOINTS
    snapshot_kimg: float | None = None  # how often a snapshot of G is stored, for `evaluate-snapshots` or `keep_best`
    keep_best: KeepBest | None = None  # measures every snapshot and the last G at once, and keeps only the best
    track: tuple[str, ...] = ()  # names of TRACKERS
    track_as: str = ""  # the run's name there; empty: its id
    start: StartingWeights | None = None  # instead of random weights
    overwrite: bool = False  # replace a finished run, or a checkpoint that is further than the run goes
    discard_final: bool = False  # keep no checkpoint of the last state, from which a longer run could go on
    code: str = ""  # fingerprint of the training code: no checkpoint of other code is continued
    launch: str = ""  # the command that started the ranks
    requests: StopRequests | None = None  # where they are recorded already

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    def describe_engine(self) -> dict[str, Any]:
        engine = "torch" if self.zero_stage is None else "deepspeed"
        return {"engine": engine, "zero_stage": self.zero_stage, "launch": self.launch}


def train(run: Run, dataset: Dataset, options: Options) -> Training:
    """Train to the end of the recipe; write generator.safetensors, loss.csv and train.json into `options.out`.

    Continues from the newest checkpoint in `options.work`, where sample grids are written too. Returns the record,
    whose `outcome` is "trained" or "Fail". Raises Stopped, after saving a checkpoint, when the process is asked to end.
    A finished run that this one would be again is left as it is; UserError where it is another.
    """
    check(run, dataset)
    if record := already_trained(run, dataset, options, options.keep_best.metric if options.keep_best else None):
        return record
    keep_freed_memory()
    with exclusive_lock(options.work) if options.world.is_rank0 else contextlib.nullcontext():
        return train_locked(run, dataset, options)


def identity_of(run: Run, dataset: Dataset, options: Options) -> Identity:
    """What decides the run's weights at a given step."""
    start = options.start.record.sha256 if options.start else None
    return Identity(recipe=run.digest(), data=dataset.manifest["sha256"], code=options.code, start=start)


def already_trained(run: Run, dataset: Dataset, options: Options, keep_best: str | None) -> Training | None:
    """The record of the finished run that this one would be again, after saying so; None where there is none.

    `keep_best` is the metric of --keep-best. UserError where another finished run would be replaced.
    """
    if options.overwrite:
        return None
    identity = identity_of(run, dataset, options)
    record = nothing_left(run, options.out, identity, options.snapshot_kimg, keep_best)
    if record and options.world.is_rank0:
        result = f"failed at {record.failure}" if record.failure else f"is trained to {record.kimg:g} kimg"
        print(f"{run.id}: nothing to do, {options.out} {result}; --overwrite trains it anew", flush=True)
    return record


def train_locked(run: Run, dataset: Dataset, options: Options) -> Training:
    """`train`, by the only process that may write the run."""
    world, device = options.world, options.device
    identity = identity_of(run, dataset, options)
    total_images = round(run.recipe.total_kimg * 1000)
    found = checkpoint_to_continue(run, options, identity)
    micro = options.micro_batch or (found[0]["micro"] if found else None)
    state = build_state(
        run,
        dataset,
        device,
        wanted=options.wanted,
        micro=micro,
        world=world,
        zero_stage=options.zero_stage,
        start=options.start,
    )
    if found:
        checkpoint.restore(state, *found)
    elif world.is_rank0 and options.overwrite:
        remove_run(options.out)
        checkpoint.discard(options.checkpoints)
    if world.is_rank0:
        at = f"continues at {state.images_seen / 1000:g} of" if found else "trains"
        print(f"{run.id}: {at} {total_images / 1000:g} kimg on {device}, {state.share.describe()}", flush=True)
        if state.execution.precision == "bf16" and device.type == "cpu" and bf16_instructions() is None:
            print(f"warning: {SLOW_BF16}", file=sys.stderr, flush=True)
    outcome: Values = {"outcome": "trained"}
    with follow(run, state, options) as trackers:
        try:
            loop(run, state, total_images, options, as_json(identity), trackers)
        except Diverged as failure:
            outcome = {"outcome": "Fail", "fail_step": failure.step, "fail_reason": failure.reason}
        trackers.outcome = str(outcome["outcome"])
    keep = 0 if options.discard_final or outcome["outcome"] == "Fail" else 1
    if keep:
        checkpoint.save(options.checkpoints, state, as_json(identity), options.keep_checkpoints, final=True)
    if world.is_rank0:
        save_network(options.out / "generator.safetensors", state.ema)
    content = {
        **outcome,
        **run.describe(),
        "scale": run.scale,
        "images_seen": state.images_seen,
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "continued_at_images": state.continued_at_images,
        "snapshot_kimg": options.snapshot_kimg,
        "snapshots": state.snapshots,
        "best": options.keep_best.describe(state.snapshots, options.out) if options.keep_best else None,
        "execution": asdict(state.execution) | asdict(state.share) | options.describe_engine(),
        "start": options.start and options.start.record,
        "identity": identity,
        "generator_sha256": sha256(options.out / "generator.safetensors") if world.is_rank0 else None,
        "data": {"dataset": dataset.name, "sha256": dataset.manifest["sha256"], "count": dataset.manifest["count"]},
        "provenance": stamp(str(device), torch.get_num_threads(), world.size),
    }
    record = made(Training, content)
    if world.is_rank0:
        write_curve(options.out / "loss.csv", state.curve)
        write(options.out / "train.json", record)
        checkpoint.discard(options.checkpoints, keep)
        if options.keep_best:
            options.keep_best.prune(state.snapshots, options.out)
        print(f"{run.id}: {record.outcome} after {record.kimg:g} kimg, {record.seconds} s")
    return record


def exclusive_lock(work: Path) -> IO[bytes]:
    """Hold the run's lock until the file is closed or the process ends; UserError where another process holds it."""
    work.mkdir(parents=True, exist_ok=True)
    file = (work / "lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UserError(f"{work} is being trained by another process; wait for it or end it first") from None
    return file


def checkpoint_to_continue(run: Run, options: Options, identity: Identity) -> checkpoint.Found | None:
    """What the run goes on from, None where it starts; rank 0 looks first, since it may have to rename checkpoints.

    UserError where a finished run has no last state, or a checkpoint is further than the run would go.
    """
    anew = options.overwrite and is_finished(options.out)
    wanted = (options.checkpoints, as_json(identity), options.out, options.overwrite)
    found = checkpoint.latest(*wanted) if options.world.is_rank0 and not anew else None
    options.world.barrier()
    if not options.world.is_rank0 and not anew:
        found = checkpoint.latest(*wanted)
    if found is None:
        if is_finished(options.out) and not anew:
            raise UserError(f"{options.out} is finished and its last state was not kept; --overwrite trains it anew")
        return None
    seen = found[0]["step"] * run.recipe.batch
    if seen - run.recipe.batch >= round(run.recipe.total_kimg * 1000):
        if not options.overwrite:
            raise UserError(
                f"--total-kimg {run.recipe.total_kimg:g}: a checkpoint has already seen {seen / 1000:g} kimg;"
                " --overwrite starts anew"
            )
        return None
    return found


def check(run: Run, dataset: Dataset) -> None:
    """UserError where the data set is not the run's."""
    size, classes = run.config.sizes[run.dataset], int(dataset.labels.max()) + 1
    if dataset.name != run.dataset:
        raise UserError(f"--data holds {dataset.name}, but --dataset is {run.dataset}")
    assert dataset.images.shape[1:] == (size.image_channels, size.resolution, size.resolution)
    if size.classes and classes != size.classes:
        held = f"{classes} classes" if classes > 1 else "no labels"
        raise UserError(
            f"--data holds {dataset.name} with {held}, but {run.config_name} is trained there with {size.classes} "
            "classes; prepare it with its labels, or give --unconditional"
        )


def follow(run: Run, state: State, options: Options) -> Trackers:
    """The tools that follow the run, which rank 0 alone tells of it; they have the rows that there are so far."""
    tracked = TrackedRun(
        name=options.track_as or run.id, work=options.work, configuration=run.describe(), resumed=state.step > 0
    )
    return Trackers(options.track if options.world.is_rank0 else (), tracked, state.curve)


def loop(
    run: Run, state: State, total_images: int, options: Options, identity: checkpoint.Header, trackers: Trackers
) -> None:
    """Alternate D and G until `total_images` reals; write curve, sample grids, snapshots and checkpoints when due."""
    logging_images, grid_images = total_images / LOGGING_INTERVALS, total_images / SAMPLE_GRIDS
    world = state.world
    grid_z = torch.randn(48, state.generator.z_dim, generator=torch.Generator().manual_seed(run.seed))
    grid_labels = torch.arange(48) % state.generator.classes if state.generator.classes else None
    interval, saved, clock = LoggingInterval(run, state), time.monotonic(), Clock(state)

    def save() -> None:
        nonlocal saved
        saved = time.monotonic()
        clock.count()
        written = checkpoint.save(options.checkpoints, state, identity, options.keep_checkpoints)
        if options.keep_best and written:
            options.keep_best.prune(state.snapshots, options.out)

    shown = Progress(f"train {run.config_name}", total_images, "img", world.is_rank0)
    heard = contextlib.nullcontext(options.requests) if options.requests else StopRequests()
    with clock, heard as requests, shown as progress:
        progress.advance(state.images_seen)
        while state.images_seen < total_images:
            before = state.images_seen
            hyper, measured = iterate(run, state)
            interval.add(measured, state.step)
            note = None
            if crossed(before, state.images_seen, logging_images) or state.images_seen >= total_images:
                clock.count()
                state.curve.append(interval.close(state, hyper))
                with clock.paused():
                    trackers.log_row(state.curve[-1])
                note = f"D {state.curve[-1]['loss_d']:.3f} G {state.curve[-1]['loss_g']:.3f}"
            grid_due = world.is_rank0 and crossed(before, state.images_seen, grid_images)
            if grid_due and (picture := save_sample_grid(options.work, state, grid_z, grid_labels)):
                with clock.paused():
                    trackers.log_grid(picture, state.images_seen)
            if snapshot_due(options, before, state.images_seen, total_images):
                with clock.paused():
                    keep_snapshot(options, state)
            progress.advance(run.recipe.batch, note)
            requests.step_ended()
            if state.step % (AGREEMENT_STEPS if world.size > 1 else 1) == 0:
                due = world.is_rank0 and time.monotonic() - saved >= options.checkpoint_seconds
                stop, due = world.any([requests.stop, due])
                if stop:
                    requests.heed()
                if stop or due:
                    save()
                if stop:
                    raise Stopped(f"{run.id} stopped at {state.images_seen / 1000:g} kimg; the same command continues")


def snapshot_due(options: Options, before: int, after: int, total: int) -> bool:
    """Whether a snapshot is stored after this step: every `snapshot_kimg`, and at the end under --keep-best."""
    if options.snapshot_kimg and crossed(before, after, options.snapshot_kimg * 1000):
        return True
    return options.keep_best is not None and after >= total


def keep_snapshot(options: Options, state: State) -> None:
    """Store G's moving average, and measure it under --keep-best."""
    snapshot: Snapshot = {"kimg": state.images_seen / 1000, "seconds": round(state.seconds, 3)}
    snapshot["file"] = f"snapshots/{state.images_seen:010d}.safetensors"
    if state.world.is_rank0:
        save_network(options.out / snapshot["file"], state.ema)
        snapshot["sha256"] = sha256(options.out / snapshot["file"])
    if best := options.keep_best:
        snapshot |= {"metric": best.metric, "value": best.score(state.ema)}
        if state.world.is_rank0:
            print(f"{best.metric} {snapshot['value']:.4g} at {snapshot['kimg']:g} kimg", flush=True)
    state.snapshots.append(snapshot)


def save_sample_grid(work: Path, state: State, z: Tensor, labels: Tensor | None) -> Path | None:
    """Samples of G's moving average as a PNG, and its path; on a full disk the run continues without it."""
    path = work / f"samples-{state.images_seen // 1000:06d}k.png"
    with torch.no_grad():
        images = state.ema(z.to(state.device), None if labels is None else labels.to(state.device)).cpu()
    try:
        save_grid(path, images)
    except OSError as error:
        print(f"warning: {path.name} was not written, training continues: {error}", flush=True)
        return None
    return path


def crossed(before: int, after: int, every: float) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return math.floor(after / every) > math.floor(before / every)
