"""loss.csv of a run: what training measured, one line per logging interval."""

from __future__ import annotations

import csv
from pathlib import Path

from r3gan.errors import UserError

Point = dict[str, float]  # column -> value


def read_curve(path: Path) -> list[Point]:
    """The lines of a loss curve; a quantity that an interval did not measure is nan. UserError for a damaged file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: float(value or "nan") for name, value in line.items()} for line in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a loss curve ({error}): run `r3gan evaluate` again") from None
