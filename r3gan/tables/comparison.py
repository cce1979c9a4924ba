"""Published comparisons of many systems at one data set, with ours beside the rows that are ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.counts import count_parameters
from r3gan.files import write_json, write_text
from r3gan.metrics import find_metric
from r3gan.study import Study
from r3gan.tables import Comparison, ComparisonTable
from r3gan.tables.records import RELEASED, Published, read_published, read_records, read_released
from r3gan.tables.render import code_line, data_line, device_line, extractor_line, grid, number
from r3gan.tables.values import named_values
from r3gan.tables.verdict import NOT_MEASURED, NOT_RUN, count_verdict, measured_verdict

HEADERS = {
    "fid": "FID", "modes": "Modes", "kl": "KL", "nfe": "NFE", "recall": "Recall", "g_params": "G, M", "d_params": "D, M"
}  # fmt: skip
COUNTED = ("g_params", "d_params")
Records = Mapping[str, Mapping[str, list[dict[str, Any]]]]  # scale -> configuration -> records


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """A published number of one system, and ours at one scale where the system is ours."""

    section: str
    row: str
    quantity: str
    published: str
    unit: str
    reproduced: float | None = None
    spread: float | None = None  # standard deviation over training seeds
    scale: str = ""
    n: int = 0
    outcome: str = ""
    verdict: str = ""
    source: str
    status: str

    @property
    def shown(self) -> str:
        """Our number for people."""
        if self.outcome in ("Fail", NOT_RUN, NOT_MEASURED):
            return self.outcome
        return number(self.reproduced) + (f" +- {number(self.spread, 2)}" if self.spread is not None else "")


def read_everything(studies: Iterable[Study], results: Path) -> Records:
    """Records of every scale that has any; those of the authors' checkpoints are a scale of their own."""
    found = {study.scale: read_records(study, results) for study in studies}
    found[RELEASED] = read_released(results)
    return {scale: records for scale, records in found.items() if records}


def cells(section: Comparison, records: Records) -> list[ComparedCell]:
    """One cell a published number; for a row that is ours one for each scale that has records of it."""
    found = []
    for (row, quantity), printed in read_published(section.published).items():
        cell = ComparedCell(
            section=section.title,
            row=row,
            quantity=quantity,
            published=printed.text,
            unit=printed.unit,
            source=printed.source,
            status=printed.status,
        )
        config = section.ours.get(row)
        if config and quantity in COUNTED:
            found.append(counted(cell, count_parameters(CONFIGS[config], section.datasets[0])[quantity]))
        elif config and quantity in section.metrics:
            found += measured(cell, section, config, records) or [with_(cell, outcome=NOT_RUN, verdict=NOT_RUN)]
        else:
            found.append(cell)
    return found


def with_(cell: ComparedCell, **ours: Any) -> ComparedCell:
    return ComparedCell(**(asdict(cell) | ours))


def counted(cell: ComparedCell, count: int) -> ComparedCell:
    return with_(cell, reproduced=count, n=1, outcome="counted", verdict=count_verdict(cell.published, count))


def measured(cell: ComparedCell, section: Comparison, config: str, records: Records) -> list[ComparedCell]:
    """The cell at every scale at which the configuration was run on one of the section's data sets."""
    found = []
    for scale, by_config in records.items():
        runs = [record for record in by_config.get(config, []) if record["dataset"] in section.datasets]
        if not runs:
            continue
        metric = section.metrics[cell.quantity]
        values = [run["metrics"][metric]["value"] for run in runs if metric in run["metrics"]]
        failed = any(run["outcome"] == "Fail" for run in runs)
        outcome = "Fail" if failed else "measured" if values else NOT_MEASURED
        found.append(
            with_(
                cell,
                reproduced=fmean(values) if values else None,
                spread=stdev(values) if len(values) > 1 else None,
                scale=scale,
                n=len(runs),
                outcome=outcome,
                verdict=NOT_MEASURED if outcome == NOT_MEASURED else measured_verdict(scale, outcome, cell.published),
            )
        )
    return found


def order_in_words(section: Comparison, found: list[ComparedCell]) -> str:
    """One quantity of all our rows, published and at every scale, and which of them fail."""
    quantity, rows = section.ordered, list(section.ours)
    printed = {cell.row: cell.published for cell in found if cell.quantity == quantity}
    columns = {"published": printed}
    for scale in scales_of(found):
        columns[scale] = {c.row: c.shown for c in found if c.quantity == quantity and c.scale == scale}
    said = []
    for name, shown in columns.items():
        fails = [row for row in rows if shown.get(row) == "Fail"]
        said.append(
            f"{name} {' / '.join(shown.get(row, NOT_RUN) for row in rows)}, failing: {', '.join(fails) or 'none'}"
        )
    return f"{HEADERS[quantity or '']} of {' / '.join(rows)}: {'; '.join(said)}."


def scales_of(found: list[ComparedCell]) -> list[str]:
    """Scales at which something was measured, in the order of the records."""
    return list(dict.fromkeys(cell.scale for cell in found if cell.scale))


