"""FORMATS: one entry per file of the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from r3gan.errors import UserError
from r3gan.files import write_text
from r3gan.report.content import Content, gather
from r3gan.report.formats import badge, cells, junit, machine, measured_values, summary
from r3gan.report.page import page

FORMATS: Mapping[str, Callable[[Content], str]] = {
    "report.html": page,
    "report.md": summary,
    "report.json": machine,
    "report.xml": junit,
    "badge.json": badge,
    "cells.csv": cells,
    "records.csv": measured_values,
}
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def write_report(results: Path, baseline: str | None = None) -> list[Path]:
    """Write every format next to the tables, and the summary to the file that a CI job names; the files written."""
    content = gather(results, baseline)
    written = []
    for name, render in FORMATS.items():
        write_text(results / name, render(content))
        written.append(results / name)
    if job := os.environ.get(STEP_SUMMARY):
        try:
            with Path(job).open("a", encoding="utf-8") as file:
                file.write(summary(content))
        except OSError as error:
            raise UserError(f"{STEP_SUMMARY}={job} cannot be written ({error.strerror})") from None
    return written
