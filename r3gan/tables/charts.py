"""Charts: Vega-Altair specifications made of plain rows, and one renderer to SVG, PNG and Vega-Lite JSON."""

from __future__ import annotations

import io
import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from r3gan.files import atomic, write_text
from r3gan.tables.axes import (
    NARROW,
    Axis,
    Rows,
    as_data,
    curves_of,
    distinct,
    in_short_lines,
    in_words,
    looks,
    names_axis,
    tooltips,
    xy,
)
from r3gan.tables.lines import flattened, line_chart, one_by_one

if TYPE_CHECKING:
    import altair

PPI = 110
MOST_LINES = 5  # that can be told apart where they cross
NOTHING = "no run has been recorded yet"
# Contrast with white is 3 or more, and all eight differ in every kind of colour blindness (CIELAB distances above 12);
# series differ in shapes too.
COLOURS = ["#0072b2", "#d55e00", "#00523f", "#cc6da5", "#858f54", "#35289a", "#71192a", "#2f9bd6"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
CONFIG = {
    "background": "#ffffff",
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "range": {"category": COLOURS, "symbol": SHAPES},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e4e4e0"},
    "axisY": {"labelLimit": 320},
    "legend": {"labelFontSize": 12, "labelLimit": 300, "orient": "bottom", "columns": 3, "columnPadding": 16},
    "header": {"labelFontSize": 12, "labelFontWeight": "bold", "labelAnchor": "start", "labelLimit": 300},
    "title": {"fontSize": 14, "anchor": "start", "offset": 12, "subtitleFontSize": 12, "subtitlePadding": 6},
    "text": {"fontSize": 12, "color": "#1c1e21"},
    "point": {"color": "#1c1e21"},
    "rule": {"color": "#1c1e21", "strokeDash": [5, 3]},
    "view": {"stroke": "#b9b9b0"},
}


class About(TypedDict):
    """What a caller says of a chart: its file's stem, a heading, and a caption with n, scale and what is shown."""

    name: str
    title: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: `alt` says its numbers in words, `spec` is Vega-Lite with its data and all of this."""

    name: str
    title: str
    caption: str
    alt: str
    spec: Mapping[str, object]


def finished(drawn: altair.TopLevelMixin, said: str, about: About) -> Chart:
    """The chart with title, caption and description inside its specification."""
    title = {"text": about["title"], "subtitle": textwrap.wrap(about["caption"], 90)}
    alt = f"{about['title']}. {said}"
    return Chart(alt=alt, spec={**drawn.to_dict(), "title": title, "description": alt, "config": CONFIG}, **about)


def empty(about: About) -> Chart:
    import altair as alt

    return finished(alt.Chart(alt.Data(values=[{}]), width=400, height=80).mark_text(text=NOTHING), NOTHING, about)


def panels(
    rows: Rows, x: Axis, y: Axis, series: str, panel: str, about: About, *, size: tuple[int, int], columns: int
) -> Chart:
    """Curves of each series, one chart for each value of `panel` on common axes."""
    import altair as alt

    keys = (panel, series)
    curves = curves_of(rows, x, y, keys)
    if not curves:
        return empty(about)
    facet = alt.Facet(f"{panel}:N", title=None, sort=distinct(rows, panel))
    one = line_chart(rows, x, y, series, size).properties(data=as_data(curves, x, y, keys))
    return finished(flattened(one.facet(facet, columns=columns), x, y), in_words(curves, x, y), about)


def loss_curves(rows: Rows, **about: Unpack[About]) -> Chart:
    """Losses of D and G over training, a panel for each `row`: keys row, kimg, loss_d, loss_g, failed."""
    columns = {"loss_d": "D loss", "loss_g": "G loss"}
    both = [{**row, "network": name, "loss": row.get(column)} for column, name in columns.items() for row in rows]
    x, y = Axis(field="kimg", title="training images (kimg)"), Axis(field="loss", title="loss")
    return panels(both, x, y, "network", "row", about, size=(210, 150), columns=4)


def generator_losses(rows: Rows, **about: Unpack[About]) -> Chart:
    """G's loss over training, a panel for each `scale` and a line for each `row`: keys kimg, loss_g, failed."""
    x, y = Axis(field="kimg", title="training images (kimg)"), Axis(field="loss_g", title="generator loss", log=True)
    return panels(rows, x, y, "row", "scale", about, size=(480, 300), columns=2)


def gradient_norms(rows: Rows, **about: Unpack[About]) -> Chart:
    """Norms of D's gradient over training, a panel for each `scale` and side, a line for each `row`.

    Keys kimg, grad_norm_real, grad_norm_fake, failed.
    """
    sides = {"grad_norm_real": "at reals", "grad_norm_fake": "at fakes"}
    both = [
        {**row, "panel": f"{row['scale']}, {name}", "norm": row.get(column)}
        for column, name in sides.items()
        for row in rows
    ]
    x = Axis(field="kimg", title="training images (kimg)")
    y = Axis(field="norm", title="norm of D's gradient", log=True)
    return panels(both, x, y, "row", "panel", about, size=(380, 240), columns=2)


def trajectories(rows: Rows, **about: Unpack[About]) -> Chart:
    """Paths around the equilibrium at (0, 0), a panel for each `setting`, a line for each `players`: theta, psi."""
    x, y = (Axis(field=f, title=t, limits=(-1.5, 1.5)) for f, t in (("theta", "theta - c"), ("psi", "psi")))
    return panels(rows, x, y, "players", "setting", about, size=(190, 190), columns=4)


def convergence(rows: Rows, *, metric: str, target: float | None, **about: Unpack[About]) -> Chart:
    """A metric over images and over seconds of training, a line for each `row`: kimg, train_seconds, value."""
    import altair as alt

    value = Axis(field="value", title=metric, log=True)
    many = len(distinct(rows, "row")) > MOST_LINES
    drawn, said = list[alt.LayerChart | alt.FacetChart](), list[str]()
    for name, title in (("kimg", "training images (kimg)"), ("train_seconds", "training time (s)")):
        clock = Axis(field=name, title=title, log=True)
        curves = curves_of(rows, clock, value, ("row",))
        if not curves:
            return empty(about)
        data = as_data(curves, clock, value, ("row",))
        if many:
            drawn.append(one_by_one(rows, data, clock, value, level=target))
        else:
            lines = line_chart(rows, clock, value, "row", (400, 300), level=target).properties(data=data)
            drawn.append(flattened(lines, clock, value))
        said.append(in_words(curves, clock, value))
    said += [] if target is None else [f"The dashed line is the target, {target:.4g}."]
    return finished(alt.concat(*drawn, columns=1 if many else 2), " ".join(said), about)


def logged_curves(rows: Rows, **about: Unpack[About]) -> Chart:
    """FID over training, a panel for each `row` (kimg, fid), where a diamond is at the FID that is `printed`."""
    import altair as alt

    x = Axis(field="kimg", title="training images (kimg)")
    y = Axis(field="fid", title="FID (50,000 samples)", log=True)
    logged = [row for row in rows if not row["printed"]]
    curves = curves_of(logged, x, y, ("row",))
    if not curves:
        return empty(about)
    printed = [{**row, "mark": "printed", "kimg": [row["kimg"]], "fid": [row["fid"]]} for row in rows if row["printed"]]
    data = as_data(curves, x, y, ("row",))
    data.values = [*data.values, *printed]
    marks = alt.Chart().transform_filter("datum.mark === 'printed'").encode(x="kimg:Q", y="fid:Q")
    diamond = marks.mark_point(shape="diamond", size=120, filled=True, opacity=1)
    said = "; ".join(f"printed for {row['row']}: {row['fid']}" for row in rows if row["printed"])
    return finished(one_by_one(logged, data, x, y, also=[diamond]), f"{in_words(curves, x, y)} {said}.", about)


def dots(rows: Rows, x: Axis, series: str, panel: str, about: About, level: float | None = None) -> Chart:
    """Values on a logarithmic axis, a line of marks for each `row`, one panel for each value of `panel`."""
    import altair as alt

    shown = [
        {**row, x.field: value, "name": in_short_lines(str(row["row"]))}
        for row in rows
        if (value := x.of(row)) is not None
    ]
    if not shown:
        return empty(about)
    levels = [] if level is None else [level]
    scale, axis = x.scale(shown, levels)
    color, shape = looks(series, distinct(shown, series))
    points = alt.Chart(width=480, height=alt.Step(26)).mark_point(filled=True, size=80, opacity=1)
    points = points.encode(
        alt.X(f"{x.field}:Q", title=x.title, scale=scale, axis=axis),
        alt.Y("name:N", title=None, sort=distinct(shown, "name"), axis=names_axis()),
        color,
        shape,
        tooltip=tooltips(("row", series), x),
    )
    rules = [alt.Chart(alt.Data(values=[{}])).mark_rule().encode(x=alt.datum(level)) for level in levels]
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(*rules, points).properties(data=alt.Data(values=shown))
    if len(names := distinct(shown, panel)) > 1:  # a single one is named in the caption
        facet = alt.Facet(f"{panel}:N", title=None, sort=names)
        drawn = drawn.facet(facet, columns=1).resolve_scale(y="independent")
    said = "; ".join(f"{row[panel]}, {row['row']}, {row[series]}: {row[x.field]:.4g}" for row in shown)
    drawn = drawn.add_params(alt.param(name=NARROW, value=False))
    return finished(drawn, f"{x.title}. {said}.", about)


def heat_map(rows: Rows, columns: str = "", **about: Unpack[About]) -> Chart:
    """A matrix of numbers, darker where they are larger: keys row, variant, value, and `shown` in words.

    `columns`: what the variants are values of.
    """
    import altair as alt

    rows = [row for row in rows if not isinstance(row["value"], float) or math.isfinite(row["value"])]
    if not rows:
        return empty(about)
    base = alt.Chart(width=alt.Step(84), height=alt.Step(30)).encode(
        alt.X(
            "variant:N",
            title=columns or None,
            sort=distinct(rows, "variant"),
            axis=alt.Axis(orient="top", labelAngle=0),
        ),
        alt.Y("row:N", title=None, sort=distinct(rows, "row")),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("row", "variant", "shown")],
    )
    # Light enough for black words on every field.
    shade = alt.Scale(range=["#ffffff", "#78b7dd"], type="symlog", interpolate="rgb")
    fields = base.mark_rect(stroke="#b9b9b0").encode(alt.Color("value:Q", scale=shade, legend=None))
    drawn = alt.layer(fields, base.mark_text().encode(text="shown:N")).properties(data=alt.Data(values=[*rows]))
    named = {row["variant"]: f"{columns} {row['variant']}".strip() for row in rows}
    said = "; ".join(f"{row['row']}, {named[row['variant']]}: {row['shown']}" for row in rows)
    return finished(drawn, f"{said}.", about)


