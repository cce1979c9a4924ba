"""results/costs.json: what every table of every scale costs on one kind of GPU, for the report to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from r3gan.errors import unknown
from r3gan.estimate import Estimate, estimate
from r3gan.estimate.costs import ASSUMED_SHARE_OF_PEAK
from r3gan.files import write_json
from r3gan.records.hardware import HARDWARE
from r3gan.study import Study
from r3gan.tables.registry import tables_of_cells

SCHEMA = 1
COSTS = "costs.json"


def write_costs(studies: Iterable[Study], hardware: str, results: Path) -> Path:
    """Write the estimates of all tables that need runs; UserError if the hardware is not one of HARDWARE."""
    if hardware not in HARDWARE:
        raise unknown("--hardware", hardware, HARDWARE)
    estimates = [estimate(table, study, hardware, results) for study in studies for table in tables_of_cells()]
    found = [summed(each) for each in estimates if each.runs]
    content = {
        "schema": SCHEMA,
        "hardware": hardware,
        "title": HARDWARE[hardware].title,
        "assumed_share_of_peak": ASSUMED_SHARE_OF_PEAK,
        "estimates": found,
    }
    write_json(results / COSTS, content)
    return results / COSTS


def summed(found: Estimate) -> dict[str, Any]:
    """The part of an estimate that does not change when a record is added: its runs, and what they need."""
    return {
        "table": found.table,
        "scale": found.scale,
        "devices": found.ranks,
        "runs": [
            {
                "record": run.record,
                "device_hours": run.device_hours,
                "wall_hours": run.wall_hours,
                "training": run.training.source,
            }
            for run in found.runs
        ],
        "disk_bytes": sum(item.size_bytes or 0 for item in found.disk),
        "download_bytes": sum(item.size_bytes or 0 for item in found.downloads),
        "supplied": found.supplied,
        "published": [asdict(cost) for cost in found.published],
    }
