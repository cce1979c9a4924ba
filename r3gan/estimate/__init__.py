"""What a table of a scale would cost before it is run: device-hours, wall clock, disk and downloads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from r3gan.errors import unknown
from r3gan.estimate import storage
from r3gan.estimate.costs import Cost, cost_of, evaluation_task, macs_of_reals, training_task
from r3gan.estimate.published import PublishedCost, published_costs
from r3gan.estimate.storage import Item
from r3gan.estimate.throughput import read_evaluation, read_training
from r3gan.pipeline.selection import has_gpu
from r3gan.records.hardware import HARDWARE, cores_of
from r3gan.records.provenance import hardware_name
from r3gan.study import Study, StudyRun
from r3gan.tables.registry import find_table


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """One run of a study that a table shows."""

    record: str  # below results/
    key: str  # in the study file
    config: str
    dataset: str
    seed: int
    total_kimg: float
    done: bool  # whether its record is there
    training: Cost
    evaluation: Cost

    @property
    def device_hours(self) -> float | None:
        """Training and evaluation; None where one of them is not known."""
        parts = self.training.device_hours, self.evaluation.device_hours
        return None if None in parts else math.fsum(filter(None, parts))

    @property
    def wall_hours(self) -> float | None:
        """One after the other."""
        parts = self.training.wall_hours, self.evaluation.wall_hours
        return None if None in parts else math.fsum(filter(None, parts))


@dataclass(frozen=True, kw_only=True)
class Total:
    """Sums over runs, those left out whose time is not known."""

    runs: int
    device_hours: float
    wall_hours: float
    not_known: int  # runs


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a table of a scale costs on a machine: all of it, and what has no record yet."""

    table: str
    scale: str
    hardware: str
    cores: int | None  # of a processor; None: GPUs
    ranks: int  # GPUs that a run is spread over
    runs: tuple[RunCost, ...]
    left: Total
    everything: Total
    disk: tuple[Item, ...]
    downloads: tuple[Item, ...]
    supplied: dict[str, str]  # data sets that are the user's to bring, and what they are
    published: tuple[PublishedCost, ...]


def this_machine() -> str:
    """The name of what computes here: of the folder that `make bench` writes its results to."""
    return hardware_name("cuda" if has_gpu() else "cpu")


def known_hardware(results: Path) -> list[str]:
    """What can be asked about: machines that were measured, and entries of HARDWARE."""
    measured = sorted(path.name for path in (results / "benchmarks").glob("*") if path.is_dir())
    return list(dict.fromkeys([*measured, *HARDWARE]))


def estimate(table: str, study: Study, hardware: str, results: Path) -> Estimate:
    """The cost of a table's runs in a study; UserError if the table or the hardware is unknown."""
    allowed = known_hardware(results)
    if hardware not in allowed and hardware != this_machine():
        raise unknown("--hardware", hardware, allowed)
    cores = cores_of(hardware)
    needed = {record: study.run_of_record(record) for record in find_table(table).records(study)}
    runs = time_costs(study, needed, hardware, results)
    # A run that is measured on the way and at its end is trained and stored once.
    by_folder = {folder_of(record): run for record, run in needed.items()}
    listed = list(by_folder.values())
    snapshots = [snapshots_of(study, folder) for folder in by_folder]
    side_by_side = 1 if cores is None else max([cores // run.training.devices for run in runs], default=1)
    return Estimate(
        table=table,
        scale=study.scale,
        hardware=hardware,
        cores=cores,
        ranks=int(study.launch["ranks"]),
        runs=runs,
        left=total([run for run in runs if not run.done], cores),
        everything=total(runs, cores),
        disk=tuple(storage.disk_items(listed, snapshots, side_by_side)),
        downloads=tuple(storage.downloads(listed)),
        supplied=storage.supplied(listed),
        published=published_costs(listed),
    )


def folder_of(record: str) -> str:
    return record.rpartition("/")[0]


def snapshots_of(study: Study, folder: str) -> int:
    """How often a run keeps G on the way, to be measured afterwards."""
    if study.convergence is None or folder not in study.convergence_folders:
        return 0
    return int(study.convergence_folders[folder].total_kimg / study.convergence.snapshot_kimg)


def time_costs(study: Study, needed: dict[str, StudyRun], hardware: str, results: Path) -> tuple[RunCost, ...]:
    """Each run's training and evaluation; the first that needs the reals' features pays for them."""
    cores = cores_of(hardware)
    trainings, evaluations = read_training(results), read_evaluation(results)
    seen: set[tuple[str, str]] = set()
    trained: set[str] = set()
    costs = []
    for record, run in needed.items():
        if cores is None:
            devices, evaluating_devices = int(study.launch["ranks"]), 1  # the pipeline evaluates in one process
        else:
            devices, evaluating_devices = (min(cores, run.threads * n) for n in (int(study.launch["ranks"]), 1))
        training = cost_of(training_task(run, record, devices), hardware, trainings)
        points = snapshots_of(study, folder_of(record)) if record.endswith("convergence.json") else None
        evaluation = evaluation_task(run, record, evaluating_devices, points, macs_of_reals(run, seen))
        if folder_of(record) in trained:
            training = replace(training, device_hours=0.0, how="the same run")
        trained.add(folder_of(record))
        costs.append(
            RunCost(
                record=record,
                key=run.key,
                config=run.config,
                dataset=run.dataset,
                seed=run.seed,
                total_kimg=run.total_kimg,
                done=(results / record).exists(),
                training=training,
                evaluation=cost_of(evaluation, hardware, evaluations),
            )
        )
    return tuple(costs)


def total(runs: Sequence[RunCost], cores: int | None) -> Total:
    """Sums; wall clock as the pipeline has it: one run at a time on GPUs, on a processor as many as have cores."""
    free = [0.0] * (cores or 1)  # when each core, or the GPUs together, has nothing left to do
    for run in runs:
        taken = run.training.devices if cores else 1
        free.sort()
        free[:taken] = [free[taken - 1] + (run.wall_hours or 0.0)] * taken
    return Total(
        runs=len({folder_of(run.record) for run in runs}),
        device_hours=math.fsum(run.device_hours or 0.0 for run in runs),
        wall_hours=max(free),
        not_known=len({folder_of(run.record) for run in runs if run.device_hours is None}),
    )