def relative_distances(rows: Rows, **about: Unpack[About]) -> Chart:
    """Distances relative to a baseline, a panel for each `scale`, a mark for each `measured`: keys row, relative."""
    x = Axis(field="relative", title="relative distance", log=True)
    return dots(rows, x, "measured", "scale", about, level=1)


def step_times(rows: Rows, **about: Unpack[About]) -> Chart:
    """Duration of a training step, a panel for each `hardware`, a mark for each `variant`: keys row, step_ms."""
    return dots(rows, Axis(field="step_ms", title="time per step (ms)", log=True), "variant", "hardware", about)


def parameters_against_fid(rows: Rows, **about: Unpack[About]) -> Chart:
    """Named points, a mark for each `origin`: keys system, parameters_m, fid."""
    import altair as alt

    x, y = (
        Axis(field="parameters_m", title="parameters of G and D (millions)", log=True),
        Axis(field="fid", title="FID"),
    )
    shown = [row for row in rows if x.of(row) and y.of(row)]
    if not shown:
        return empty(about)
    room = [1.8 * (x.of(row) or 0.0) for row in shown]  # for the names, which stand on the right
    color, shape = looks("origin", distinct(shown, "origin"))
    base = alt.Chart(width=480, height=300).encode(*xy(x, y, shown, room), tooltip=tooltips(("system", "origin"), x, y))
    points = base.mark_point(filled=True, size=90, opacity=1).encode(color, shape)
    names = base.mark_text(align="left", dx=8, dy=-6).encode(text="system:N")
    drawn = alt.layer(points, names).properties(data=alt.Data(values=shown))
    said = "; ".join(f"{r['system']} ({r['origin']}): {r[x.field]:.4g}, {r[y.field]:.4g}" for r in shown)
    return finished(drawn, f"{y.title} over {x.title}. {said}.", about)


def write_chart(chart: Chart, folder: Path) -> None:
    """Write <name>.svg, <name>.png and <name>.vl.json; the same numbers give the same bytes."""
    import vl_convert
    from PIL import Image

    text = json.dumps(chart.spec, ensure_ascii=False, allow_nan=False)
    write_text(folder / f"{chart.name}.vl.json", text + "\n")
    write_text(folder / f"{chart.name}.svg", vl_convert.vegalite_to_svg(text, allowed_base_urls=[]))
    png = vl_convert.vegalite_to_png(text, ppi=PPI, allowed_base_urls=[])
    with Image.open(io.BytesIO(png)) as image, atomic(folder / f"{chart.name}.png") as temporary:
        few = image.convert("RGB").quantize(64, Image.Quantize.FASTOCTREE)  # keeps colours that are in few pixels
        few.save(temporary, optimize=True)  # a quarter of the bytes
