"""The generator's loss of a comparison's configurations over training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from r3gan.records.curves import Point, read_curve
from r3gan.records.schema import Values
from r3gan.study import Study
from r3gan.tables.charts import generator_losses
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.kinds.comparison import Comparison, comparison_records, read_everything
from r3gan.tables.markdown import grid, shown


@dataclass(frozen=True, kw_only=True)
class LossFigure(Kind):
    """One chart per scale, one curve per configuration (its first seed)."""

    of: Comparison
    has_cells: ClassVar[bool] = False

    @property
    def made_of(self) -> str:
        return f"the loss curves of {', '.join(self.of.trained.values())}"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return comparison_records([self.of], study, released)

    def build(self, context: Context) -> Content:
        points, rows = list[Values](), list[Values]()
        for scale, records in read_everything(context.store, context.studies).items():
            for row, config in self.of.trained.items():
                if runs := self.of.runs_of(records, config):
                    failed = runs[0].outcome == "Fail"
                    curve = read_curve(context.store.results / runs[0].run / "loss.csv")
                    points += [{"scale": scale, "row": row, "failed": failed, **point} for point in curve]
                    rows.append(line_of(row, scale, runs[0].training.kimg, curve, failed))
        chart = generator_losses(
            points, name="losses", title=self.title, caption="one panel per scale, the first seed of each objective"
        )
        if not rows:
            return Content(blocks=[chart], notes=["No run has been recorded yet."])
        headers = [key.replace("_", " ").capitalize() for key in rows[0]]
        table = grid([[shown(v) for v in row.values()] for row in rows], headers, right=range(2, 6))
        return Content(blocks=[chart, table], rows=rows)


def line_of(row: str, scale: str, kimg: float, curve: Sequence[Point], failed: bool) -> Values:
    """The course of one curve in numbers."""
    losses = sorted(point["loss_g"] for point in curve) or [float("nan")]
    return {
        "objective": row,
        "scale": scale,
        "kimg": kimg,
        "g_loss_least": losses[0],
        "g_loss_median": losses[len(losses) // 2],
        "g_loss_largest": losses[-1],
        "outcome": "Fail" if failed else "trained",
    }