def verdict_of(row: list[ComparedCell], metrics: Mapping[str, str]) -> str:
    """The verdicts of one of our rows: one for all metrics where they agree; those on counts last."""
    said: dict[str, list[str]] = {}
    for cell in row:
        if cell.verdict and cell.quantity in metrics and HEADERS[cell.quantity] not in said.get(cell.verdict, []):
            said.setdefault(cell.verdict, []).append(HEADERS[cell.quantity])
    alike = len({tuple(quantities) for quantities in said.values()}) == 1
    parts = [verdict if alike else f"{' and '.join(quantities)} {verdict}" for verdict, quantities in said.items()]
    counts = dict.fromkeys(c.verdict for c in row if c.quantity in COUNTED and c.verdict)
    return "; ".join([*parts, *([f"parameters {' and '.join(counts)}"] if counts else [])])


def standing(cell: ComparedCell | None, metric: str) -> float:
    """What a published number counts in the order of rows, the best first and a missing one last."""
    value = None if cell is None else published_value(cell.published)
    if value is None:
        return float("inf")
    return -value if find_metric(metric).better == "higher" else value


def section_text(section: Comparison, found: list[ComparedCell]) -> str:
    """The section as a table, best published number first."""
    quantities = [name for name in HEADERS if any(cell.quantity == name for cell in found)]
    printed = {(cell.row, cell.quantity): cell for cell in found}
    names = list(dict.fromkeys(cell.row for cell in found))
    if section.ordered is None:
        names.sort(key=lambda name: [standing(printed.get((name, q)), m) for q, m in section.metrics.items()])
    scales = [(scale, quantity) for scale in scales_of(found) for quantity in quantities if quantity in section.metrics]

    def published(name: str, quantity: str) -> str:
        cell = printed.get((name, quantity))
        return "-" if cell is None else cell.published + ("" if cell.status == "paper" else " (derived)")

    rows = []
    for name in names:
        row = [cell for cell in found if cell.row == name]
        at_scale = {(cell.scale, cell.quantity): cell.shown for cell in row}
        ours = [at_scale.get(key, "") for key in scales]
        rows.append([name, *(published(name, q) for q in quantities), *ours, verdict_of(row, section.metrics)])
    headers = [
        "Method",
        *(HEADERS[q] for q in quantities),
        *(f"{HEADERS[q]} {scale}" for scale, q in scales),
        "Verdict",
    ]
    text = f"## {section.title}\n\n" + grid(rows, headers, right=range(1, len(headers) - 1))
    if section.ordered:
        text += "\n\n" + order_in_words(section, found)
    return text


def runs_of(table: ComparisonTable, records: Records) -> list[tuple[str, str, dict[str, Any]]]:
    """Scale, configuration and record of every run of ours that the table shows."""
    return [
        (scale, config, record)
        for section in table.sections
        for scale, by_config in records.items()
        for config in section.ours.values()
        for record in by_config.get(config, [])
        if record["dataset"] in section.datasets
    ]


def provenance_text(table: ComparisonTable, records: Records) -> str:
    """How long each run of ours was trained, what it was measured with and on which data."""
    found = runs_of(table, records)
    if not found:
        return "None has been recorded yet."
    lines = []
    for scale, config, record in found:
        training, metrics = record["training"], record["metrics"].values()
        how = dict.fromkeys(f"{m['n_fake']:,} samples, {m['snapshot']} snapshot" for m in metrics)
        fail = f" at step {training['fail_step']}: {training['fail_reason']}" if "fail_step" in training else ""
        seen = f"{record['dataset']}, {training['images_seen'] / 1000:g} kimg, {record['outcome']}{fail}"
        lines.append(f"- {scale}, {config}, seed {record['seed']}: {seen}; {'; '.join(how) or 'no metric'}")
    measured = [metric for _, _, record in found for metric in record["metrics"].values()]
    lines += dict.fromkeys(f"- data: {data_line(record['data'])}" for _, _, record in found)
    lines += dict.fromkeys(f"- feature network: {extractor_line(metric)}" for metric in measured)
    lines += dict.fromkeys(f"- device: {device_line(record['provenance']['device'])}" for _, _, record in found)
    lines += dict.fromkeys(f"- code: {code_line(record['training']['provenance']['code'])}" for _, _, record in found)
    return "\n".join(lines)


def write_comparison(name: str, table: ComparisonTable, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.md, .csv and .json into `results`."""
    records = read_everything(studies, results)
    sections = {section.title: cells(section, records) for section in table.sections}
    everything = [asdict(cell) for found in sections.values() for cell in found]
    text = [f"# {table.title}"]
    text += [section_text(section, sections[section.title]) for section in table.sections]
    text.append("## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes))
    text.append(f"## Runs of ours\n\n{provenance_text(table, records)}")
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(ComparedCell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(everything)
    values = named_values(
        (c.scale, f"{c.section}: {c.row}", c.quantity, c.reproduced) for found in sections.values() for c in found
    )
    write_json(results / f"{name}.json", {"table": name, "title": table.title, "values": values, "cells": everything})
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")


def published_value(text: str) -> float | None:
    """The number that is printed; None for "Fail"."""
    return Published(text=text, unit="", protocol="", source="", status="").value
