"""What an estimate says, and the shape of results/costs.json, which holds those of all tables and scales."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Annotated, Literal

from msgspec import Meta

from r3gan.records.run_id import RunId
from r3gan.records.schema import Record

Count = Annotated[int, Meta(ge=1, le=2**16)]
Hours = Annotated[float, Meta(ge=0, le=1e15)]
Share = Annotated[float, Meta(gt=0)]
Sizes = dict[str, int | None]  # bytes of files and folders; None: not known
COSTS = "costs.json"
Source = Literal["measured", "scaled", "counted", "not known"]


class Cost(Record, frozen=True, kw_only=True):
    """Time on so many devices (GPUs, or a processor's cores) at once, and where the number comes from."""

    device_hours: Hours | None  # None: not known
    devices: Count
    source: Source
    how: str

    @property
    def wall_hours(self) -> float | None:
        """With the work shared evenly."""
        return None if self.device_hours is None else self.device_hours / self.devices


class RunCost(Record, frozen=True, kw_only=True):
    """One record of a run that a table shows: its training and the evaluation that writes the record."""

    record: str  # below results/
    run: RunId
    key: str  # in the study file
    total_kimg: float
    training: Cost
    evaluation: Cost

    @property
    def device_hours(self) -> float | None:
        """Training and evaluation; None where one of them is not known."""
        train, evaluate = self.training.device_hours, self.evaluation.device_hours
        return None if train is None or evaluate is None else train + evaluate

    @property
    def wall_hours(self) -> float | None:
        """One after the other."""
        train, evaluate = self.training.wall_hours, self.evaluation.wall_hours
        return None if train is None or evaluate is None else train + evaluate


class Total(Record, frozen=True, kw_only=True):
    """Sums over runs, those left out whose time is not known."""

    runs: int
    device_hours: float
    wall_hours: float
    not_known: int  # runs

    @classmethod
    def of(cls, costs: Collection[RunCost], cores: int | None) -> Total:
        """Wall clock as the pipeline has it: on GPUs one run at a time, on a processor as many as there are cores."""
        free = [0.0] * (cores or 1)  # when each core, or the GPUs together, has nothing left to do
        for cost in costs:
            taken = min(cost.training.devices, len(free))  # of the GPUs together: 1
            free.sort()
            free[:taken] = [free[taken - 1] + (cost.wall_hours or 0.0)] * taken
        return cls(
            runs=len({cost.run for cost in costs}),
            device_hours=math.fsum(cost.device_hours or 0.0 for cost in costs),
            wall_hours=max(free),
            not_known=len({cost.run for cost in costs if cost.device_hours is None}),
        )


class PublishedCost(Record, frozen=True, kw_only=True):
    """A published training time of a run, and the share of the hardware's peak that the counted work makes of it."""

    config: str
    dataset: str
    row: str
    text: str
    source: str
    device_hours: Hours
    share_of_bf16_peak: Share


class Estimate(Record, frozen=True, kw_only=True):
    """What a table of a scale costs on a machine; nothing in it depends on which of its runs are done."""

    table: str
    scale: str
    hardware: str
    cores: Count | None  # of a processor; None: GPUs
    ranks: Count  # GPUs that a run is spread over
    runs: tuple[RunCost, ...]
    disk: Sizes
    downloads: Sizes
    supplied: dict[str, str]  # data sets that the user must supply, and what they are
    published: tuple[PublishedCost, ...]

    @property
    def devices(self) -> str:
        """The hardware, and how many GPUs of it a run takes."""
        return self.hardware if self.cores else f"{self.ranks} x {self.hardware}"


class AllEstimates(Record, frozen=True, kw_only=True):
    """results/costs.json: the estimates of all tables of all scales that need runs, on one kind of hardware."""

    schema: Literal[2] = 2
    hardware: str
    assumed_share_of_peak: Share
    estimates: tuple[Estimate, ...]
