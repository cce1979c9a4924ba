"""Published comparisons of many systems at one data set, with reproduced numbers where this project trains a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from msgspec.structs import replace

from r3gan.metrics import find_metric
from r3gan.records.run_id import RELEASED
from r3gan.records.schema import Evaluation
from r3gan.records.store import Store
from r3gan.study import Study
from r3gan.tables.cell import Cell
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.markdown import band_notes, footer, grid, reproduced, shared
from r3gan.tables.measure import COUNTED, Against, counted, evaluated, measured
from r3gan.tables.panel import HEADERS
from r3gan.tables.published import read_published
from r3gan.tables.verdict import NOT_RUN

Records = Mapping[str, Sequence[Evaluation]]  # by scale


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Published systems at one data set, some of which are configurations of this project."""

    title: str
    published: str
    datasets: tuple[str, ...]  # the paper's, then what stands for it at smaller scales
    trained: Mapping[str, str]  # published row -> configuration
    metrics: Mapping[str, str]  # published quantity -> metric; the first decides the order of rows
    ordered: str | None = None  # a quantity whose order is compared in words

    def shows(self, config: str, dataset: str) -> bool:
        return config in self.trained.values() and dataset in self.datasets

    def runs_of(self, records: Sequence[Evaluation], config: str) -> list[Evaluation]:
        """The records of a configuration on one of the data sets."""
        return [record for record in records if record.config == config and record.dataset in self.datasets]

    def cells(self, table: str, records: Records) -> list[Cell]:
        """One cell per published number; for a row that is trained here, one for each scale with records of it."""
        found = []
        for (row, quantity), printed in read_published(self.published).items():
            cell = Cell(table=table, section=self.title, row=row, quantity=quantity).with_published(printed)
            config = self.trained.get(row)
            if config and quantity in COUNTED:
                found.append(counted(cell, config, self.datasets[0]))
            elif config and quantity in self.metrics:
                found += self.at_every_scale(cell, config, records)
            else:
                found.append(cell)
        return found

    def at_every_scale(self, cell: Cell, config: str, records: Records) -> list[Cell]:
        """The cell at every scale at which its configuration was run on one of the data sets, or not run."""
        against = Against(table=self.published, metric=cell.quantity, dataset=self.datasets[0])
        metric, cell = self.metrics[cell.quantity], replace(cell, config=config)
        found = []
        for scale, everything in records.items():
            if runs := self.runs_of(everything, config):
                observed = [evaluated(record, metric) for record in runs]
                found.append(measured(replace(cell, scale=scale), metric, observed, against))
        return found or [measured(cell, metric, [], against)]


def comparison_records(sections: Sequence[Comparison], study: Study, released: Sequence[str]) -> list[str]:
    """Records of the study's runs, and of the authors' snapshots, that any of the sections shows."""
    found = [
        run_id.metrics
        for run_id, run in study.evaluated.items()
        if any(section.shows(run.config, run.dataset) for section in sections)
    ]
    shown = [name for name in released if any(section.shows("E", name) for section in sections)]
    return found + [f"{RELEASED}/{dataset}/E/seed0/metrics.json" for dataset in shown]


def read_everything(store: Store, studies: Iterable[Study]) -> Records:
    """Records of every scale that has any; those of the authors' snapshots are a scale of their own."""
    found: dict[str, list[Evaluation]] = {}
    for study in studies:
        found[study.scale] = [store.evaluation(run) for run in study.evaluated if store.has(run.metrics)]
    records = [store.run_record(file) for file in store.find(RELEASED)]
    found[RELEASED] = [record for record in records if isinstance(record, Evaluation)]
    return {scale: records for scale, records in found.items() if records}


@dataclass(frozen=True, kw_only=True)
class ComparisonTable(Kind):
    """Comparisons one below the other."""

    sections: tuple[Comparison, ...]
    corner: ClassVar[str] = "Method"

    @property
    def made_of(self) -> str:
        return "published systems, and reproduced ones where they have been measured"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return comparison_records(self.sections, study, released)

    def band_key(self, cell: Cell) -> tuple[str, str]:
        return cell.quantity, next((s.published for s in self.sections if s.title == cell.section), "")

    def build(self, context: Context) -> Content:
        records = read_everything(context.store, context.studies)
        cells, blocks = list[Cell](), list[str]()
        for section in self.sections:
            found = section.cells(context.name, records)
            cells += found
            blocks.append(section_text(section, found))
        shown = {
            scale: [record for record in found if any(s.shows(record.config, record.dataset) for s in self.sections)]
            for scale, found in records.items()
        }
        blocks.append(f"## Reproduced runs\n\n{runs_text(shown)}")
        notes = band_notes((metric, section.published) for section in self.sections for metric in section.metrics)
        return Content(cells=cells, blocks=blocks, notes=notes)


