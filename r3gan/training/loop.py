"""The `train` stage: one D step, then one G step, each on fresh reals and its own z; read from top to bottom."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from r3gan.configs import SIZES
from r3gan.data.loader import Dataset
from r3gan.ema import update_ema
from r3gan.errors import UserError
from r3gan.files import write_json
from r3gan.pictures import save_grid
from r3gan.progress import Progress
from r3gan.provenance import stamp
from r3gan.schedules import ema_beta
from r3gan.training.curve import Diverged, Tick, write_curve
from r3gan.training.memory import keep_freed_memory
from r3gan.training.run import Run
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step
from r3gan.weights import save_network

TICKS = 50  # rows of the loss curve
SNAPSHOTS = 4  # sample grids on the way


def train(run: Run, dataset: Dataset, out: Path, work: Path, device: torch.device) -> dict[str, Any]:
    """Train to the end of the recipe; write generator.safetensors, loss.csv and train.json into `out`.

    Sample grids on the way go to `work`. Returns the record, whose `outcome` is "trained" or "Fail".
    """
    check(run, dataset)
    keep_freed_memory()
    started = time.perf_counter()
    state = build_state(run, dataset, device)
    outcome: dict[str, Any] = {"outcome": "trained"}
    total_images = round(run.recipe.total_kimg * 1000)
    print(f"{run.id}: {total_images / 1000:g} kimg at batch {run.recipe.batch} on {device}", flush=True)
    grid_z = torch.randn(48, state.generator.z_dim, generator=torch.Generator().manual_seed(run.seed))
    try:
        loop(run, state, total_images, work, grid_z.to(device))
    except Diverged as reason:
        outcome = {"outcome": "Fail", "fail_step": state.step, "fail_reason": str(reason)}
    record = {
        **outcome,
        **run.describe(),
        "scale": run.scale,
        "images_seen": state.images_seen,
        "steps": state.step,
        "seconds": round(time.perf_counter() - started, 1),
        "data": {"dataset": dataset.name, "sha256": dataset.manifest["sha256"], "count": dataset.manifest["count"]},
        "provenance": stamp(str(device), torch.get_num_threads()),
    }
    save_network(out / "generator.safetensors", state.ema)
    write_curve(out / "loss.csv", state.curve)
    write_json(out / "train.json", record)
    print(f"{run.id}: {record['outcome']} after {state.images_seen / 1000:g} kimg, {record['seconds']} s")
    return record


def check(run: Run, dataset: Dataset) -> None:
    """UserError where the data do not fit the networks or the recipe asks for what does not exist."""
    size = SIZES[run.dataset]
    if dataset.name != run.dataset:
        raise UserError(f"--data holds {dataset.name}, but --dataset is {run.dataset}")
    assert dataset.images.shape[1:] == (size.image_channels, size.resolution, size.resolution)
    if run.recipe.augment_p != (0.0, 0.0):
        raise UserError(
            f"--config {run.config_name} on {run.dataset} augments (p = {run.recipe.augment_p}), "
            "which is not available yet"
        )


def loop(run: Run, state: State, total_images: int, work: Path, grid_z: Tensor) -> None:
    """D and G in turn until `total_images` reals; a row of the curve a tick, a grid a snapshot."""
    tick_images, snapshot_images = total_images / TICKS, total_images / SNAPSHOTS
    tick = Tick(state)
    with Progress(f"train {run.config_name}", total_images, "img") as progress:
        while state.images_seen < total_images:
            hyper = Hyper.at(run.recipe, state.images_seen)
            measured = discriminator_step(run, state, hyper)
            measured |= generator_step(run, state, hyper)
            batch = run.recipe.batch
            update_ema(state.ema, state.generator, ema_beta(batch, hyper.ema_half_life_kimg * 1000))
            before, state.images_seen, state.step = (state.images_seen, state.images_seen + batch, state.step + 1)
            tick.add(measured)
            note = None
            if crossed(before, state.images_seen, tick_images) or state.images_seen >= total_images:
                row = tick.close(state, hyper)
                state.curve.append(row)
                note = f"D {row['loss_d']:.3f} G {row['loss_g']:.3f}"
            if crossed(before, state.images_seen, snapshot_images):
                save_grid(work / f"samples-{state.images_seen // 1000:06d}k.png", state.ema(grid_z))
            progress.advance(batch, note)


def crossed(before: int, after: int, every: float) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return math.floor(after / every) > math.floor(before / every)
