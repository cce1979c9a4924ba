"""results/report.html: one page that opens from disk, made of what lies in results/ and of nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from r3gan.metrics import METRICS
from r3gan.report.content import Content, TableContent
from r3gan.report.pictures import Figure, Picture, figure_of, lead_of, packed, pictures_of
from r3gan.report.sources import Number, Origin, images_per_second, number_of, origins_of
from r3gan.report.text import band_text, changes_line, headline
from r3gan.tables.bands import BANDS, DRIFT
from r3gan.tables.cell import Cell, tally
from r3gan.tables.claims.registry import CLAIMS
from r3gan.tables.intervals import interval_notes
from r3gan.tables.markdown import number, reproduced
from r3gan.tables.panel import Panel, row_tally, title_of
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import (
    BETTER,
    CONSISTENT,
    CONTRADICTED,
    DIFFERS,
    EXACT,
    INCONCLUSIVE,
    JUDGED,
    MISSING,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOT_RUN,
    NOT_TESTED,
    REPRODUCED,
    SUPPORTED,
    UNDECIDED,
    VERDICTS,
    WORSE,
)

# A verdict is a word; the symbol helps the eye, and neither needs the colour.
SYMBOLS = {
    WORSE: "\u2717",
    DIFFERS: "\u2260",
    BETTER: "\u25b2",
    INCONCLUSIVE: "\u2248",
    CONSISTENT: "\u223c",
    SUPPORTED: "\u2714",
    CONTRADICTED: "\u2718",
    UNDECIDED: "?",
    NOT_TESTED: "\u25cc",
    REPRODUCED: "\u2713",
    EXACT: "=",
    NOT_COMPARABLE: "\u25c7",
    NOT_MEASURED: "\u2013",
    NOT_RUN: "\u25cb",
}


LONG_ROWS = 40  # of tables that are folded
DECIDED = (SUPPORTED, CONTRADICTED)
SCRIPTS = ("page.js", "page.tables.js", "page.charts.js")


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A section of the page."""

    content: TableContent
    panels: list[Panel]
    panels_of: dict[Cell, Number | Origin]  # what opens at a click on a number
    figures: list[Figure]
    pictures: list[Picture]

    @property
    def scales(self) -> list[str]:
        return list(dict.fromkeys(cell.scale for cell in self.content.cells if cell.scale))

    @property
    def numbers(self) -> list[Number]:
        return [each for each in self.panels_of.values() if isinstance(each, Number)]

    @property
    def rows(self) -> int:
        return sum(len(panel.rows) for panel in self.panels)

    @property
    def is_long(self) -> bool:
        return self.rows > LONG_ROWS

    @property
    def tally(self) -> Mapping[str, int]:
        return tally(self.content.cells)

    @property
    def reproduced(self) -> int:
        """How many reproduced numbers there are."""
        return sum(cell.outcome != "" and cell.verdict not in MISSING for cell in self.content.cells)


def page(content: Content) -> str:
    """The page; the same results give the same bytes."""
    origins = origins_of(content)
    views = [view_of(table, content, origins) for table in content.tables]
    library = javascript() if any(view.figures for view in views) else ""
    cells = [cell for view in views for cell in view.content.cells]
    claims = next((view for view in views if view.content.name == "claims"), None)
    return template().render(
        content=content,
        views=views,
        claims=claims,
        decided=[cell for cell in claims.content.cells if cell.verdict in DECIDED] if claims else [],
        claim_titles={name: claim.title for name, claim in CLAIMS.items()},
        lead=lead_of(content),
        library=packed(library) if library else "",
        library_hash=csp_hash(library),
        totals=tally(cells),
        titles={view.content.name: view.content.title for view in views},
        given=[word for word in VERDICTS if any(word in view.tally for view in views)],
        headline=f"{headline(content.comparison)}.",
        trust=[
            *(claims.content.remarks if claims else ()),
            *trust(cells),
        ],
        missing=missing(views),
        missing_count=sum(cell.verdict in MISSING for cell in cells),
        origins=list(origins.values()),
        other_benchmarks=other_benchmarks(content),
        changes_line=changes_line(content.comparison.changes),
    )


