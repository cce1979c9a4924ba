"""Lines of charts: one for each series with marks along it, on one panel or one panel for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from r3gan.tables.axes import Axis, Rows, distinct, looks, tooltips, xy

if TYPE_CHECKING:
    import altair

Drawn = TypeVar("Drawn", "altair.Chart", "altair.LayerChart", "altair.FacetChart")
FAILED = "M-0.7,-0.7L0.7,0.7M-0.7,0.7L0.7,-0.7"  # a cross, the mark of a run that diverged
PANEL_PX = 250, 130


def line_chart(
    rows: Rows, x: Axis, y: Axis, series: str, size: tuple[int, int], *, legend: bool = True, level: float | None = None
) -> altair.LayerChart:
    """A line with marks for each series, a cross where a run failed, and a rule at `level`; the caller adds data."""
    import altair as alt

    at, value = xy(x, y, rows, y_also=[] if level is None else [level])
    color, shape = looks(series, distinct(rows, series), legend)
    base = alt.Chart(width=size[0], height=size[1]).encode(at, value, color, tooltip=tooltips((series,), x, y))
    line, points, end = (base.transform_filter(f"datum.mark === '{mark}'") for mark in ("line", "points", "failed"))
    layers = [
        line.mark_line(strokeWidth=1.7).encode(order="at:Q"),
        points.mark_point(filled=True, size=40, opacity=1).encode(shape),
    ]
    if any(row.get("failed") for row in rows):
        layers.append(end.mark_point(shape=FAILED, size=120, strokeWidth=2.5, opacity=1))
    fixed = alt.Chart(alt.Data(values=[{}]))
    if level is not None:
        target = fixed.encode(y=alt.datum(level))
        layers += [target.mark_rule(), target.mark_text(text="target", x=4, dy=-8, align="left")]
    layers += [fixed.mark_point(shape="cross", filled=True).encode(x=alt.datum(0), y=alt.datum(0))] if x.limits else []
    return alt.LayerChart(layer=layers)


def flattened(drawn: Drawn, x: Axis, y: Axis) -> Drawn:
    """Lists of numbers as points, and their order."""
    return drawn.transform_flatten([x.field, y.field]).transform_window(at="row_number()")


def one_by_one(
    rows: Rows, data: altair.Data, x: Axis, y: Axis, *, level: float | None = None, also: Sequence[altair.Chart] = ()
) -> altair.FacetChart:
    """A panel for each `row`: its line in front of those of all others in grey, named by the panel's heading.

    `also` are further layers, of the row's own data.
    """
    import altair as alt

    at, value = xy(x, y, rows, y_also=[] if level is None else [level])
    # Data of a layer's own without the panels' field is in every panel.
    lines = [
        {"other": line["row"], x.field: line[x.field], y.field: line[y.field]}
        for line in data.values
        if line["mark"] == "line"
    ]
    others = alt.Chart(alt.Data(values=lines)).mark_line(color="#8a8a84", opacity=0.5, strokeWidth=1)
    grey = flattened(others.encode(at, value, detail="other:N", order="at:Q"), x, y)
    own = line_chart(rows, x, y, "row", PANEL_PX, legend=False, level=level)
    both = alt.layer(grey, *own.layer, *also, data=data, width=PANEL_PX[0], height=PANEL_PX[1])
    facet = alt.Facet("row:N", title=None, sort=distinct(rows, "row"))
    return flattened(both.facet(facet, columns=3), x, y)
