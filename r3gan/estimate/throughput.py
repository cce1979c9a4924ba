"""How fast runs were trained and evaluated: read from the records and benchmarks under results/."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from r3gan.configs import CONFIGS, SIZES
from r3gan.metrics import find_metric
from r3gan.records.hardware import folder_name
from r3gan.records.schema import Convergence, Evaluation, Provenance
from r3gan.records.store import Store
from r3gan.study import StudyRun

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
    store, found = Store(results), list[Measurement]()
    for origin, record in _records(store):
        training = record.training
        if training.outcome == "trained" and training.seconds:  # not imported, not cut short by a failure
            found.append(_measured(origin, record, training.provenance, training.images_seen, training.seconds))
    for hardware, benchmark in store.step_benchmarks("steps").items():
        found += [
            Measurement(
                origin=BENCHMARK,
                config=timing.config,
                dataset=timing.size,
                hardware=hardware,
                amount=timing.img_per_s,
                device_seconds=benchmark.provenance.device.units,
            )
            for timing in benchmark.measured
            if timing.step == "iteration" and timing.size in SIZES
        ]
    return found


def read_evaluation(results: Path) -> list[Measurement]:
    """Evaluations on any machine, those of convergence point by point."""
    found = []
    for origin, record in _records(Store(results)):
        if not record.metrics:  # training had failed: there was nothing to measure
            continue
        first = next(iter(record.metrics.values()))
        if isinstance(record, Convergence):
            amount, seconds = len(record.points), sum(point.evaluate_seconds for point in record.points)
        else:
            amount, seconds = 1, record.seconds
        protocol = Protocol(
            metrics=tuple(record.metrics),
            samples=first.n_fake,
            draws=len(first.drawing_seeds),
            converging=isinstance(record, Convergence),
        )
        found.append(_measured(origin, record, record.provenance, amount, seconds, protocol))
    return found


def _measured(
    origin: str,
    record: Evaluation | Convergence,
    stamp: Provenance,
    amount: float,
    seconds: float,
    protocol: Protocol | None = None,
) -> Measurement:
    """What a record says of a run, on the machine of its stamp."""
    return Measurement(
        origin=origin,
        config=record.config,
        dataset=record.dataset,
        hardware=folder_name(stamp.device.name),
        amount=amount,
        device_seconds=seconds * stamp.device.units,
        protocol=protocol,
    )


def _records(store: Store) -> Iterable[tuple[str, Evaluation | Convergence]]:
    for origin in store.find():
        record = store.run_record(origin)
        if record.config in CONFIGS and record.dataset in SIZES:  # else its work cannot be counted
            yield origin, record
