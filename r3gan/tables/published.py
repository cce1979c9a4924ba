"""Published numbers, each with its source: published.csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from r3gan.data.untrusted import one_line, reading
from r3gan.errors import UserError

PUBLISHED_CSV = Path(__file__).with_name("published.csv")
# What stands behind a number in a table; one that the paper prints needs no remark.
COLUMNS = ("table", "row", "metric", "value", "unit", "protocol", "source", "status", "note")
_NUMBER = r"-?\d+(\.\d+)?(e-?\d+)?"
# A number, the ends of a schedule, widths, a duration, or a word.
VALUE = re.compile(rf"{_NUMBER}( -> {_NUMBER})?|\d+( \d+)+|\d+ (h|days|weeks)|yes|no|Fail")
MARKS = {"secondary": " (quoted)", "conflict": " (conflict)", "derived": " (derived)", "paper": ""}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published number; `text` keeps the digits as printed."""

    text: str
    unit: str
    protocol: str
    source: str
    status: str


@cache
def read_published(table: str) -> Mapping[tuple[str, str], Published]:
    """The rows of one table in published.csv, by (row, quantity); UserError that names a line that is none."""
    return {
        (line["row"], line["metric"]): Published(
            text=line["value"],
            unit=line["unit"],
            protocol=line["protocol"],
            source=line["source"],
            status=line["status"],
        )
        for line in read_lines(PUBLISHED_CSV)
        if line["table"] == table
    }


@cache
def read_lines(path: Path) -> tuple[dict[str, str], ...]:
    """All lines of the file, checked; UserError that names the first one that is not as it should be."""
    with reading(path, "published numbers"), path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        lines = list(reader)
        if reader.fieldnames != list(COLUMNS):
            raise UserError(f"{path}, line 1: the columns must be {','.join(COLUMNS)}")
    seen: set[tuple[str, str, str]] = set()
    for number, line in enumerate(lines, 2):
        name = line["table"], line["row"], line["metric"]
        if None in line or None in line.values() or not all((*name, line["source"])):
            raise UserError(f"{path}, line {number}: it must fill {len(COLUMNS)} columns; table, row, metric, source")
        if not VALUE.fullmatch(line["value"]) or line["status"] not in MARKS or name in seen:
            raise UserError(f"{path}, line {number}: value, status or a name that is there twice: {one_line(line)}")
        seen.add(name)
    return tuple(lines)
