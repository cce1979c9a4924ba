"""Runs on your own pictures: every metric next to the untrained G's, with samples, and nothing published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from r3gan.configs import find_config
from r3gan.records.run_id import RunId
from r3gan.records.schema import Evaluation
from r3gan.study import Study
from r3gan.tables.cell import Cell
from r3gan.tables.kind import Content, Context, Kind, sample_sheet
from r3gan.tables.measure import Against, evaluated, measured
from r3gan.tables.panel import REPRODUCED, UNTRAINED, Panel, Slot, by_section, panel, title_of

Records = Mapping[str, Sequence[Evaluation]]  # by configuration's title


@dataclass(frozen=True, kw_only=True)
class OwnTable(Kind):
    """One section per scale and data set, one row per configuration."""

    by_hand: str  # the scale of runs that no study lists
    corner: ClassVar[str] = "Configuration"

    @property
    def made_of(self) -> str:
        return "runs on your own pictures: of a study's `sources`, or trained and evaluated by hand"

    def sources(self) -> list[str]:
        return []

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return [run_id.metrics for run_id, run in study.evaluated.items() if run.dataset in study.sources]

    def build(self, context: Context) -> Content:
        sections: dict[tuple[str, str], dict[str, list[Evaluation]]] = {}
        shown: dict[str, list[Evaluation]] = {}
        for record in self.read(context):
            title = find_config(record.config).title + (f" ({record.config})" if "." in record.config else "")
            sections.setdefault((record.scale, record.dataset), {}).setdefault(title, []).append(record)
            shown.setdefault(record.scale, []).append(record)
        if not sections:
            return Content(cells=[], remarks=["No run on your own pictures has been recorded yet (docs/own.md)."])
        cells = [cell for key, records in sections.items() for cell in self.cells(context.name, *key, records)]
        sheets = [
            sample_sheet(
                f"{scale}-{dataset}-samples",
                f"Samples on {dataset}, {scale} scale, the first seed of every row (n = 1)",
                {row: context.store.results / found[0].run for row, found in records.items()},
            )
            for (scale, dataset), records in sections.items()
        ]
        return Content(cells=cells, pictures=sheets, records=shown)

    def read(self, context: Context) -> Iterator[Evaluation]:
        """The records that exist: of studies, then those of runs by hand where no scale is selected."""
        files = [file for study in context.studies for file in self.records(study) if context.store.has(file)]
        by_hand = [] if context.scale else context.store.find(self.by_hand)
        files += [file for file in by_hand if file == RunId.parse(file.rpartition("/")[0]).metrics]
        for file in dict.fromkeys(files):
            yield context.store.evaluation(RunId.parse(file.rpartition("/")[0]))

    def cells(self, table: str, scale: str, dataset: str, records: Records) -> Iterator[Cell]:
        """One cell for each row and metric."""
        for row, found in records.items():
            for metric in dict.fromkeys(name for record in found for name in record.metrics):
                cell = Cell(
                    table=table, section=f"{dataset}, {scale} scale", row=row, config=found[0].config, quantity=metric,
                    scale=scale,
                )  # fmt: skip
                against = Against(table="", metric=metric, dataset=dataset)
                yield measured(cell, metric, [evaluated(record, metric) for record in found], against)

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        sides = (("untrained", UNTRAINED), ("trained", REPRODUCED))
        found = []
        for section, of_section in by_section(cells).items():
            slots = [
                (cell.row, Slot(group=title_of(cell.quantity), label=label, side=side, cell=cell))
                for cell in of_section
                for label, side in sides
            ]
            found.append(panel(section, self.corner, slots))
        return found
