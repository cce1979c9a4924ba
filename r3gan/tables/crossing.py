"""Convergence speed: when a run first reaches a target, in images and in time; nothing here needs torch.

A run is evaluated every so many kimg, so a crossing is known to within that interval. One that never reached its target
is censored: all that is known is "> N kimg". Speed-ups in images and in time are two numbers, and never mixed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from r3gan.errors import UserError
from r3gan.metrics import find_metric
from r3gan.records.schema import Convergence
from r3gan.tables.alike import same_network, way_of

Clock = Literal["kimg", "train_seconds", "total_seconds"]
CLOCKS: dict[str, Clock] = {"images": "kimg", "train_time": "train_seconds", "total_time": "total_seconds"}


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The first evaluation at which a run's metric was at least as good as the target; the last one if none was."""

    run: str
    reached: bool
    kimg: float
    train_seconds: float  # of training alone
    total_seconds: float  # and of the evaluations up to here
    interval_kimg: float

    def at(self, clock: Clock) -> float:
        return {"kimg": self.kimg, "train_seconds": self.train_seconds, "total_seconds": self.total_seconds}[clock]

    def row(self) -> list[str]:
        more = "" if self.reached else "> "
        return [self.run, *(f"{more}{self.at(clock):,.4g}" for clock in CLOCKS.values())]


@dataclass(frozen=True, kw_only=True)
class Speedup:
    """A run compared with a baseline, whose best value is the target."""

    metric: str
    target: float
    run: Crossing
    baseline: Crossing
    same_hardware: bool
    same_network: bool

    def over(self, clock: Clock) -> float:
        """Baseline over run; where the run never got there, what it stays below."""
        return self.baseline.at(clock) / self.run.at(clock)

    def as_json(self) -> dict[str, object]:
        ratios = {f"speedup_{name}": round(self.over(clock), 4) for name, clock in CLOCKS.items()}
        return asdict(self) | ratios | {"speedup_is_upper_bound": not self.run.reached}

    def __str__(self) -> str:
        from tabulate import tabulate

        less = "" if self.run.reached else "< "
        ratios = [f"{less}{self.over(clock):,.4g} x" for clock in CLOCKS.values()]
        rows = [self.baseline.row(), self.run.row(), ["speed-up", *ratios]]
        table = tabulate(rows, headers=["run", "kimg", "training s", "with evaluation s"], tablefmt="github")
        intervals = " and ".join(f"{crossing.interval_kimg:g}" for crossing in (self.baseline, self.run))
        other = "" if self.same_hardware else "; other hardware, so times do not compare"
        other += "" if self.same_network else "; digit classifiers of two processors"
        return f"{self.metric} {self.target:g}, the baseline's best; measured every {intervals} kimg{other}\n{table}"


def values_of(record: Convergence, metric: str) -> list[float]:
    """The metric at every point; UserError where it was not measured."""
    if metric not in record.metrics:
        raise UserError(f"--metric {metric}: {record.run} was measured with {', '.join(record.metrics)}")
    return [point.values[metric] for point in record.points]


def first_crossing(record: Convergence, metric: str, target: float) -> Crossing:
    """The first point at least as good as `target`, or the last one, censored."""
    good = [find_metric(metric).reaches(value, target) for value in values_of(record, metric)]
    at = good.index(True) if any(good) else len(good) - 1
    points = record.points[: at + 1]
    evaluating = sum(point.evaluate_seconds for point in points)
    return Crossing(
        run=record.run,
        reached=any(good),
        kimg=points[-1].kimg,
        train_seconds=points[-1].train_seconds,
        total_seconds=points[-1].train_seconds + evaluating,
        interval_kimg=record.interval_kimg,
    )


def compare(run: Convergence, baseline: Convergence, metric: str) -> Speedup:
    """When `run` first reaches the baseline's best; UserError where data or protocol differ."""
    _, values = values_of(run, metric), values_of(baseline, metric)
    if run.data.sha256 != baseline.data.sha256:
        raise UserError(f"{run.run} and {baseline.run} differ in their data")
    if way_of(run, metric) != way_of(baseline, metric):
        raise UserError(f"{run.run} and {baseline.run} differ in their measurement")
    target = find_metric(metric).best(values)
    return Speedup(
        metric=metric,
        target=target,
        run=first_crossing(run, metric, target),
        baseline=first_crossing(baseline, metric, target),
        same_hardware=run.training.provenance.device == baseline.training.provenance.device,
        same_network=same_network(run, baseline, metric),
    )
