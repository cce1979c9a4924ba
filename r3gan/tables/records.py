"""Records on disk: published numbers from published.csv, reproduced ones from metrics.json."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.metrics import RECORD_SCHEMA
from r3gan.study import Study

PUBLISHED_CSV = Path(__file__).with_name("published.csv")


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published number; `text` keeps the digits as printed."""

    text: str
    unit: str
    protocol: str
    source: str
    status: str

    @property
    def value(self) -> float | None:
        """None for "Fail"."""
        try:
            return float(self.text)
        except ValueError:
            return None


def read_published(table: str) -> dict[tuple[str, str], Published]:
    """The rows of one table in published.csv, by (row, metric)."""
    with PUBLISHED_CSV.open(newline="", encoding="utf-8") as file:
        return {
            (line["row"], line["metric"]): Published(
                text=line["value"],
                unit=line["unit"],
                protocol=line["protocol"],
                source=line["source"],
                status=line["status"],
            )
            for line in csv.DictReader(file)
            if line["table"] == table
        }


def read_records(study: Study, results: Path) -> dict[str, list[dict[str, Any]]]:
    """The study's records that exist, by configuration, in the order of the study file.

    Records of runs that the study does not list (another seed, tried once) are left out.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for folder, run in study.folders.items():
        path = results / folder / "metrics.json"
        if path.exists():
            found.setdefault(run.config, []).append(read_record(path))
    return found


def read_record(path: Path) -> dict[str, Any]:
    """What `r3gan evaluate` wrote; UserError if that was another version's shape."""
    record = read_json(path, "run `r3gan evaluate` again")
    if record.get("schema") != RECORD_SCHEMA:
        raise UserError(f"{path} is a record of schema {record.get('schema')}, this version reads {RECORD_SCHEMA}")
    return record


RELEASED = "released"  # the scale of runs that were imported from the authors' snapshots


def read_released(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Records of imported snapshots, by configuration."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((results / RELEASED).glob("*/*/seed*/metrics.json")):
        record = read_record(path)
        found.setdefault(record["config"], []).append(record)
    return found
