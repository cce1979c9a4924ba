"""Parameters against FID, drawn from a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from r3gan.configs import CONFIGS
from r3gan.records.schema import Values
from r3gan.study import Study
from r3gan.tables.cell import Cell
from r3gan.tables.charts import parameters_against_fid
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.kinds.comparison import Comparison, comparison_records, read_everything
from r3gan.tables.markdown import grid, shown

METRIC = "fid"
HEADERS = {"system": "System", "parameters_m": "Parameters, M", "fid": "FID", "origin": "From"}


@dataclass(frozen=True, kw_only=True)
class ParameterFigure(Kind):
    """One point per system: the parameters of G and D together, and its FID."""

    of: Comparison
    has_cells: ClassVar[bool] = False

    @property
    def made_of(self) -> str:
        return f"the published systems of {self.of.title}, and reproduced ones where they have been measured"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return comparison_records([self.of], study, released)

    def build(self, context: Context) -> Content:
        cells = self.of.cells(context.name, read_everything(context.store, context.studies))
        published, missing = published_points(cells)
        points = published + self.reproduced_points(cells)
        notes = [f"Not drawn, since the number of parameters is not published: {', '.join(missing)}."]
        if points == published:
            notes.append("No FID has been reproduced yet at any scale.")
        chart = parameters_against_fid(
            points, name="parameters", title=self.title, caption="one point per system, published or reproduced"
        )
        rows = [[shown(point[name]) for name in HEADERS] for point in points]
        return Content(blocks=[chart, grid(rows, list(HEADERS.values()), right=(1, 2))], rows=points, notes=notes)

    def reproduced_points(self, cells: Sequence[Cell]) -> list[Values]:
        """Points of the trained systems, with their exact counts."""
        from r3gan.configs.counts import count_parameters

        found: list[Values] = []
        for cell in cells:
            if cell.quantity == METRIC and cell.reproduced is not None:
                counts = count_parameters(CONFIGS[self.of.trained[cell.row]], self.of.datasets[0])
                millions = sum(counts.values()) / 1e6
                source = f"reproduced, {cell.scale}"
                found.append({"system": cell.row, "parameters_m": millions, "fid": cell.reproduced, "origin": source})
        return found


def published_points(cells: Sequence[Cell]) -> tuple[list[Values], list[str]]:
    """Published points, and the rows that lack a coordinate."""
    values: dict[str, dict[str, float]] = {}
    for cell in cells:
        if (printed := cell.published_value) is not None:
            values.setdefault(cell.row, {})[cell.quantity] = printed
    needed = {"g_params", "d_params", METRIC}
    points: list[Values] = [
        {"system": row, "parameters_m": v["g_params"] + v["d_params"], "fid": v[METRIC], "origin": "published"}
        for row, v in values.items()
        if needed <= v.keys()
    ]
    return points, [row for row, v in values.items() if not needed <= v.keys()]
