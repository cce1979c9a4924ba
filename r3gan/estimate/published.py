"""What the paper says that its runs cost, beside the work we count for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from r3gan.configs import find_config
from r3gan.estimate.work import work_of
from r3gan.records.hardware import HARDWARE
from r3gan.study import StudyRun
from r3gan.tables.published import read_published
from r3gan.tables.registry import TABLES

HOURS = {"h": 1, "days": 24, "weeks": 168}


@dataclass(frozen=True, kw_only=True)
class PublishedCost:
    """A published training time of a run, and the share of the hardware's peak that our counted work makes of it."""

    config: str
    dataset: str
    row: str
    text: str
    source: str
    device_hours: float
    share_of_bf16_peak: float


def published_costs(runs: Sequence[StudyRun]) -> tuple[PublishedCost, ...]:
    """Those of runs that are the hyperparameter table's configuration, trained as long as there."""
    presets = {config for table in TABLES.values() for config in table.configs()}
    found = []
    for run in runs:
        if run.config in presets and run.total_kimg == find_config(run.config).recipe(run.dataset).total_kimg:
            for (row, _), published in read_published("cost").items():
                subject, device = row.split(", ")
                if run.dataset.partition("-")[0] == re.sub("[^a-z0-9]", "", subject.lower()):
                    found.append(with_share(run, row, device, published.text, published.source))
    return tuple(found)


def with_share(run: StudyRun, row: str, device: str, text: str, source: str) -> PublishedCost:
    """A row such as "CIFAR-10, 8x L40" with "4 days", for a run."""
    count, name = device.split("x ")
    amount, unit = text.split()
    device_hours = int(count) * float(amount) * HOURS[unit]
    peak = HARDWARE[name.lower()].bf16_tflops
    assert peak is not None
    flop = 2 * work_of(run.config, run.dataset).train_macs * run.total_kimg * 1000
    share = flop / (device_hours * 3600 * peak * 1e12)
    return PublishedCost(
        config=run.config,
        dataset=run.dataset,
        row=row,
        text=text,
        source=source,
        device_hours=device_hours,
        share_of_bf16_peak=share,
    )
