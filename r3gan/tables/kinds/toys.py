"""The 2-D toys: coverage of the data and distance to them, for every objective, penalty, gamma and interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import ClassVar

from r3gan.records.schema import ToyArm
from r3gan.study import Study
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart, heat_map
from r3gan.tables.intervals import interval_notes, interval_of
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.panel import Panel, by_row

LOSS_TITLES = {"relativistic": "RpGAN", "classic": "GAN"}
QUANTITIES = ("coverage", "on_data", "distance", "grad_norm_fake")


def title_of_arm(loss: str, penalties: Sequence[str]) -> str:
    """Such as RpGAN+R1+R2."""
    return "+".join([LOSS_TITLES[loss], *(name.upper() for name in penalties)])


@dataclass(frozen=True, kw_only=True)
class ToyTable(Kind):
    """Rows are objectives with penalties, columns gamma and interval, one panel per shape, quantity and scale."""

    corner: ClassVar[str] = "Objective"

    @property
    def made_of(self) -> str:
        return "small networks trained on 2-D data with the losses and penalties of training"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return study.toy_records

    def sources(self) -> list[str]:
        return []

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        keys = dict.fromkeys((cell.scale, cell.section) for cell in cells)
        return [
            by_row(f"{section}, {scale} scale", self.corner, (c for c in cells if key_of(c) == (scale, section)), scale)
            for scale, section in keys
        ]

    def build(self, context: Context) -> Content:
        files = [file for study in context.studies for file in study.toy_records if context.store.has(file)]
        cells, charts, records = list[Cell](), list[Chart](), {}
        for file in files:
            record = context.store.toys(file)
            found = [cell for arm in record.measured for cell in cells_of(context.name, record.scale, file, arm)]
            cells += sorted(found, key=lambda cell: cell.section)
            charts += pictures(record.scale, found)
            records[record.scale] = [record]
        remarks = [] if files else ["No toy has been trained yet."]
        notes = interval_notes(QUANTITIES) if files else []
        return Content(cells=cells, pictures=charts, remarks=remarks, notes=notes, records=records)


def key_of(cell: Cell) -> tuple[str, str]:
    return cell.scale, cell.section


def column_of(arm: ToyArm) -> str:
    if not arm.penalties:
        return "no penalty"
    return f"gamma {arm.gamma:g}" + (f", every {arm.interval} steps" if arm.interval > 1 else "")


def cells_of(table: str, scale: str, file: str, arm: ToyArm) -> Iterator[Cell]:
    """The means of an arm's quantities over its seeds; how many diverged is said with the coverage."""
    for quantity in QUANTITIES:
        values = [value for value in getattr(arm, quantity) if value is not None]
        failed = sum(arm.diverged)
        words = f"{fmean(values):.3g} ({failed} of {len(arm.seeds)} diverged)" if values else "Fail"
        yield Cell(
            table=table,
            section=f"{arm.shape}: {quantity.replace('_', ' ')}",
            row=title_of_arm(arm.loss, arm.penalties),
            quantity=column_of(arm),
            scale=scale,
            reproduced=fmean(values) if values else None,
            text=words if failed else "",
            spread=stdev(values) if len(values) > 1 else None,
            interval=interval_of(quantity, values),
            n=len(arm.seeds),
            seeds=arm.seeds,
            outcome="trained",
            records=(file,),
        )


def pictures(scale: str, cells: Sequence[Cell]) -> Iterator[Chart]:
    """A heat map of the coverage of each shape."""
    for section in dict.fromkeys(cell.section for cell in cells if cell.section.endswith("coverage")):
        found = [cell for cell in cells if cell.section == section]
        rows: list[Row] = [
            {
                "row": cell.row,
                "variant": cell.quantity.replace(", every", " /").removesuffix(" steps").replace("gamma ", "g "),
                "value": cell.reproduced,
                "shown": "Fail" if cell.reproduced is None else f"{cell.reproduced:.2f}",
            }
            for cell in found
        ]
        yield heat_map(
            rows,
            name=f"{scale}-{section.partition(':')[0]}",
            title=f"Share of the {section.partition(':')[0]} that is covered",
            caption=f"{scale} scale, mean over n = {found[0].n} seeds; g: gamma, / 8: penalties at every 8th step",
        )
