"""What the papers say that their runs cost, compared with the work counted for them."""

from __future__ import annotations

import re
from collections.abc import Collection

from r3gan.configs import find_config
from r3gan.estimate.schema import PublishedCost
from r3gan.estimate.work import work_of
from r3gan.records.hardware import HARDWARE
from r3gan.study import StudyRun
from r3gan.tables.published import Published, read_published
from r3gan.tables.registry import TABLES

HOURS = {"h": 1, "days": 24, "weeks": 168}


def published_costs(runs: Collection[StudyRun]) -> tuple[PublishedCost, ...]:
    """Those of runs that are the hyperparameter table's configuration, trained as long as there."""
    presets = {config for table in TABLES.values() for config in table.configs()}
    found = {}
    for run in runs:
        if run.config in presets and run.total_kimg == find_config(run.config).recipe(run.dataset).total_kimg:
            for (row, _), published in read_published("cost").items():
                data, _, _ = row.partition(", ")
                if run.dataset.partition("-")[0] == re.sub("[^a-z0-9]", "", data.lower()):
                    found[row, run.dataset] = with_share(run, row, published)
    return tuple(found.values())


def with_share(run: StudyRun, row: str, published: Published) -> PublishedCost:
    """A row such as "CIFAR-10, 8x L40" with "4 days", for a run."""
    count, name = row.partition(", ")[2].split("x ")
    amount, unit = published.text.split()
    device_hours = int(count) * float(amount) * HOURS[unit]
    peak = HARDWARE[name.lower()].bf16_tflops
    assert peak is not None
    flop = 2 * work_of(run.config, run.dataset).train_macs * run.total_kimg * 1000
    return PublishedCost(
        config=run.config,
        dataset=run.dataset,
        row=row,
        text=published.text,
        source=published.source,
        device_hours=device_hours,
        share_of_bf16_peak=flop / (device_hours * 3600 * peak * 1e12),
    )
