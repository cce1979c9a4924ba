"""How long a job takes: from what was measured where there is something, else from counted work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

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
class Job:
    """Work that takes time: training on images, or evaluations (of convergence: snapshots) with the same metrics."""

    record: str  # the run's file below results/, or BENCHMARK
    config: str
    dataset: str
    amount: float  # images, evaluations or snapshots
    metrics: tuple[str, ...] = ()  # none: training
    images: int = 0  # drawn per evaluation or snapshot
    batch: int = 0  # of training
    real_macs: float = 0.0  # multiply-adds of the real images' features, computed once for the whole amount

    @property
    def kind(self) -> tuple[str, str, tuple[str, ...], int]:
        """Jobs of one kind take about equally long per unit of the amount, training with the same batch."""
        return self.base, self.dataset, self.metrics, self.images

    @property
    def arm(self) -> str:
        """The run without its seed."""
        return self.record.rpartition("/seed")[0] or self.record

    @property
    def base(self) -> str:
        """The configuration, of which this may be a variant."""
        return self.config.partition(".")[0]

    @property
    def macs(self) -> float:
        """Counted multiply-adds per unit of the amount; distances between features are left out."""
        work = work_of(self.config, self.dataset)
        if not self.metrics:
            return work.train_macs
        extractors = sorted({find_metric(name).extractor for name in self.metrics})
        features = sum(feature_work(name, self.dataset).macs for name in extractors)
        return self.images * (work.g_macs + features) + self.real_macs / self.amount

    @property
    def precision(self) -> Literal["bf16", "fp32"]:
        """What a GPU computes it in."""
        return "bf16" if not self.metrics and work_of(self.config, self.dataset).mixed_precision else "fp32"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A job that was timed; a device is a GPU, or a processor's core."""

    job: Job
    hardware: str
    device_seconds: float


def read_measurements(store: Store) -> Iterator[Measurement]:
    """Finished trainings and evaluations on any machine, then the benchmarks' training steps."""
    for file in store.find():
        record = store.run_record(file)
        if record.config.partition(".")[0] in CONFIGS and record.dataset in SIZES:  # else its work cannot be counted
            yield from measurements_of(file, record)
    for hardware, benchmark in store.step_benchmarks("steps").items():
        for timing in benchmark.measured:
            if timing.step == "iteration" and timing.size in SIZES:
                job = Job(
                    record=BENCHMARK, config=timing.config, dataset=timing.size, amount=timing.img_per_s,
                    batch=timing.batch,
                )  # fmt: skip
                yield Measurement(job=job, hardware=hardware, device_seconds=benchmark.provenance.device.units)


def measurements_of(file: str, record: Evaluation | Convergence) -> Iterator[Measurement]:
    """The run's training unless it diverged or was imported, and its evaluation if there was something to measure."""
    training = record.training
    job = Job(record=file, config=record.config, dataset=record.dataset, amount=training.images_seen)
    trained = replace(job, batch=training.recipe.batch)
    if training.outcome == "trained" and training.seconds and training.images_seen:
        yield timed(trained, training.provenance.device, training.seconds)
    if not record.metrics:
        return
    drawn = next(iter(record.metrics.values()))  # all metrics see the same images
    images = drawn.n_fake * len(drawn.drawing_seeds)
    if isinstance(record, Convergence):
        seconds = sum(point.evaluate_seconds for point in record.points)
        job = replace(job, amount=len(record.points), metrics=tuple(record.metrics), images=images)
    else:  # of the trained and the untrained G
        seconds = record.seconds
        job = replace(job, amount=1, metrics=tuple(record.metrics), images=images + drawn.n_fake)
    if job.amount:
        yield timed(job, record.provenance.device, seconds)


def timed(job: Job, device: Device, seconds: float) -> Measurement:
    return Measurement(job=job, hardware=folder_name(device.name), device_seconds=seconds * device.units)


def cost_of(job: Job, devices: int, hardware: str, measured: Iterable[Measurement]) -> Cost:
    """The best estimate there is: of this run, of others like it, of the nearest by work, by work alone."""
    here = [m for m in measured if stands_for(hardware, m.hardware)]
    source: Source
    if alike := likest(job, here):
        seconds = job.amount * median_rate(alike)
        others = BENCHMARK if alike[0].job.record == BENCHMARK else f"{len(alike)} other run{'s' * (len(alike) > 1)}"
        source, basis = "measured", "this run" if alike[0].job.record == job.record else others
    elif near := nearest(job, hardware, here):
        ratio = job.macs / near[0].job.macs
        seconds = job.amount * median_rate(near) * ratio
        source, basis = "scaled", f"{ratio:.3g} x {near[0].job.base} at {near[0].job.dataset}"
    elif entry := entry_of(hardware):
        flop = 2 * job.macs * job.amount
        bf16 = entry.bf16_tflops if job.precision == "bf16" else None
        tflops = bf16 or entry.fp32_tflops / (cores_of(hardware) or 1)
        seconds = flop / (ASSUMED_SHARE_OF_PEAK * tflops * 1e12)
        source, basis = "counted", f"{flop:.3g} FLOP in {'bf16' if bf16 else 'fp32'}"
    else:
        return Cost(device_hours=None, devices=devices, source="not known", how="not known")
    return Cost(device_hours=seconds / 3600, devices=devices, source=source, how=f"{source}, {basis}")


def median_rate(measured: Iterable[Measurement]) -> float:
    """Device seconds per unit of the amount; the median, since other work on a machine doubles single times."""
    return median(m.device_seconds / m.job.amount for m in measured)


def likest(job: Job, here: Iterable[Measurement]) -> list[Measurement]:
    """The record of the job itself, else its other seeds at its scale, else jobs of its kind, with its batch first."""
    like = [m for m in here if m.job.kind == job.kind]
    if own := [m for m in like if m.job.record == job.record]:
        return own
    if seeds := [m for m in like if m.job.arm == job.arm]:
        return seeds
    like = [m for m in like if m.job.record != BENCHMARK] or like
    return [m for m in like if m.job.batch == job.batch] or like


def nearest(job: Job, hardware: str, here: Iterable[Measurement]) -> list[Measurement]:
    """The trainings or evaluations whose unit of work is nearest to the job's; on a GPU of the same precision."""
    on_gpu = cores_of(hardware) is None
    comparable = [m for m in here if bool(m.job.metrics) == bool(job.metrics)]
    comparable = [m for m in comparable if not on_gpu or m.job.precision == job.precision]
    if not comparable:
        return []
    near = min(comparable, key=lambda m: abs(math.log(m.job.macs / job.macs))).job
    return likest(replace(near, record="", batch=job.batch), comparable)
