"""The generator's loss of a comparison's configurations over training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import ClassVar

from r3gan.records.curves import read_curve
from r3gan.records.schema import Evaluation
from r3gan.study import Study
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import generator_losses, gradient_norms
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.kinds.comparison import Comparison, comparison_records, read_everything

SUMMARIES: Mapping[str, Callable[[Sequence[float]], float]] = {"least": min, "median": median_low, "largest": max}


@dataclass(frozen=True, kw_only=True)
class LossFigure(Kind):
    """One panel per scale, one curve per configuration (its first seed)."""

    of: Comparison
    corner: ClassVar[str] = "Objective"

    @property
    def made_of(self) -> str:
        return f"the loss curves of {', '.join(self.of.trained.values())}"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return comparison_records([self.of], study, released)

    def build(self, context: Context) -> Content:
        points, cells, shown = list[Row](), list[Cell](), dict[str, list[Evaluation]]()
        for scale, records in read_everything(context.store, context.studies).items():
            for row, config in self.of.trained.items():
                if runs := self.of.runs_of(records, config):
                    curve = read_curve(context.store.results / runs[0].run / "loss.csv")
                    failed = runs[0].outcome == "Fail"
                    points += [{"scale": scale, "row": row, "failed": failed, **point} for point in curve]
                    cells += cells_of(context.name, row, runs[0], [point["loss_g"] for point in curve])
                    shown.setdefault(scale, []).append(runs[0])
        caption = "one panel per scale, the first seed of each objective (n = 1)"
        chart = generator_losses(points, name="losses", title=self.title, caption=caption)
        norms = gradient_norms(points, name="gradients", title="D's gradient under four objectives", caption=caption)
        notes = [] if cells else ["No run has been recorded yet."]
        return Content(cells=cells, pictures=[chart, norms], notes=notes, records=shown)


def cells_of(table: str, row: str, record: Evaluation, losses: Sequence[float]) -> list[Cell]:
    """The course of one curve in numbers."""
    return [
        Cell(
            table=table,
            row=row,
            config=record.config,
            quantity=f"G loss, {name}",
            scale=record.scale,
            reproduced=summary(losses),
            n=1,
            seeds=(record.seed,),
            outcome="trained",
            records=(f"{record.run}/metrics.json",),
        )
        for name, summary in SUMMARIES.items()
        if losses
    ]
