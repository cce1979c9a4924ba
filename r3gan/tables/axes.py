"""From plain rows to what Vega-Altair draws: axes with round ticks, series with looks, curves as data and in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing altair takes a second, which commands that draw nothing do not spend
    import altair

Value = str | float | bool | None
Row = dict[str, Value]
Rows = Sequence[Row]
MARKS = 10  # of a curve, so that it is known without its colour
LINE_CHARACTERS = 22  # of a row's name, so that a phone's screen has room for what stands next to it
NARROW = "narrow"  # whether names have two lines, of which the first is above the middle of its row


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The field on an axis; a logarithmic axis fits its values, a linear one has `limits` or begins at zero."""

    field: str
    title: str
    log: bool = False
    limits: tuple[float, float] | None = None

    def of(self, row: Mapping[str, Value]) -> float | None:
        """The row's value at the digits that can be seen; None where this axis cannot show it."""
        value = row.get(self.field)
        if not isinstance(value, int | float) or not math.isfinite(value) or (self.log and value <= 0):
            return None
        return round(value, 3) if self.limits else float(f"{value:.5g}")

    def scale(self, rows: Rows, also: Sequence[float] = ()) -> tuple[altair.Scale, altair.Axis]:
        """Scale and ticks for the rows' values and some more."""
        import altair as alt

        plain = ",.12~g"  # without it a logarithmic axis writes 1e+6 and leaves labels out
        if not self.log:
            scale = alt.Scale(domain=list(self.limits), nice=False) if self.limits else alt.Scale(zero=True)
            return scale, alt.Axis(format=plain, tickCount=4)
        values = [value for row in rows if (value := self.of(row)) is not None] + [*also]
        spare = max((max(values) / min(values)) ** 0.05, 1.05)
        low, high = min(values) / spare, max(values) * spare
        return alt.Scale(type="log", domain=[low, high], nice=False), alt.Axis(format=plain, values=ticks(low, high))


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """At most so many round numbers of a logarithmic axis: 1, 2, 5, 10 ..., or even steps within a factor of 4."""
    if high / low <= 4:
        least = (high - low) / (most - 1)
        unit = 10.0 ** math.floor(math.log10(least))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= least)
        return [round(step * i, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [round(factor * 10.0**decade, 12) for decade in decades for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            break
    return found[:: -(-len(found) // most)]


def distinct(rows: Rows, field: str) -> list[str]:
    return list(dict.fromkeys(str(row[field]) for row in rows))


def in_short_lines(row: str) -> str:
    """A row's name in two lines at most, which are no longer than needed."""
    widths = range(LINE_CHARACTERS, max(LINE_CHARACTERS, len(row)) + 1)
    wrapped = (textwrap.wrap(row, width, break_on_hyphens=False) for width in widths)
    return "\n".join(next(lines for lines in wrapped if len(lines) <= 2))


def names_axis(label_font_size: int = 12) -> altair.Axis:
    """The axis of names from `in_short_lines`: in short lines where the parameter NARROW is true, else on one line."""
    import altair as alt

    two_lines = {"test": rf"{NARROW} && indexof(datum.label, '\n') > 0", "value": "bottom"}
    return alt.Axis(
        grid=True,
        labelExpr=rf"{NARROW} ? split(datum.label, '\n') : replace(datum.label, '\n', ' ')",
        labelLimit=0,
        labelBaseline={"condition": two_lines, "value": "middle"},
        labelFontSize=label_font_size,
    )


def xy(
    x: Axis, y: Axis, rows: Rows, x_also: Sequence[float] = (), y_also: Sequence[float] = ()
) -> tuple[altair.X, altair.Y]:
    import altair as alt

    (x_scale, x_axis), (y_scale, y_axis) = x.scale(rows, x_also), y.scale(rows, y_also)
    lines = textwrap.wrap(y.title, 22, break_on_hyphens=False)  # a small panel is no higher
    return (
        alt.X(f"{x.field}:Q", title=x.title, scale=x_scale, axis=x_axis),
        alt.Y(f"{y.field}:Q", title=lines if len(lines) > 1 else y.title, scale=y_scale, axis=y_axis),
    )


def looks(field: str, names: list[str], legend: bool = True) -> tuple[altair.Color, altair.Shape]:
    """How the series of `field` differ; one legend for both, which needs equal domains, and no `sort`."""
    import altair as alt

    scale, shown = alt.Scale(domain=names), alt.Undefined if legend else None
    color = alt.Color(f"{field}:N", title=None, scale=scale, legend=shown)
    return color, alt.Shape(f"{field}:N", title=None, scale=scale, legend=shown)


def tooltips(names: Sequence[str], *axes: Axis) -> list[altair.Tooltip]:
    import altair as alt

    said = [alt.Tooltip(f"{name}:N") for name in names]
    return [*said, *(alt.Tooltip(f"{axis.field}:Q", title=axis.title, format=",.4~g") for axis in axes)]


@dataclass(kw_only=True)
class Curve:
    """The points of a run or a path, each once where it stands still."""

    points: list[tuple[float, float]] = field(default_factory=list)
    failed: bool = False


def curves_of(rows: Rows, x: Axis, y: Axis, keys: Sequence[str]) -> dict[tuple[str, ...], Curve]:
    """The curves that have points, in the order of the rows, by the values of `keys`."""
    found: dict[tuple[str, ...], Curve] = {}
    for row in rows:
        curve = found.setdefault(tuple(str(row[key]) for key in keys), Curve())
        at, value = x.of(row), y.of(row)
        if at is not None and value is not None and curve.points[-1:] != [(at, value)]:
            curve.points.append((at, value))
        curve.failed |= bool(row.get("failed"))
    return {key: curve for key, curve in found.items() if curve.points}


def as_data(curves: Mapping[tuple[str, ...], Curve], x: Axis, y: Axis, keys: Sequence[str]) -> altair.Data:
    """Rows of data with a list for each axis: each curve's line, some of its points, and its end if it failed."""
    import altair as alt

    marked = [(key, "line", curve.points) for key, curve in curves.items()]
    marked += [(key, "points", curve.points[:: -(-len(curve.points) // MARKS)]) for key, curve in curves.items()]
    marked += [(key, "failed", curve.points[-1:]) for key, curve in curves.items() if curve.failed]
    return alt.Data(
        values=[
            {
                **dict(zip(keys, key, strict=True)),
                "mark": mark,
                x.field: [a for a, _ in points],
                y.field: [b for _, b in points],
            }
            for key, mark, points in marked
        ]
    )


def in_words(curves: Mapping[tuple[str, ...], Curve], x: Axis, y: Axis) -> str:
    """Where each curve begins, ends and is least."""
    said = []
    for key, curve in curves.items():
        (x0, y0), (x1, y1), least = curve.points[0], curve.points[-1], min(value for _, value in curve.points)
        end = ", where it failed" if curve.failed else ""
        said.append(f"{', '.join(key)}: from {y0:g} at {x0:g} to {y1:g} at {x1:g}{end}, least {least:g}")
    return f"{y.title} over {x.title}. {'; '.join(said)}."
