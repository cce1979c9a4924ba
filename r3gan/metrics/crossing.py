"""Convergence speed: when a run first reaches a target, in images and in time; nothing here needs torch.

A run is evaluated every so many kimg, so a crossing is known to within that interval. One that never reached its target
is censored: all that is known is "> N kimg". Speed-ups in images and in time are two numbers, and never mixed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.metrics import find_metric

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The first evaluation at which a run's metric was at least as good as the target; the last one if none was."""

    run: str
    reached: bool
    kimg: float
    train_seconds: float  # on the clock of training alone
    total_seconds: float  # and the evaluations up to here
    interval_kimg: float

    def row(self) -> list[str]:
        more = "" if self.reached else "> "
        return [self.run, *(f"{more}{v:,.4g}" for v in (self.kimg, self.train_seconds, self.total_seconds))]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside a baseline, whose best value is the target."""

    metric: str
    target: float
    run: Crossing
    baseline: Crossing
    same_hardware: bool

    def speed_up(self, quantity: str) -> float:
        """Baseline over run; where the run never got there, what it stays below."""
        return float(getattr(self.baseline, quantity) / getattr(self.run, quantity))

    def as_json(self) -> dict[str, Any]:
        quantities = {"images": "kimg", "train_time": "train_seconds", "total_time": "total_seconds"}
        ratios = {f"speedup_{name}": round(self.speed_up(quantity), 4) for name, quantity in quantities.items()}
        return asdict(self) | ratios | {"speedup_is_upper_bound": not self.run.reached}

    def __str__(self) -> str:
        from tabulate import tabulate

        less = "" if self.run.reached else "< "
        ratios = [f"{less}{self.speed_up(q):,.4g} x" for q in ("kimg", "train_seconds", "total_seconds")]
        rows = [self.baseline.row(), self.run.row(), ["speed-up", *ratios]]
        table = tabulate(rows, headers=["run", "kimg", "training s", "with evaluation s"], tablefmt="github")
        intervals = " and ".join(f"{crossing.interval_kimg:g}" for crossing in (self.baseline, self.run))
        other = "" if self.same_hardware else "; other hardware, so times do not compare"
        return f"{self.metric} {self.target:g}, the baseline's best; measured every {intervals} kimg{other}\n{table}"


def read_convergence(results: Path) -> Record:
    """What `r3gan converge` wrote of a run."""
    record: Record = read_json(results / "convergence.json", "run `r3gan converge` for this run first")
    return record


def values_of(record: Record, metric: str) -> list[float]:
    """The metric at every point; UserError where it was not measured."""
    if metric not in record["metrics"]:
        measured = ", ".join(record["metrics"])
        raise UserError(f"--metric {metric}: {record['training']['run']} was measured with {measured}")
    return [point["values"][metric] for point in record["points"]]


def first_crossing(record: Record, metric: str, target: float) -> Crossing:
    """The first point at least as good as `target`, or the last one, censored."""
    good = [find_metric(metric).reaches(value, target) for value in values_of(record, metric)]
    at = good.index(True) if any(good) else len(good) - 1
    points = record["points"][: at + 1]
    evaluating = sum(point["evaluate_seconds"] for point in points)
    return Crossing(
        run=record["training"]["run"],
        reached=any(good),
        kimg=points[-1]["kimg"],
        train_seconds=points[-1]["train_seconds"],
        total_seconds=points[-1]["train_seconds"] + evaluating,
        interval_kimg=record["interval_kimg"],
    )


def compare(run: Record, baseline: Record, metric: str) -> Comparison:
    """When `run` first reaches the baseline's best; UserError where data or the way of measuring differ."""
    _, target = values_of(run, metric), find_metric(metric).best(values_of(baseline, metric))
    for what, one, other in (
        ("data", run["data"]["sha256"], baseline["data"]["sha256"]),
        ("measurement", run["metrics"][metric], baseline["metrics"][metric]),
    ):
        if one != other:
            raise UserError(f"{run['training']['run']} and {baseline['training']['run']} differ in their {what}")
    devices = [record["training"]["provenance"]["device"] for record in (run, baseline)]
    return Comparison(
        metric=metric,
        target=target,
        run=first_crossing(run, metric, target),
        baseline=first_crossing(baseline, metric, target),
        same_hardware=devices[0] == devices[1],
    )