@cache
def javascript() -> str:
    """Vega, Vega-Lite and vega-embed as one script, with an interpreter of expressions that needs no `eval`."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def slug(word: str) -> str:
    """A verdict as the name of a class or of a choice."""
    return re.sub("[^a-z0-9]+", "-", word).strip("-")


@cache
def template() -> Template:
    """The template with what it calls; everything that it prints is escaped."""
    environment = Environment(
        loader=PackageLoader("r3gan.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, *scripts = (
        files("r3gan.report").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", *SCRIPTS)
    )
    script = "\n".join(scripts)
    environment.globals |= {
        "style": style,
        "script": script,
        "style_hash": csp_hash(style),
        "script_hash": csp_hash(script),
        "symbols": SYMBOLS,
        "verdicts": VERDICTS,
        "bands": bands(),
        "drift": DRIFT,
        "intervals": interval_notes(METRICS),
        "reproduced": grouped,
        "band_text": band_text,
        "images_per_second": images_per_second,
        "number": number,
        "title_of": title_of,
        "row_tally": row_tally,
        "slug": slug,
    }
    environment.filters["slug"] = slug
    return environment.get_template("page.html.j2")


def grouped(cell: Cell) -> str:
    """The reproduced number or word; a long whole number that is kept as text in threes, too."""
    text = reproduced(cell)
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


def view_of(table: TableContent, content: Content, origins: Mapping[str, Origin]) -> TableView:
    """A table or figure, its numbers named in the order of the page."""
    said = [cell for cell in table.cells if cell.published is not None or cell.outcome]
    opened = {cell: number_of(f"{table.name}-{i}", cell, content, origins) for i, cell in enumerate(said, 1)}
    return TableView(
        content=table,
        panels=TABLES[table.name].panels(table.cells) if table.cells else [],
        panels_of=opened,
        figures=[figure_of(path) for path in table.charts],
        pictures=pictures_of(table, content),
    )


def trust(cells: Iterable[Cell]) -> list[str]:
    """What the tally means for a reader who wants to rely on it, one sentence per line."""
    counts = tally(cells)
    judged = sum(counts.get(word, 0) for word in JUDGED)
    settings, lost = counts.get(EXACT, 0) + counts.get(DIFFERS, 0), sum(counts.get(word, 0) for word in MISSING)
    apart = counts.get(NOT_COMPARABLE, 0)
    said = [
        f"{counts.get(EXACT, 0)} of {settings} parameter counts, hyperparameters and propositions are as published."
    ]
    if judged:
        said.append(
            f"{counts.get(REPRODUCED, 0)} of {judged} trained results measured as published lie in their bands."
        )
    if apart:
        said.append(
            f"{apart} results were measured under other conditions than the published number and are not judged by it."
        )
    if lost:
        said.append(f"{lost} results have not been run, or not been measured.")
    return said


def missing(views: Sequence[TableView]) -> list[tuple[TableView, list[tuple[str, list[str]]]]]:
    """What has not been run or measured: per table its rows, each with the quantities."""
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


def other_benchmarks(content: Content) -> list[tuple[str, list[str], list[list[str]]]]:
    """Benchmarks that no table shows, as they were written: where from, headers, rows."""
    found = []
    for path, record in content.benchmarks.items():
        if path not in content.records:
            headers = list(dict.fromkeys(key for entry in record.measured for key in entry))
            rows = [[shown(entry.get(key)) for key in headers] for entry in record.measured]
            found.append((path, [header.replace("_", " ") for header in headers], rows))
    return found


def shown(value: object) -> str:
    """A value of a benchmark: numbers as in the tables, words as they are, nothing where there is none."""
    return "" if value is None else number(value) if isinstance(value, int | float) else str(value)
