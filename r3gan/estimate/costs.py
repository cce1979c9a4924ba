"""What a run costs in time: from what was measured where there is something, else from counted work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from r3gan.configs import SIZES
from r3gan.data.sources import find_source
from r3gan.estimate.features import feature_work
from r3gan.estimate.throughput import BENCHMARK, Measurement, Protocol, protocol_of
from r3gan.estimate.work import work_of
from r3gan.metrics import find_metric
from r3gan.records.hardware import cores_of, entry_of, stands_for
from r3gan.study import StudyRun

ASSUMED_SHARE_OF_PEAK = 0.4  # this project's aim for the training step on a GPU; assumed wherever nothing was measured
Source = Literal["measured", "scaled", "counted", "not known"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time on so many devices (GPUs, or a processor's cores) at once, and where the number comes from."""

    device_hours: float | None  # None: not known
    devices: int
    source: Source
    how: str

    @property
    def wall_hours(self) -> float | None:
        """With the work shared evenly."""
        return None if self.device_hours is None else self.device_hours / self.devices


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something that takes time: so much of an amount, on so many devices at once."""

    config: str
    dataset: str
    amount: float  # images, evaluations or points, as in Measurement
    macs: float  # multiply-adds of one of them
    half_precision: bool  # whether a GPU computes it in bfloat16
    devices: int
    record: str  # of this very run, below results/
    protocol: Protocol | None = None


def training_task(run: StudyRun, record: str, devices: int) -> Task:
    """Training as the study has it."""
    work = work_of(run.config, run.dataset)
    return Task(
        config=run.config,
        dataset=run.dataset,
        amount=round(run.total_kimg * 1000),
        macs=work.train_macs,
        half_precision=work.mixed_precision,
        devices=devices,
        record=record,
    )


def evaluation_task(run: StudyRun, record: str, devices: int, points: int | None, reals: float) -> Task:
    """Evaluation as the study has it: of the trained and the untrained generator, or of `points` snapshots.

    `reals` counts the multiply-adds of looking at the real images.
    """
    protocol = protocol_of(run, converging=points is not None)
    amount = points or 1
    return Task(
        config=run.config,
        dataset=run.dataset,
        amount=amount,
        macs=macs_of_fakes(run.config, run.dataset, protocol) + reals / amount,
        half_precision=False,
        devices=devices,
        record=record,
        protocol=protocol,
    )


def macs_of_fakes(config: str, dataset: str, protocol: Protocol) -> float:
    """Of drawing images and looking at them, for one evaluation or one point; distances of features are left out."""
    size = SIZES[dataset]
    features = sum(feature_work(name, size.resolution, size.image_channels).macs for name in protocol.extractors)
    return protocol.images * (work_of(config, dataset).g_macs + features)


def macs_of_reals(run: StudyRun, seen: set[tuple[str, str]]) -> float:
    """Of looking once at all reals with each feature network that needs them; `seen` are those that were, and grows."""
    size, count = SIZES[run.dataset], find_source(run.dataset).count or 0
    needed = {find_metric(name).extractor for name in run.metrics if find_metric(name).reals != "none"}
    new = [name for name in sorted(needed) if (run.dataset, name) not in seen]
    seen |= {(run.dataset, name) for name in new}
    return sum(count * feature_work(name, size.resolution, size.image_channels).macs for name in new)


def macs_of(measurement: Measurement) -> float:
    """Counted work of one unit of a measurement's amount."""
    if measurement.protocol:
        return macs_of_fakes(measurement.config, measurement.dataset, measurement.protocol)
    return work_of(measurement.config, measurement.dataset).train_macs


def cost_of(task: Task, hardware: str, measured: Sequence[Measurement]) -> Cost:
    """The best estimate there is: of this run, of others like it, of the nearest by work, by work alone."""
    here = [m for m in measured if stands_for(hardware, m.hardware)]
    like = [m for m in here if (m.config, m.dataset, m.protocol) == (task.config, task.dataset, task.protocol)]
    records = [m for m in like if m.origin != BENCHMARK]
    own = [m for m in records if m.origin == task.record]
    if alike := own or records or like:
        seconds_each = sum(m.device_seconds for m in alike) / sum(m.amount for m in alike)
        what = "this run" if own else f"{len(records)} other runs" if records else BENCHMARK
        return in_hours(task, task.amount * seconds_each, "measured", f"measured, {what}")
    if near := nearest(task, hardware, here):
        ratio = task.macs / macs_of(near)
        seconds_each = near.device_seconds / near.amount * ratio
        how = f"scaled, {ratio:.3g} x {near.config} at {near.dataset}"
        return in_hours(task, task.amount * seconds_each, "scaled", how)
    return counted(task, hardware)


def nearest(task: Task, hardware: str, here: Sequence[Measurement]) -> Measurement | None:
    """The measurement whose unit of work is nearest to the task's; on a GPU only one of the same precision."""
    on_gpu = cores_of(hardware) is None
    comparable = [
        m
        for m in here
        if task.protocol or not on_gpu or work_of(m.config, m.dataset).mixed_precision == task.half_precision
    ]
    return min(comparable, key=lambda m: abs(math.log(macs_of(m) / task.macs)), default=None)


def counted(task: Task, hardware: str) -> Cost:
    """Counted work over an assumed share of the device's peak; not known where the peak is not."""
    entry = entry_of(hardware)
    if entry is None:
        return Cost(device_hours=None, devices=task.devices, source="not known", how="not known")
    half = task.half_precision and entry.bf16_tflops is not None
    tflops = entry.bf16_tflops if half and entry.bf16_tflops else entry.fp32_tflops / (cores_of(hardware) or 1)
    flop = 2 * task.macs * task.amount
    seconds = flop / (ASSUMED_SHARE_OF_PEAK * tflops * 1e12)
    return in_hours(task, seconds, "counted", f"counted, {flop:.3g} FLOP in {'bf16' if half else 'fp32'}")


def in_hours(task: Task, device_seconds: float, source: Source, how: str) -> Cost:
    """A cost from the seconds of all devices together."""
    return Cost(device_hours=device_seconds / 3600, devices=task.devices, source=source, how=how)
