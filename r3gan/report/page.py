"""results/report.html: one page that opens from disk, made of what lies in results/ and of nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from r3gan.report.charts import SHAPES
from r3gan.report.content import Content, TableContent
from r3gan.report.dag import dag_chart
from r3gan.report.facts import Fact, our_facts, published_facts, quantity_of, run_facts
from r3gan.report.matrix import Panel, panels_of, row_tally, title_of
from r3gan.report.plots import Figure, Picture, figures_of, pictures_of, samples_of, speed_charts
from r3gan.report.text import band_text, changes_line, ours
from r3gan.tables.bands import BANDS, DRIFT
from r3gan.tables.cells import Cell, tally
from r3gan.tables.render import code_line, device_line, number
from r3gan.tables.verdict import (
    BETTER,
    DIFFERS,
    EXACT,
    INCONCLUSIVE,
    MISSING,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOT_RUN,
    REPRODUCED,
    VERDICTS,
    WORSE,
)

# A verdict is a word; the symbol helps the eye, and neither needs the colour.
SYMBOLS = {
    WORSE: "\u2717",
    DIFFERS: "\u2260",
    BETTER: "\u25b2",
    INCONCLUSIVE: "\u2248",
    REPRODUCED: "\u2713",
    EXACT: "=",
    NOT_COMPARABLE: "\u25c7",
    NOT_MEASURED: "\u2013",
    NOT_RUN: "\u25cb",
}
JUDGED = (REPRODUCED, BETTER, WORSE, INCONCLUSIVE)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A cell with all that is known of it, which opens at a click."""

    ident: str
    cell: Cell
    title: str
    published: list[Fact]
    ours: list[Fact]
    runs: list[tuple[str, list[Fact]]]  # file below results/, what it says


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A section of the page."""

    content: TableContent
    panels: list[Panel]
    numbers: dict[Cell, Number]
    figures: list[Figure]
    samples: list[Picture]
    pictures: list[Picture]
    scales: list[str]

    @property
    def tally(self) -> dict[str, int]:
        return dict(tally(self.content.cells))

    @property
    def ours(self) -> int:
        """How many numbers of ours there are."""
        return sum(cell.outcome != "" and cell.verdict not in MISSING for cell in self.content.cells)


def page(content: Content) -> str:
    """The page; the same results give the same bytes."""
    views = table_views(content)
    return template().render(
        content=content,
        views=views,
        totals=tally(cell for view in views for cell in view.content.cells),
        titles={view.content.name: view.content.title for view in views},
        given=[word for word in VERDICTS if any(word in view.tally for view in views)],
        headline=headline(content),
        trust=trust([cell for view in views for cell in view.content.cells]),
        missing=missing(views),
        runs=runs_of(content),
        speed=speed_charts(content),
        other_benchmarks=other_benchmarks(content),
        dag=dag_chart(content.stages) if content.stages else "",
        changes_line=changes_line(content.comparison.changes),
    )


@cache
def template() -> Any:
    """The template with what it calls; everything that it prints is escaped."""
    environment = Environment(
        loader=PackageLoader("r3gan.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (
        files("r3gan.report").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    environment.globals |= {
        "style": style,
        "script": script,
        "style_hash": csp_hash(style),
        "script_hash": csp_hash(script),
        "symbols": SYMBOLS,
        "shapes": SHAPES,
        "verdicts": VERDICTS,
        "bands": bands(),
        "drift": DRIFT,
        "ours": grouped,
        "band_text": band_text,
        "number": number,
        "title_of": title_of,
        "row_tally": row_tally,
        "slug": lambda word: word.replace(" ", "-"),
    }
    return environment.get_template("page.html.j2")


def grouped(cell: Cell) -> str:
    """Our number or word; a long whole number that is kept as text in threes, too."""
    text = ours(cell)
    return f"{int(text):,}" if text.isdecimal() and len(text) > 4 else text


def csp_hash(text: str) -> str:
    """How a content security policy names an inline script or style that is allowed."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def bands() -> list[tuple[str, str]]:
    """Which number may lie how far off, and why."""
    named = [(key, "") if isinstance(key, str) else key for key in BANDS]
    return [
        (f"{title_of(quantity)}, {table}" if table else title_of(quantity), str(band))
        for (quantity, table), band in zip(named, BANDS.values(), strict=True)
    ]


