"""Published numbers, each with its source: published.csv."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PUBLISHED_CSV = Path(__file__).with_name("published.csv")
# What stands behind a number in a table; one that the paper prints needs no remark.
MARKS = {"secondary": " (quoted)", "conflict": " (conflict)", "derived": " (derived)", "paper": ""}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published number; `text` keeps the digits as printed."""

    text: str
    unit: str
    protocol: str
    source: str
    status: str

    def __str__(self) -> str:
        return self.text + MARKS.get(self.status, f" ({self.status})")


@cache
def read_published(table: str) -> Mapping[tuple[str, str], Published]:
    """The rows of one table in published.csv, by (row, quantity)."""
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
