"""Every snapshot of a run measured after training, so that the training time is not affected."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch

from r3gan.data.loader import Dataset
from r3gan.distributed import ALONE, World
from r3gan.errors import UserError
from r3gan.files import write_text
from r3gan.metrics.evaluate import Measurement, Plan, check_data, initial_generator, what_of
from r3gan.records.provenance import stamp
from r3gan.records.schema import SCHEMAS, Convergence, Point
from r3gan.records.store import made, read_training, write
from r3gan.weights import load_network


def evaluate_snapshots(
    run_folder: Path, dataset: Dataset, plan: Plan, out: Path, device: torch.device, world: World = ALONE
) -> Convergence:
    """Write convergence.json of a run into `out` and return it: one point per snapshot, the mean over the plan's draws.

    A point has kimg, the seconds of training up to it (without evaluation, without writing the snapshot) and those of
    its own evaluation (drawing, features, metrics; without the features of the reals, which are extracted once). The
    points alone are in convergence.csv too.
    """
    hint = "train it with `r3gan train ... --snapshot-kimg KIMG`"
    training = read_training(run_folder, hint)
    if not training.snapshots:
        raise UserError(f"{run_folder} kept no snapshots: {hint}")
    if training.best:
        raise UserError(f"{run_folder} kept only its best snapshot: {hint} without --keep-best")
    check_data(dataset, training, run_folder)
    generator = initial_generator(training, device)
    measurement = Measurement.prepare(plan, dataset, device, world)
    points = []
    for snapshot in training.snapshots:
        started = time.perf_counter()
        load_network(run_folder / snapshot.file, generator, hint, snapshot.sha256)
        draws = [measurement.score(generator, seed, f"{snapshot.kimg:g} kimg") for seed in range(plan.draws)]
        points.append(
            Point(
                kimg=snapshot.kimg,
                train_seconds=snapshot.seconds,
                values={name: fmean(draw[name] for draw in draws) for name in plan.metrics},
                evaluate_seconds=round(time.perf_counter() - started, 3),
            )
        )
    content = {
        "schema": SCHEMAS[Convergence],
        **what_of(training),
        "interval_kimg": training.snapshot_kimg,
        "points": points,
        "metrics": {name: measurement.protocol(name) for name in plan.metrics},
        "data": {"dataset": dataset.name, "sha256": dataset.manifest["sha256"], "count": len(dataset.images)},
        "training": training,
        "provenance": stamp(str(device), torch.get_num_threads(), world.size),
    }
    record = made(Convergence, content)
    if world.is_rank0:
        write_text(out / "convergence.csv", as_csv(points))
        write(out / "convergence.json", record)
        print(f"{out}: {len(points)} points, {points[0].kimg:g} to {points[-1].kimg:g} kimg")
    return record


def as_csv(points: Sequence[Point]) -> str:
    """One line per point, one column per metric."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kimg", "train_seconds", "evaluate_seconds", *points[0].values])
    writer.writerows([p.kimg, p.train_seconds, p.evaluate_seconds, *p.values.values()] for p in points)
    return out.getvalue()
