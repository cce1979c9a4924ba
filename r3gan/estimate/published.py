"""What the papers say that their runs cost, compared with the work counted for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from r3gan.configs import find_config
from r3gan.estimate.schema import PublishedCost
from r3gan.estimate.work import work_of
from r3gan.records.hardware import HARDWARE
from r3gan.study import StudyRun
from r3gan.tables.published import read_published
from r3gan.tables.registry import TABLES

HOURS = {"h": 1, "days": 24, "weeks": 168}


def published_costs(runs: Iterable[StudyRun]) -> tuple[PublishedCost, ...]:
    """Those of runs that are the hyperparameter table's configuration, trained as long as there."""
    presets = {config for table in TABLES.values() for config in table.configs()}
    found = {}
    for run in runs:
        if run.config not in presets or run.total_kimg != find_config(run.config).recipe(run.dataset).total_kimg:
            continue
        for (row, _), published in read_published("cost").items():  # "CIFAR-10, 8x L40": "4 days"
            data, devices = row.split(", ")
            if run.dataset.partition("-")[0] != re.sub("[^a-z0-9]", "", data.lower()):
                continue
            count, name = devices.split("x ")
            amount, unit = published.text.split()
            device_hours, peak = int(count) * float(amount) * HOURS[unit], HARDWARE[name.lower()].bf16_tflops
            assert peak is not None
            flop = 2 * work_of(run.config, run.dataset).train_macs * run.total_kimg * 1000
            found[row, run.dataset] = PublishedCost(
                config=run.config,
                dataset=run.dataset,
                row=row,
                text=published.text,
                source=published.source,
                device_hours=device_hours,
                share_of_bf16_peak=flop / (device_hours * 3600 * peak * 1e12),
            )
    return tuple(found.values())
