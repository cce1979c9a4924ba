"""How long a job takes: from what was measured where there is something, else from counted work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from r3gan.configs import CONFIGS, SIZES
from r3gan.estimate.features import feature_work
from r3gan.estimate.schema import Cost, Source
from r3gan.estimate.work import work_of
from r3gan.metrics import find_metric
from r3gan.records.hardware import cores_of, entry_of, folder_name, stands_for
from r3gan.records.schema import Convergence, Device, Evaluation
from r3gan.records.store import Store

ASSUMED_SHARE_OF_PEAK = 0.4  # this project's aim for the training step on a GPU; assumed wherever nothing was measured
BENCHMARK = "benchmark"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What makes two evaluations of one configuration take equally long."""

    metrics: tuple[str, ...]
    samples: int
    draws: int
    converging: bool  # whether snapshots are evaluated; else the trained and the untrained generator

    @property
    def images(self) -> int:
        """Drawn for one snapshot, or for the trained and the untrained generator."""
        return self.samples * (self.draws if self.converging else self.draws + 1)

    @property
    def extractors(self) -> list[str]:
        """The feature networks of the metrics."""
        return list(dict.fromkeys(find_metric(name).extractor for name in self.metrics))


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that takes time: training on images, or evaluations (of convergence: snapshots) under a protocol."""

    record: str  # the run's file below results/, or BENCHMARK
    config: str
    dataset: str
    amount: float  # images, or evaluations or snapshots
    protocol: Protocol | None = None  # of an evaluation
    real_macs: float = 0.0  # multiply-adds of the real images' features, computed once for the whole amount

    @property
    def macs(self) -> float:
        """Counted multiply-adds per unit of the amount; distances between features are left out."""
        work = work_of(self.config, self.dataset)
        if self.protocol is None:
            return work.train_macs
        features = sum(feature_work(name, self.dataset).macs for name in self.protocol.extractors)
        return self.protocol.images * (work.g_macs + features) + self.real_macs / self.amount

    @property
    def is_half_precision(self) -> bool:
        """Whether a GPU computes it in bfloat16."""
        return self.protocol is None and work_of(self.config, self.dataset).mixed_precision


@dataclass(frozen=True, kw_only=True)
class Measurement(Job):
    """A job that was timed; a device is a GPU, or a processor's core."""

    hardware: str
    device_seconds: float


def read_measurements(store: Store) -> Iterator[Measurement]:
    """Finished trainings and evaluations on any machine, then the benchmarks' training steps."""
    for file in store.find():
        record = store.run_record(file)
        if record.config in CONFIGS and record.dataset in SIZES:  # else its work cannot be counted
            yield from measurements_of(file, record)
    for hardware, benchmark in store.step_benchmarks("steps").items():
        for timing in benchmark.measured:
            if timing.step == "iteration" and timing.size in SIZES:
                yield Measurement(
                    record=BENCHMARK,
                    config=timing.config,
                    dataset=timing.size,
                    hardware=hardware,
                    amount=timing.img_per_s,
                    device_seconds=benchmark.provenance.device.units,
                )


def measurements_of(file: str, record: Evaluation | Convergence) -> Iterator[Measurement]:
    """The run's training unless it diverged or was imported, and its evaluation if there was something to measure."""

    def timed(device: Device, amount: int, seconds: float, protocol: Protocol | None = None) -> Measurement:
        return Measurement(
            record=file,
            config=record.config,
            dataset=record.dataset,
            hardware=folder_name(device.name),
            amount=amount,
            device_seconds=seconds * device.units,
            protocol=protocol,
        )

    training = record.training
    if training.outcome == "trained" and training.seconds:
        yield timed(training.provenance.device, training.images_seen, training.seconds)
    metrics = tuple(record.metrics.values())
    if not metrics:
        return
    protocol = Protocol(
        metrics=tuple(record.metrics),
        samples=metrics[0].n_fake,
        draws=len(metrics[0].drawing_seeds),
        converging=isinstance(record, Convergence),
    )
    if isinstance(record, Convergence):
        seconds = sum(point.evaluate_seconds for point in record.points)
        yield timed(record.provenance.device, len(record.points), seconds, protocol)
    else:
        yield timed(record.provenance.device, 1, record.seconds, protocol)


def cost_of(job: Job, devices: int, hardware: str, measured: Sequence[Measurement]) -> Cost:
    """The best estimate there is: of this run, of others like it, of the nearest by work, by work alone."""
    here = [m for m in measured if stands_for(hardware, m.hardware) and (m.protocol is None) == (job.protocol is None)]
    like = [m for m in here if (m.config, m.dataset, m.protocol) == (job.config, job.dataset, job.protocol)]
    records = [m for m in like if m.record != BENCHMARK]
    own = [m for m in records if m.record == job.record]
    source: Source
    if alike := own or records or like:
        seconds = job.amount * sum(m.device_seconds for m in alike) / sum(m.amount for m in alike)
        source, basis = "measured", "this run" if own else f"{len(records)} other runs" if records else BENCHMARK
    elif near := nearest(job, hardware, here):
        ratio = job.macs / near.macs
        seconds = job.amount * near.device_seconds / near.amount * ratio
        source, basis = "scaled", f"{ratio:.3g} x {near.config} at {near.dataset}"
    elif peak := peak_of(job, hardware):
        flop = 2 * job.macs * job.amount
        precision, flop_per_s = peak
        seconds = flop / (ASSUMED_SHARE_OF_PEAK * flop_per_s)
        source, basis = "counted", f"{flop:.3g} FLOP in {precision}"
    else:
        return Cost(device_hours=None, devices=devices, source="not known", how="not known")
    return Cost(device_hours=seconds / 3600, devices=devices, source=source, how=f"{source}, {basis}")


def nearest(job: Job, hardware: str, here: Sequence[Measurement]) -> Measurement | None:
    """The measurement whose unit of work is nearest to the job's; on a GPU only one of the same precision."""
    on_gpu = cores_of(hardware) is None
    comparable = [m for m in here if not on_gpu or m.is_half_precision == job.is_half_precision]
    return min(comparable, key=lambda m: abs(math.log(m.macs / job.macs)), default=None)


def peak_of(job: Job, hardware: str) -> tuple[str, float] | None:
    """The precision that a device computes the job in and its peak in FLOP/s; None where that is not known."""
    entry = entry_of(hardware)
    if entry is None:
        return None
    if job.is_half_precision and entry.bf16_tflops is not None:
        return "bf16", entry.bf16_tflops * 1e12
    return "fp32", entry.fp32_tflops * 1e12 / (cores_of(hardware) or 1)
