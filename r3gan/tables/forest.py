"""The forest plot: effects with their intervals, one panel for each unit, and on which side they are as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Unpack

from r3gan.tables.axes import NARROW, Axis, Rows, distinct, in_short_lines, looks, names_axis, ticks
from r3gan.tables.charts import About, Chart, empty, finished
from r3gan.tables.verdict import CONTRADICTED, SUPPORTED, UNDECIDED

if TYPE_CHECKING:
    import altair

ROW_PX, WIDTH_PX = 30, 300  # for a phone; the page takes lower rows where names have room on one line
ORDER = [SUPPORTED, CONTRADICTED, UNDECIDED]
# In the order of the palette, so that each has its colour on the page, whichever of them a chart shows.
WORDS = [CONTRADICTED, UNDECIDED, SUPPORTED]  # blue, orange, green
ENDS = ("effect", "low", "high")
# On both sides of the line at no effect.
SIDES: Mapping[str, tuple[Literal["left", "right"], int]] = {
    "\u2190 against the claim": ("right", -6),
    "as published \u2192": ("left", 6),
}


def forest(rows: Rows, **about: Unpack[About]) -> Chart:
    """Effects with intervals and a line at `none`: keys row, effect, low, high, none, unit, verdict.

    What is decided comes first. Where no effect is 1 the effects are ratios, and their axis is logarithmic.
    """
    import altair as alt

    known = [row for row in rows if all(Axis(field=end, title="").of(row) is not None for end in ENDS)]
    shown = sorted(known, key=lambda row: ORDER.index(str(row["verdict"])))
    if not shown:
        return empty(about)
    units, words = distinct(shown, "unit"), [word for word in ORDER if word in distinct(shown, "verdict")]
    panels = [panel([row for row in shown if row["unit"] == unit], unit, words) for unit in units]
    said = "; ".join(
        f"{r['row']}: {r['effect']:.4g} [{r['low']:.3g}, {r['high']:.3g}] {r['unit']}, {r['verdict']}" for r in shown
    )
    drawn = alt.concat(*panels, columns=1).add_params(alt.param(name=NARROW, value=True))
    return finished(drawn, f"{said}.", about)


def panel(rows: Rows, unit: str, words: list[str]) -> altair.LayerChart:
    """The effects of one unit, with `words` in the legend; above the line at no effect stands which side is which."""
    import altair as alt

    none, names = float(rows[0]["none"] or 0), [in_short_lines(str(row["row"])) for row in rows]
    scale, labels = scale_of(rows, none)
    at, low = (alt.X(f"{end}:Q", title=None, scale=scale, axis=labels) for end in ("effect", "low"))
    place = alt.Y("name:N", title=None, sort=names, axis=names_axis(label_font_size=11))
    color, shape = looks("verdict", WORDS)
    # Without a stroke: that of the intervals would be a second, dashed outline of the symbols.
    legend = alt.Legend(values=words, symbolStrokeWidth=0, orient="top", columnPadding=6)
    color, shape = color.legend(legend), shape.legend(legend)
    base = alt.Chart().encode(place, tooltip=[alt.Tooltip(f"{name}:N") for name in ("row", *ENDS, "verdict")])
    fixed = alt.Chart(alt.Data(values=[{}])).encode(x=alt.datum(none))
    layers = [
        fixed.mark_rule(),
        *(fixed.mark_text(text=said, align=side, dx=dx, y=-8, fontSize=10) for said, (side, dx) in SIDES.items()),
        base.mark_rule(strokeDash=[1, 0], strokeWidth=2).encode(low, color, x2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(at, color, shape),
    ]
    data = [{**row, "name": name} for row, name in zip(rows, names, strict=True)]
    title = alt.TitleParams(unit, frame="group", offset=8, fontSize=12)
    return alt.LayerChart(
        layer=layers, data=alt.Data(values=data), title=title, width=WIDTH_PX, height=alt.Step(ROW_PX)
    )


def scale_of(rows: Rows, none: float) -> tuple[altair.Scale, altair.Axis]:
    """The axis of effects, with some room on both sides of what is shown: ratios, or differences with their sign.

    As published there is as much room as on the other side, since the words above it stand there.
    """
    ends = [none, *(float(row[end] or 0) for row in rows for end in ENDS)]
    ends.append(1 / min(ends) if none == 1 else 2 * none - min(ends))
    if none == 1:
        scale, axis = Axis(field="effect", title="", log=True).scale(rows, ends)
        low, high = scale.domain
        fives = [5.0**power for power in range(-9, 10) if low <= 5.0**power <= high]
        axis.labelExpr, axis.values = "'x ' + datum.label", fives if len(fives) > 2 else ticks(low, high, 5)
        return scale, axis
    spare = 0.08 * (max(ends) - min(ends)) or 1.0
    scale, axis = Axis(field="effect", title="", limits=(min(ends) - spare, max(ends) + spare)).scale(rows)
    axis.format = "+,.12~g"
    return scale, axis
