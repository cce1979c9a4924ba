"""Variants of configurations (`E.lazy`, `A.lr2`) at one scale: a panel and a heat map for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean
from typing import ClassVar

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric
from r3gan.records.schema import Evaluation
from r3gan.study import Study, StudyRun
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import heat_map
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.markdown import reproduced
from r3gan.tables.measure import Against, evaluated, measured

Records = Mapping[tuple[str, str], Sequence[Evaluation]]  # by configuration and variant


@dataclass(frozen=True, kw_only=True)
class VariantTable(Kind):
    """Rows are configurations, columns their variants."""

    scale: str
    variants: str  # what the names of the variants begin with
    families: tuple[tuple[str, ...], ...]  # configurations; of each family the best variant can be named
    metrics: tuple[str, ...]
    chosen_by: str = ""  # a metric where 0 is best: the remarks name the variant with the least mean log of it
    corner: ClassVar[str] = "Configuration"

    @property
    def made_of(self) -> str:
        return f"variants of {', '.join(self.configs())} at {self.scale} scale"

    def configs(self) -> Sequence[str]:
        return [config for family in self.families for config in family]

    def sources(self) -> list[str]:
        return []

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return [run_id.metrics for run_id, run in study.evaluated.items() if study.scale == self.scale and self.of(run)]

    def of(self, run: StudyRun) -> tuple[str, str] | None:
        """The configuration and variant of a run that the table shows."""
        config, _, variant = run.config.partition(".")
        return (config, variant) if variant.startswith(self.variants) and variant and config in self.configs() else None

    def build(self, context: Context) -> Content:
        found: dict[tuple[str, str], list[Evaluation]] = {}
        for study in (study for study in context.studies if study.scale == self.scale):
            for run_id, run in study.evaluated.items():
                if (arm := self.of(run)) and context.store.has(run_id.metrics):
                    found.setdefault(arm, []).append(context.store.evaluation(run_id))
        if not found:
            return Content(cells=[], remarks=[f"No run of the {self.scale} scale has been recorded yet."])
        columns = dict.fromkeys(variant for _, variant in found)
        rows = [config for config in self.configs() if any(config == known for known, _ in found)]
        ordered = {(row, column): found[row, column] for row in rows for column in columns if (row, column) in found}
        cells = list(self.cells(context.name, ordered))
        seeds = sorted({record.seed for records in ordered.values() for record in records})
        caption = f"{self.scale} scale, mean over seeds {', '.join(map(str, seeds))}; Fail: a run diverged"
        charts = [
            heat_map(
                [self.drawn(cell) for cell in cells if cell.metric == metric],
                columns=self.variants,
                name=metric,
                title=f"{self.title}: {find_metric(metric).title}",
                caption=caption,
            )
            for metric in self.metrics
        ]
        everything = [record for records in ordered.values() for record in records]
        remarks = [*self.choices(cells)] if self.chosen_by else []
        return Content(cells=cells, pictures=charts, remarks=remarks, records={self.scale: everything})

    def cells(self, table: str, records: Records) -> Iterator[Cell]:
        """One cell for each metric, configuration and variant."""
        for metric in self.metrics:
            for (config, variant), runs in records.items():
                cell = Cell(
                    table=table, section=find_metric(metric).title, row=CONFIGS[config].title, config=config,
                    quantity=variant, scale=self.scale,
                )  # fmt: skip
                against = Against(table="", metric=metric, dataset="")
                yield measured(cell, metric, [evaluated(run, metric) for run in runs], against)

    def choices(self, cells: Sequence[Cell]) -> Iterator[str]:
        """Which variant each family takes, once all its rows have been run in every variant; none that diverged."""
        of_metric = [cell for cell in cells if cell.metric == self.chosen_by]
        columns = list(dict.fromkeys(cell.quantity for cell in of_metric))
        for family in self.families:
            values = {
                column: [cell.reproduced for cell in of_metric if cell.quantity == column and cell.config in family]
                for column in columns
            }
            if any(len(v) < len(family) for v in values.values()):
                continue
            means = {column: fmean(map(log, filter(None, v))) for column, v in values.items() if all(v)}
            if not means:
                continue
            best, first = min(means, key=lambda column: means[column]), columns[0]
            base = f"{means[first]:.3f}" if first in means else "Fail"
            diverged = [column for column in columns if column not in means]
            why = f"; {', '.join(diverged)}: a run diverged" if diverged else ""
            yield f"{', '.join(family)}: **{best}** (mean log {means[best]:.3f}; {first} {base}{why})."

    def drawn(self, cell: Cell) -> Row:
        """A field of the heat map."""
        return {
            "row": cell.row,
            "variant": cell.quantity.removeprefix(self.variants),
            "value": cell.reproduced,
            "shown": reproduced(cell).split(" ")[0],
        }