def section_text(section: Comparison, cells: Sequence[Cell]) -> str:
    """The section as a table, the best published number first."""
    quantities = [name for name in HEADERS if any(cell.quantity == name for cell in cells)]
    by_key = {(cell.row, cell.quantity): cell for cell in cells}
    names = list(dict.fromkeys(cell.row for cell in cells))
    if section.ordered is None:
        names.sort(key=lambda name: [standing(by_key.get((name, q)), m) for q, m in section.metrics.items()])
    scales = [(scale, quantity) for scale in scales_of(cells) for quantity in quantities if quantity in section.metrics]

    def published(name: str, quantity: str) -> str:
        cell = by_key.get((name, quantity))
        return "-" if cell is None else f"{cell.published}" + ("" if cell.status == "paper" else " (derived)")

    rows = []
    for name in names:
        row = [cell for cell in cells if cell.row == name]
        at_scale = {(cell.scale, cell.quantity): reproduced(cell) for cell in row}
        values = [at_scale.get(key, "") for key in scales]
        rows.append([name, *(published(name, q) for q in quantities), *values, verdict_of(row, section.metrics)])
    headers = ["Method", *(HEADERS[q] for q in quantities), *(f"{HEADERS[q]} {scale}" for scale, q in scales)]
    text = f"## {section.title}\n\n" + grid(rows, [*headers, "Verdict"], right=range(1, len(headers)))
    return text + ("\n\n" + order_in_words(section, cells) if section.ordered else "")


def scales_of(cells: Iterable[Cell]) -> list[str]:
    """Scales at which something was measured, in the order of the records."""
    return list(dict.fromkeys(cell.scale for cell in cells if cell.scale))


def standing(cell: Cell | None, metric: str) -> float:
    """What a published number counts in the order of rows, the best first and a missing one last."""
    value = None if cell is None else cell.published_value
    return float("inf") if value is None else find_metric(metric).sort_key(value)


def order_in_words(section: Comparison, cells: Sequence[Cell]) -> str:
    """One quantity of all trained rows, published and at every scale, and which of them fail."""
    quantity, rows = section.ordered, list(section.trained)
    columns = {"published": {cell.row: cell.published or "-" for cell in cells if cell.quantity == quantity}}
    for scale in scales_of(cells):
        columns[scale] = {c.row: reproduced(c) for c in cells if c.quantity == quantity and c.scale == scale}
    said = []
    for name, shown in columns.items():
        fails = [row for row in rows if shown.get(row) == "Fail"]
        values = " / ".join(shown.get(row, NOT_RUN) for row in rows)
        said.append(f"{name} {values}, failing: {', '.join(fails) or 'none'}")
    return f"{HEADERS[quantity or '']} of {' / '.join(rows)}: {'; '.join(said)}."


def verdict_of(row: Sequence[Cell], metrics: Mapping[str, str]) -> str:
    """The verdicts of a trained row, scale by scale; one for all metrics where they agree; those on counts last."""
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


def runs_text(records: Records) -> str:
    """How long each run was trained and with what outcome, then protocol and provenance scale by scale."""
    parts = []
    for scale, found in records.items():
        if not found:
            continue
        lines = []
        for record in found:
            outcome = " at ".join(filter(None, (record.outcome, record.training.failure)))
            snapshots = shared(metric.snapshot for metric in record.metrics.values())
            seen = f"{record.dataset}, {record.training.kimg:g} kimg, {outcome}; {snapshots} snapshot"
            lines.append(f"- {record.config}, seed {record.seed}: {seen}")
        parts.append(f"### {scale.capitalize()} scale\n\n" + "\n".join(lines) + "\n\n" + footer(found))
    return "\n\n".join(parts) or "None has been recorded yet."
