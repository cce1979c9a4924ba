"""How good estimates are: every recorded run of a scale, predicted without the records of its configuration there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Literal

from tabulate import tabulate

from r3gan.estimate import planned, records_of
from r3gan.estimate.costs import Job, Measurement, cost_of, read_measurements
from r3gan.estimate.schema import Source
from r3gan.records.run_id import RunId
from r3gan.records.store import Store
from r3gan.study import Study

FACTOR = 1.5  # within which an estimate shall be
Part = Literal["training", "evaluation", "snapshots"]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A part of a recorded run: its seconds on a device as predicted and as recorded."""

    run: RunId
    part: Part
    source: Source
    how: str
    predicted: float
    recorded: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.recorded

    @property
    def is_within(self) -> bool:
        return 1 / FACTOR <= self.ratio <= FACTOR


def check(study: Study, store: Store) -> Iterator[Checked]:
    """Every part of a recorded run that something else on its hardware predicts.

    Left out of the evidence are all records of the scale with the same configuration: seeds, other data sets.
    """
    measured = list(read_measurements(store))
    needed = {record: line for record, line in records_of(study).items() if store.has(record)}
    for each in planned(study, needed):
        others = [m for m in measured if not is_of(m, each.run_id)]
        for job in (each.training, each.evaluation):
            found = next((m for m in measured if is_measured(m, job)), None)
            if found is None:
                continue
            cost = cost_of(job, 1, found.hardware, others)
            if cost.device_hours is None:
                continue
            snapshots = job.record == each.run_id.convergence
            yield Checked(
                run=each.run_id,
                part="training" if not job.metrics else "snapshots" if snapshots else "evaluation",
                source=cost.source,
                how=cost.how,
                predicted=cost.device_hours * 3600,
                recorded=found.device_seconds,
            )


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
    headers = (
        "configuration",
        "data set",
        "part",
        "runs",
        "recorded s",
        "predicted/recorded",
        "lowest",
        "highest",
        "by",
    )
    shares = [
        share(part, [each for each in found if each.part == part]) for part in dict.fromkeys(e.part for e in found)
    ]
    table = tabulate(
        rows, headers, tablefmt="simple", colalign=["left"] * 3 + ["right"] * 5 + ["left"], disable_numparse=True
    )
    return "\n".join([table, "", *shares, share("all", found)])


def numbers(runs: Sequence[Checked]) -> list[str]:
    """Mean seconds on record, and the ratios: their geometric mean, the lowest and the highest."""
    ratios = [each.ratio for each in runs]
    mean = exp(fmean(map(log, ratios)))
    return [
        f"{fmean(each.recorded for each in runs):,.1f}",
        *(f"{ratio:.2f}" for ratio in (mean, min(ratios), max(ratios))),
    ]


def share(name: str, found: Sequence[Checked]) -> str:
    """How many are predicted within FACTOR."""
    within = sum(each.is_within for each in found)
    return f"{name}: {within} of {len(found)} within a factor of {FACTOR:g} ({within / len(found):.0%})"
