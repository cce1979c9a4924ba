"""Published comparisons of many systems at one data set, with ours beside the rows that are ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from r3gan.files import write_text
from r3gan.metrics import find_metric
from r3gan.study import Study
from r3gan.tables import Comparison, ComparisonTable
from r3gan.tables.cells import COUNTED, Against, Cell, as_csv, counted, measured, write_cells
from r3gan.tables.records import RELEASED, read_published, read_records, read_released
from r3gan.tables.render import (
    band_notes,
    code_line,
    data_line,
    device_line,
    extractor_line,
    grid,
    reproduced,
)
from r3gan.tables.verdict import NOT_RUN

HEADERS = {
    "fid": "FID", "modes": "Modes", "kl": "KL", "nfe": "NFE", "recall": "Recall", "g_params": "G, M", "d_params": "D, M"
}  # fmt: skip
Records = Mapping[str, Mapping[str, list[dict[str, Any]]]]  # scale -> configuration -> records


def read_everything(studies: Iterable[Study], results: Path) -> Records:
    """Records of every scale that has any; those of the authors' checkpoints are a scale of their own."""
    found = {study.scale: read_records(study, results) for study in studies}
    found[RELEASED] = read_released(results)
    return {scale: records for scale, records in found.items() if records}


def cells(table: str, section: Comparison, records: Records) -> list[Cell]:
    """One cell a published number; for a row that is ours one for each scale that has records of it."""
    found = []
    for (row, quantity), printed in read_published(section.published).items():
        cell = Cell(table=table, section=section.title, row=row, quantity=quantity).with_published(printed)
        config = section.ours.get(row)
        if config and quantity in COUNTED:
            found.append(counted(cell, config, section.datasets[0]))
        elif config and quantity in section.metrics:
            found += at_every_scale(replace(cell, config=config), section, records)
        else:
            found.append(cell)
    return found


def at_every_scale(cell: Cell, section: Comparison, records: Records) -> list[Cell]:
    """The cell at every scale at which its configuration was run on one of the section's data sets, or not run."""
    assert cell.config is not None
    against = Against(table=section.published, metric=cell.quantity, dataset=section.datasets[0])
    found = []
    for scale, by_config in records.items():
        runs = [record for record in by_config.get(cell.config, []) if record["dataset"] in section.datasets]
        if runs:
            found.append(measured(replace(cell, scale=scale), section.metrics[cell.quantity], runs, against))
    return found or [measured(cell, section.metrics[cell.quantity], [], against)]


def order_in_words(section: Comparison, found: list[Cell]) -> str:
    """One quantity of all our rows, published and at every scale, and which of them fail."""
    quantity, rows = section.ordered, list(section.ours)
    printed = {cell.row: cell.published or "-" for cell in found if cell.quantity == quantity}
    columns = {"published": printed}
    for scale in scales_of(found):
        columns[scale] = {c.row: reproduced(c) for c in found if c.quantity == quantity and c.scale == scale}
    said = []
    for name, shown in columns.items():
        fails = [row for row in rows if shown.get(row) == "Fail"]
        said.append(
            f"{name} {' / '.join(shown.get(row, NOT_RUN) for row in rows)}, failing: {', '.join(fails) or 'none'}"
        )
    return f"{HEADERS[quantity or '']} of {' / '.join(rows)}: {'; '.join(said)}."


def scales_of(found: list[Cell]) -> list[str]:
    """Scales at which something was measured, in the order of the records."""
    return list(dict.fromkeys(cell.scale for cell in found if cell.scale))


def verdict_of(row: list[Cell], metrics: Mapping[str, str]) -> str:
    """The verdicts of one of our rows, scale by scale; one for all metrics where they agree; those on counts last."""
    judged = [cell for cell in row if cell.verdict and cell.quantity in metrics]
    scales = list(dict.fromkeys(cell.scale for cell in judged))
    parts = []
    for scale in scales:
        said: dict[str, list[str]] = {}
        for cell in judged:
            if cell.scale == scale:
                said.setdefault(cell.said, []).append(HEADERS[cell.quantity])
        one = len(said) == 1
        words = ", ".join(verdict if one else f"{' and '.join(names)} {verdict}" for verdict, names in said.items())
        parts.append(f"{scale} {words}" if len(scales) > 1 else words)
    counts = dict.fromkeys(c.verdict for c in row if c.quantity in COUNTED and c.verdict)
    return "; ".join([*parts, *([f"parameters {' and '.join(counts)}"] if counts else [])])


def standing(cell: Cell | None, metric: str) -> float:
    """What a published number counts in the order of rows, the best first and a missing one last."""
    value = None if cell is None else published_value(cell)
    return float("inf") if value is None else find_metric(metric).sort_key(value)


def section_text(section: Comparison, found: list[Cell]) -> str:
    """The section as a table, best published number first."""
    quantities = [name for name in HEADERS if any(cell.quantity == name for cell in found)]
    printed = {(cell.row, cell.quantity): cell for cell in found}
    names = list(dict.fromkeys(cell.row for cell in found))
    if section.ordered is None:
        names.sort(key=lambda name: [standing(printed.get((name, q)), m) for q, m in section.metrics.items()])
    scales = [(scale, quantity) for scale in scales_of(found) for quantity in quantities if quantity in section.metrics]

    def published(name: str, quantity: str) -> str:
        cell = printed.get((name, quantity))
        return "-" if cell is None else f"{cell.published}" + ("" if cell.status == "paper" else " (derived)")

    rows = []
    for name in names:
        row = [cell for cell in found if cell.row == name]
        at_scale = {(cell.scale, cell.quantity): reproduced(cell) for cell in row}
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
    sections = {section.title: cells(name, section, records) for section in table.sections}
    everything = [cell for found in sections.values() for cell in found]
    text = [f"# {table.title}"]
    text += [section_text(section, sections[section.title]) for section in table.sections]
    bands = band_notes((metric, section.published) for section in table.sections for metric in section.metrics)
    text.append("## Notes\n\n" + "\n".join(f"- {note}" for note in (*table.notes, *bands)))
    text.append(f"## Runs of ours\n\n{provenance_text(table, records)}")
    write_cells(results, name, table.title, everything)
    write_text(results / f"{name}.csv", as_csv(everything))
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")


def published_value(cell: Cell) -> float | None:
    """The number that is printed; None for "Fail", and where nothing is."""
    try:
        return float(cell.published or "")
    except ValueError:
        return None
