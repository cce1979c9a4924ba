"""How fast runs were trained and evaluated: read from the records and benchmarks under results/."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS, SIZES
from r3gan.files import read_json
from r3gan.metrics import find_metric
from r3gan.records.hardware import folder_name
from r3gan.study import StudyRun
from r3gan.tables.speed import read_benchmarks

HINT = "remove it, or measure it again"
BENCHMARK = "benchmark"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What makes two evaluations of one configuration take as long as each other."""

    metrics: tuple[str, ...]
    samples: int
    draws: int
    converging: bool

    @property
    def images(self) -> int:
        """Drawn for one point of convergence, or for the trained and the untrained generator."""
        return self.samples * (self.draws if self.converging else self.draws + 1)

    @property
    def extractors(self) -> list[str]:
        """The feature networks of the metrics."""
        return list(dict.fromkeys(find_metric(name).extractor for name in self.metrics))


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """So much of something on so many devices: one device is a GPU, or a processor's core."""

    origin: str  # a record's file below results/, or BENCHMARK
    config: str
    dataset: str
    hardware: str
    amount: float  # images of training, or evaluations (of convergence: points)
    device_seconds: float
    protocol: Protocol | None = None  # of an evaluation


def devices_of(device: dict[str, Any]) -> int:
    """How many GPUs, or cores, a record's device stands for."""
    return int(device["count"]) * int(device["threads"] if device["type"] == "cpu" else 1)


def protocol_of(run: StudyRun, *, converging: bool) -> Protocol:
    """How the study has a run evaluated."""
    return Protocol(
        metrics=run.metrics,
        samples=run.evaluation["samples"],
        draws=run.evaluation.get("draws", 1),
        converging=converging,
    )


def read_training(results: Path) -> list[Measurement]:
    """Finished trainings on any machine, then the benchmarks' iterations."""
    found = []
    for origin, record in _records(results):
        training = record["training"]
        if training["outcome"] == "trained":  # not imported, not cut short by a failure
            stamp = training["provenance"]
            found.append(_measured(origin, record, stamp, training["images_seen"], training["seconds"]))
    for hardware, benchmark in read_benchmarks("steps", results).items():
        devices = devices_of(benchmark["provenance"]["device"])
        found += [
            Measurement(
                origin=BENCHMARK,
                config=entry["config"],
                dataset=entry["size"],
                hardware=hardware,
                amount=entry["img_per_s"],
                device_seconds=devices,
            )
            for entry in benchmark["measured"]
            if entry["step"] == "iteration" and entry["size"] in SIZES
        ]
    return found


def read_evaluation(results: Path) -> list[Measurement]:
    """Evaluations on any machine, those of convergence point by point."""
    found = []
    for origin, record in _records(results):
        if not record["metrics"]:  # training had failed: there was nothing to measure
            continue
        first = next(iter(record["metrics"].values()))
        points = record.get("points")
        seconds = sum(point["evaluate_seconds"] for point in points) if points else record["seconds"]
        protocol = Protocol(
            metrics=tuple(record["metrics"]),
            samples=first["n_fake"],
            draws=len(first["drawing_seeds"]),
            converging=bool(points),
        )
        amount = len(points) if points else 1
        found.append(_measured(origin, record, record["provenance"], amount, seconds, protocol))
    return found


def _measured(
    origin: str,
    record: dict[str, Any],
    stamp: dict[str, Any],
    amount: float,
    seconds: float,
    protocol: Protocol | None = None,
) -> Measurement:
    """What a record says of a run, on the machine of its stamp."""
    return Measurement(
        origin=origin,
        config=record["config"],
        dataset=record["dataset"],
        hardware=folder_name(stamp["device"]["name"]),
        amount=amount,
        device_seconds=seconds * devices_of(stamp["device"]),
        protocol=protocol,
    )


def _records(results: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    for path in sorted(results.glob("*/*/*/seed*/*.json")):
        if path.name in ("metrics.json", "convergence.json"):
            record = read_json(path, HINT)
            if record["config"] in CONFIGS and record["dataset"] in SIZES:  # else its work cannot be counted
                yield str(path.relative_to(results)), record
