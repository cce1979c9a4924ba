"""Published comparisons of many systems at one data set, with reproduced numbers where this project trains a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import ClassVar

from msgspec.structs import replace

from r3gan.metrics import find_metric
from r3gan.records.run_id import RELEASED
from r3gan.records.schema import Evaluation
from r3gan.records.store import Store
from r3gan.study import Study
from r3gan.tables.cell import Cell
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.markdown import band_notes, number, reproduced
from r3gan.tables.measure import COUNTED, Against, counted, evaluated, measured
from r3gan.tables.panel import Panel, by_row, title_of
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

    def in_order(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells with the best published row first, unless the section's order is of interest itself."""
        if self.ordered:
            return [*cells]
        values = {(cell.row, cell.quantity): cell.published_value for cell in cells}

        def standing(cell: Cell) -> list[float]:
            found = [(values.get((cell.row, quantity)), metric) for quantity, metric in self.metrics.items()]
            return [inf if value is None else find_metric(metric).sort_key(value) for value, metric in found]

        return sorted(cells, key=standing)

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

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        return [
            by_row("" if section.title in self.title else section.title, self.corner, section.in_order(found))
            for section in self.sections
            if (found := [cell for cell in cells if cell.section == section.title])
        ]

    def build(self, context: Context) -> Content:
        records = read_everything(context.store, context.studies)
        cells, remarks = list[Cell](), list[str]()
        for section in self.sections:
            found = section.cells(context.name, records)
            cells += found
            remarks += [order_in_words(section, found), *untrained_in_words(section, found)] if section.ordered else []
        shown = {
            scale: [record for record in found if any(s.shows(record.config, record.dataset) for s in self.sections)]
            for scale, found in records.items()
        }
        notes = band_notes((metric, section.published) for section in self.sections for metric in section.metrics)
        shown = {scale: found for scale, found in shown.items() if found}
        return Content(cells=cells, remarks=remarks, notes=notes, records=shown)


def scales_of(cells: Iterable[Cell]) -> list[str]:
    """Scales at which something was measured, in the order of the records."""
    return list(dict.fromkeys(cell.scale for cell in cells if cell.scale))


def order_in_words(section: Comparison, cells: Sequence[Cell]) -> str:
    """One quantity of all trained rows, published and at every scale, and which of them fail."""
    quantity, rows = section.ordered or "", list(section.trained)
    columns = {"published": {cell.row: cell.published or "-" for cell in cells if cell.quantity == quantity}}
    for scale in scales_of(cells):
        columns[scale] = {c.row: reproduced(c) for c in cells if c.quantity == quantity and c.scale == scale}
    said = []
    for name, shown in columns.items():
        fails = [row for row in rows if shown.get(row) == "Fail"]
        values = " / ".join(shown.get(row, NOT_RUN) for row in rows)
        said.append(f"{name} {values}, failing: {', '.join(fails) or 'none'}")
    return f"{title_of(quantity)} of {' / '.join(rows)}: {'; '.join(said)}."


def untrained_in_words(section: Comparison, cells: Sequence[Cell]) -> list[str]:
    """What untrained generators of the rows score at every scale, their mean; nothing where none is on record."""
    said = []
    for scale in scales_of(cells):
        at_scale = [cell for cell in cells if cell.scale == scale]
        means = [
            f"{title_of(quantity)} {number(fmean(known))}"
            for quantity in section.metrics
            if (known := [c.untrained for c in at_scale if c.quantity == quantity and c.untrained is not None])
        ]
        said += [f"{scale}: {', '.join(means)}"] if means else []
    if not said:
        return []
    return [f"Untrained generators of the same rows: {'; '.join(said)}; a classifier takes noise for digits too."]