def table_views(content: Content) -> list[TableView]:
    """The tables and figures, their numbers named in the order of the page."""
    return [
        TableView(
            content=table,
            panels=panels_of(table.name, table.cells) if table.cells else [],
            numbers={
                cell: number_of(f"{table.name}-{i}", cell, content.records) for i, cell in enumerate(table.cells, 1)
            },
            figures=figures_of(table, content),
            samples=samples_of(table, content),
            pictures=pictures_of(table),
            scales=list(dict.fromkeys(cell.scale for cell in table.cells if cell.scale)),
        )
        for table in content.tables
    ]


def number_of(ident: str, cell: Cell, records: dict[str, dict[str, Any]]) -> Number:
    return Number(
        ident=ident,
        cell=cell,
        title=", ".join(
            filter(None, (cell.row, quantity_of(cell), cell.section, cell.scale and f"{cell.scale} scale"))
        ),
        published=published_facts(cell),
        ours=our_facts(cell),
        runs=[(path, run_facts(records[path], cell.metric)) for path in cell.records],
    )


def headline(content: Content) -> str:
    """What came out, in one sentence."""
    outside, regressed = len(content.comparison.outside), len(content.comparison.regressed)
    said = [f"{outside} number{'s lie' if outside > 1 else ' lies'} outside the band"] if outside else []
    said += [f"{regressed} regressed since {content.baseline}"] if regressed else []
    if said:
        return f"{' and '.join(said)}."
    judged = any(cell.verdict in JUDGED for table in content.tables for cell in table.cells)
    return (
        "Nothing is outside its band." if judged else "No published result has been put to the test at its own scale."
    )


def trust(cells: Iterable[Cell]) -> list[str]:
    """What the tally means for somebody who wants to rely on it, a sentence each."""
    counts = tally(cells)
    judged = sum(counts.get(word, 0) for word in JUDGED)
    settings, lost = counts.get(EXACT, 0) + counts.get(DIFFERS, 0), sum(counts.get(word, 0) for word in MISSING)
    apart = counts.get(NOT_COMPARABLE, 0)
    said = [
        f"{counts.get(EXACT, 0)} of {settings} parameter counts, hyperparameters and statements of proofs are exactly "
        "as published."
    ]
    if judged:
        said.append(f"{counts.get(REPRODUCED, 0)} of {judged} trained results taken as published lie in their bands.")
    if apart:
        said.append(f"{apart} results were measured under other conditions, and say little about the published number.")
    if lost:
        said.append(f"{lost} results have not been run, or not been measured.")
    return said


def missing(views: Sequence[TableView]) -> list[tuple[TableView, list[tuple[str, list[str]]]]]:
    """What nobody has run or measured: per table its rows, each with the quantities."""
    found = []
    for view in views:
        cells = [cell for cell in view.content.cells if cell.verdict in MISSING]
        several = len({cell.section for cell in cells}) > 1
        rows: dict[str, list[str]] = {}
        for cell in cells:
            row = f"{cell.section}: {cell.row}" if several else cell.row
            row += f", {cell.scale} scale" if cell.scale else ""
            rows.setdefault(row, []).append(title_of(cell.quantity))
        if rows:
            found.append((view, list(rows.items())))
    return found


def runs_of(content: Content) -> list[dict[str, Any]]:
    """Every run behind a number, with how fast it trained."""
    found, seen_runs = [], set()
    for i, (path, record) in enumerate(content.records.items(), 1):
        if "training" not in record or record["training"]["run"] in seen_runs:
            continue
        training = record["training"]
        seen_runs.add(training["run"])
        seconds, seen = training["seconds"], training["images_seen"]
        found.append(
            {
                "ident": f"run-{i}",
                "path": path,
                "run": training["run"],
                "name": f"{record['config']}, seed {record['seed']}",
                "scale": record["scale"],
                "dataset": record["dataset"],
                "outcome": record["outcome"],
                "images": number(seen),
                "seconds": number(seconds),
                "rate": number(seen / seconds, 3) if seconds else "-",
                "device": device_line(training["provenance"]["device"]),
                "code": code_line(training["provenance"]["code"]).removeprefix("commit "),
                "facts": run_facts(record),
            }
        )
    return found


def other_benchmarks(content: Content) -> list[tuple[str, list[str], list[list[str]]]]:
    """Benchmarks that no table shows, as they were written: where from, headers, rows."""
    found = []
    for path, record in content.benchmarks.items():
        if path in content.records:
            continue
        headers = list(dict.fromkeys(key for entry in record["measured"] for key in entry))
        rows = [[shown(entry.get(key)) for key in headers] for entry in record["measured"]]
        found.append((path, [header.replace("_", " ") for header in headers], rows))
    return found


def shown(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, int | float) else str(value)
