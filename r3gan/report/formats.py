"""The report's small formats: a CI job's summary, JSON for programs, JUnit XML, a badge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from r3gan.records import frame
from r3gan.records.store import Store
from r3gan.report.content import Content, TableContent, provenance_of
from r3gan.report.text import band_text, cell_table, change_table, changes_line, status_of, tally_table
from r3gan.tables.cell import Cell, as_csv, tally
from r3gan.tables.cell import as_json as cell_json
from r3gan.tables.markdown import reproduced
from r3gan.tables.verdict import (
    BETTER,
    CONSISTENT,
    DIFFERS,
    EXACT,
    JUDGED,
    OF_CLAIMS,
    REGRESSIONS,
    REPRODUCED,
    SUPPORTED,
    VERDICTS,
)  # fmt: skip

SCHEMA = 1
PASSED = (REPRODUCED, CONSISTENT, BETTER, EXACT, SUPPORTED)
SUMMARY_LIMIT_BYTES = 1 << 20  # of a job summary; what is longer is not shown at all


def summary(content: Content) -> str:
    """Markdown for a CI job: status first, then what moved, then every table folded; under 1 MiB."""
    found = content.comparison
    parts = [f"### Published against reproduced: {status_of(found)}", tally_table(found)]
    if found.outside:
        parts += ["#### Outside their bands", cell_table(found.outside)]
    if content.baseline:
        parts.append(f"#### Against {content.baseline}: {changes_line(found.changes)}")
        if moved := [change for change in found.changes if change.moved]:
            parts.append(change_table(moved))
    size = sum(len(part.encode()) for part in parts)
    for table in content.tables:
        cells = [cell for cell in table.cells if cell.outcome]
        if not cells:
            continue
        folded = f"<details><summary>{table.title}</summary>\n\n{cell_table(cells)}\n\n</details>"
        size += len(folded.encode()) + 2
        if size > SUMMARY_LIMIT_BYTES - 1000:
            parts.append("The other tables are too long for a summary: see report.html.")
            break
        parts.append(folded)
    said = "\n".join(f"- {word}: {meaning}" for word, meaning in VERDICTS.items())
    parts.append(f"<details><summary>What the verdicts mean</summary>\n\n{said}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def as_json(content: Content) -> dict[str, Any]:
    """Everything, for programs; report.schema.json describes it."""
    found = content.comparison
    return {
        "schema": SCHEMA,
        "status": status_of(found),
        "regressed": found.exit_code(strict=False) != 0,
        "verdicts": dict(tally(cell for table in content.tables for cell in table.cells)),
        "baseline": content.baseline,
        "changes": [change.as_json() for change in found.changes],
        "incomplete": found.incomplete,
        "tables": [
            {
                "table": table.name,
                "title": table.title,
                "notes": list(table.notes),
                "pictures": [path.relative_to(content.results).as_posix() for path in pictures_of(table)],
                "verdicts": dict(tally(table.cells)),
                "cells": [cell_json(cell) for cell in table.cells],
            }
            for table in content.tables
        ],
        "records": {path: provenance_of(record) for path, record in content.records.items()},
    }


def pictures_of(table: TableContent) -> list[Path]:
    """Its charts as PNG, and its sheets."""
    return [*(path.with_suffix("").with_suffix(".png") for path in table.charts), *table.sheets]


def machine(content: Content) -> str:
    return json.dumps(as_json(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def junit(content: Content) -> str:
    """JUnit XML: a suite per table, a case per reproduced cell.

    Outside its band is a failure; what says nothing about a published number is skipped, and so is what is undecided.
    """
    root = ElementTree.Element("testsuites", name="r3gan")
    for table in content.tables:
        cells = [cell for cell in table.cells if cell.outcome]
        if not cells:
            continue
        suite = ElementTree.SubElement(root, "testsuite", name=table.title, errors="0")
        suite.set("tests", str(len(cells)))
        suite.set("failures", str(sum(cell.verdict in REGRESSIONS for cell in cells)))
        suite.set("skipped", str(sum(cell.verdict not in (*PASSED, *REGRESSIONS) for cell in cells)))
        for cell in cells:
            add_case(suite, cell)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def add_case(suite: ElementTree.Element, cell: Cell) -> None:
    name = " / ".join(filter(None, (cell.section, cell.row, cell.quantity, cell.scale)))
    case = ElementTree.SubElement(suite, "testcase", classname=cell.table, name=name)
    if cell.verdict in REGRESSIONS:
        message = f"{reproduced(cell)}, published {cell.published}: {cell.said}"
        ElementTree.SubElement(case, "failure", message=message, type=cell.verdict)
    elif cell.verdict not in PASSED:
        ElementTree.SubElement(case, "skipped", message=cell.said or "nothing is published to compare with")
    values = {
        "published": cell.published, "reproduced": reproduced(cell), "band": band_text(cell.band),
        "n": cell.n, "verdict": cell.said, "records": " ".join(cell.records),
    }  # fmt: skip
    # Jenkins' schema allows properties of a suite, not of a case.
    ElementTree.SubElement(case, "system-out").text = "\n".join(f"{k}: {v}" for k, v in values.items() if v)


def badge(content: Content) -> str:
    """A shields endpoint: how many published results of training were reproduced, and how many settings are exact."""
    counts = tally(cell for table in content.tables for cell in table.cells)
    settings = counts.get(EXACT, 0) + counts.get(DIFFERS, 0)
    results = sum(counts.values()) - settings - sum(counts.get(word, 0) for word in OF_CLAIMS)
    judged = sum(counts.get(word, 0) for word in JUDGED)
    colour = "red" if content.comparison.exit_code(strict=False) else "brightgreen" if judged else "lightgrey"
    message = f"{counts.get(REPRODUCED, 0)} of {results} results, {counts.get(EXACT, 0)} of {settings} settings"
    return json.dumps({"schemaVersion": 1, "label": "reproduced", "message": message, "color": colour}) + "\n"


def cells(content: Content) -> str:
    """results/cells.csv: every cell of every table in one schema, one line per cell."""
    return as_csv(cell for table in content.tables for cell in table.cells)


def measured_values(content: Content) -> str:
    """results/records.csv: every measured value of every record, one line per value."""
    return frame.as_csv(frame.measured_rows(Store(content.results)))
