"""Parameters against FID, drawn from a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from msgspec.structs import replace

from r3gan.configs import CONFIGS
from r3gan.study import Study
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import parameters_against_fid
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.kinds.comparison import Comparison, comparison_records, read_everything
from r3gan.tables.verdict import Verdict

METRIC, PARAMETERS = "fid", "parameters of G and D, M"


@dataclass(frozen=True, kw_only=True)
class ParameterFigure(Kind):
    """One point per system: the parameters of G and D together, and its FID."""

    of: Comparison
    corner: ClassVar[str] = "System"

    @property
    def made_of(self) -> str:
        return f"the published systems of {self.of.title}, and reproduced ones where they have been measured"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return comparison_records([self.of], study, released)

    def build(self, context: Context) -> Content:
        found = self.of.cells(context.name, read_everything(context.store, context.studies))
        values: dict[str, dict[str, float]] = {}
        for cell in found:
            if cell.published_value is not None:
                values.setdefault(cell.row, {})[cell.quantity] = cell.published_value
        known = {row: v for row, v in values.items() if {"g_params", "d_params", METRIC} <= v.keys()}
        published = {row: (v["g_params"] + v["d_params"], v[METRIC]) for row, v in known.items()}
        cells = [cell for row, point in published.items() for cell in point_cells(context.name, row, *point)]
        points: list[Row] = [
            {"system": row, "parameters_m": x, "fid": y, "origin": "published"} for row, (x, y) in published.items()
        ]
        for cell in found:
            if cell.quantity == METRIC and cell.reproduced is not None:
                millions = self.millions(cell.row)
                # Judged in the table that the figure is drawn from.
                cells.append(replace(cell, section="").judged(Verdict(word="")))
                origin = f"reproduced, {cell.scale}"
                points.append({"system": cell.row, "parameters_m": millions, "fid": cell.reproduced, "origin": origin})
        missing = ", ".join(row for row in values if row not in known)
        notes = [f"Not drawn, since their number of parameters is not published: {missing}."]
        if len(points) == len(published):
            notes.append("No FID has been reproduced yet at any scale.")
        caption = "one point per system, published or reproduced"
        chart = parameters_against_fid(points, name="parameters", title=self.title, caption=caption)
        return Content(cells=cells, pictures=[chart], notes=notes)

    def millions(self, row: str) -> float:
        """The exact count of a trained system."""
        from r3gan.configs.counts import count_parameters

        return sum(count_parameters(CONFIGS[self.of.trained[row]], self.of.datasets[0]).values()) / 1e6


def point_cells(table: str, row: str, parameters_m: float, fid: float) -> list[Cell]:
    """A published point."""
    values = {PARAMETERS: parameters_m, METRIC: fid}
    return [
        Cell(table=table, row=row, quantity=quantity, published=f"{value:g}", status="paper")
        for quantity, value in values.items()
    ]
