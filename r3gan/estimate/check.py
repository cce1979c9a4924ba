"""How good estimates are: every recorded run of a scale, predicted without the records of its configuration there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Literal

from tabulate import tabulate

from r3gan.estimate import planned, records_of
from r3gan.estimate.costs import Job, Measurement, cost_of, read_measurements
from r3gan.records.run_id import RunId
from r3gan.records.store import Store
from r3gan.study import Study

FACTOR = 1.5  # within which an estimate shall be
HEADERS = (
    "configuration",
    "data set",
    "part",
    "n",
    "recorded s",
    "predicted/recorded",
    "lowest",
    "highest",
    "predicted by",
)
SIDES = ["left"] * 3 + ["right"] * 5 + ["left"]
Part = Literal["training", "evaluation", "snapshots"]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A part of a recorded run: its seconds on a device as predicted and as recorded."""

    run: RunId
    part: Part | Literal["whole runs"]
    how: str
    predicted: float
    recorded: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.recorded

    @property
    def is_within(self) -> bool:
        return 1 / FACTOR <= self.ratio <= FACTOR


def check(study: Study, store: Store) -> list[Checked]:
    """Every part of a recorded run that something else on its hardware predicts.

    Left out of the evidence are all records of the scale with the same configuration: seeds, other data sets.
    """
    measured = list(read_measurements(store))
    needed = {record: line for record, line in records_of(study).items() if store.has(record)}
    found: dict[tuple[RunId, Part], Checked] = {}
    for each in planned(study, needed):
        others = [m for m in measured if not is_of(m, each.run_id)]
        for job in (each.training, each.evaluation):
            recorded = next((m for m in measured if is_measured(m, job)), None)
            cost = cost_of(job, 1, recorded.hardware, others) if recorded else None
            if recorded is None or cost is None or cost.device_hours is None:
                continue
            at_end = job.record == each.run_id.metrics
            part: Part = "training" if not job.metrics else "evaluation" if at_end else "snapshots"
            found[each.run_id, part] = Checked(
                run=each.run_id,
                part=part,
                how=cost.how,
                predicted=cost.device_hours * 3600,
                recorded=recorded.device_seconds,
            )
    return [*found.values()]


def is_measured(measurement: Measurement, job: Job) -> bool:
    """Whether it is the job, training or evaluation, of the same record."""
    return measurement.job.record == job.record and bool(measurement.job.metrics) == bool(job.metrics)


def is_of(measurement: Measurement, run: RunId) -> bool:
    """Whether a measurement is of the run's scale and configuration."""
    scale, _, config, *_ = [*measurement.job.record.split("/"), "", ""]
    return (scale, config) == (run.scale, run.config)


def text(scale: str, found: Sequence[Checked]) -> str:
    """One line for each part of a configuration, then the shares within FACTOR."""
    if not found:
        return f"no run of scale {scale} has a record that something else on its hardware predicts"
    lines: dict[tuple[str, str, str], list[Checked]] = {}
    for each in found:
        lines.setdefault((each.run.config, each.run.dataset, each.part), []).append(each)
    rows = [[*key, str(len(runs)), *numbers(runs), runs[0].how] for key, runs in lines.items()]
    table = tabulate(rows, HEADERS, tablefmt="simple", colalign=SIDES, disable_numparse=True)
    parts = [[each for each in found if each.part == part] for part in dict.fromkeys(each.part for each in found)]
    return "\n".join([table, "", *map(share, [*parts, whole_runs(found)])])


def whole_runs(found: Sequence[Checked]) -> list[Checked]:
    """The parts of each run added up."""
    runs: dict[RunId, list[Checked]] = {}
    for each in found:
        runs.setdefault(each.run, []).append(each)
    return [
        Checked(
            run=run,
            part="whole runs",
            how="",
            predicted=sum(each.predicted for each in parts),
            recorded=sum(each.recorded for each in parts),
        )
        for run, parts in runs.items()
    ]


def numbers(runs: Sequence[Checked]) -> list[str]:
    """Mean seconds on record, and the ratios: their geometric mean, the lowest and the highest."""
    ratios = [each.ratio for each in runs]
    mean = exp(fmean(map(log, ratios)))
    return [
        f"{fmean(each.recorded for each in runs):,.1f}",
        *(f"{ratio:.2f}" for ratio in (mean, min(ratios), max(ratios))),
    ]


def share(found: Sequence[Checked]) -> str:
    """How many are predicted within FACTOR."""
    within = sum(each.is_within for each in found)
    return f"{found[0].part}: {within} of {len(found)} within a factor of {FACTOR:g} ({within / len(found):.0%})"
