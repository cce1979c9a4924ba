"""Which charts and pictures belong to a table, from the records behind its numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from r3gan.metrics import METRICS
from r3gan.metrics.crossing import values_of
from r3gan.report.charts import Axis, Series, bar_chart, line_chart, scatter_chart
from r3gan.report.content import Content, TableContent
from r3gan.tables import TABLES, ConvergenceTable, LossFigure, ParameterFigure
from r3gan.tables.cells import Cell
from r3gan.tables.render import number

# Pictures of a table that the page draws itself, from the same records.
DRAWN_HERE = ("-samples", "-curves", "-convergence")
WIDEST_PX = 1600
CLOCKS = (("kimg", "thousands of images"), ("train_seconds", "seconds of training"))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Charts that share a legend; the legend names a colour's series."""

    title: str
    charts: tuple[tuple[str, Markup], ...]  # caption, picture
    legend: tuple[str, ...] = ()
    marks: bool = False  # whether the legend shows the series' marks
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture inside the page."""

    title: str
    alt: str
    source: str  # a data URI
    width: int
    height: int


def first_records(table: TableContent, content: Content) -> dict[str, Cell]:
    """The first seed's record of every row at every scale, by file, with a cell that names it."""
    found: dict[str, Cell] = {}
    for cell in table.cells:
        if cell.records and "training" in content.records[cell.records[0]]:
            found.setdefault(cell.records[0], cell)
    return found


def first_runs(table: TableContent, content: Content) -> dict[str, tuple[Cell, dict[str, Any]]]:
    """The same run by run: one that is measured on the way and at its end has two records."""
    found: dict[str, tuple[Cell, dict[str, Any]]] = {}
    for path, cell in first_records(table, content).items():
        record = content.records[path]
        found.setdefault(record["training"]["run"], (cell, record))
    return found


def named(cell: Cell) -> str:
    return f"{cell.row}, {cell.scale}"


def figures_of(table: TableContent, content: Content) -> list[Figure]:
    """The charts of a table or a figure."""
    entry = TABLES[table.name]
    if isinstance(entry, ParameterFigure):
        return [parameters_against_fid(table)]
    if isinstance(entry, LossFigure):
        return generator_losses(entry, content)
    return [*convergence_figures(table, content), *loss_figures(table, content)]


def parameters_against_fid(table: TableContent) -> Figure:
    """The points of the figure's CSV: published ones, and ours."""
    groups: list[list[Series]] = [[], []]
    for row in table.rows:
        mine = row["from"] != "published"
        point = float(row["parameters_m"]), float(row["fid"])
        groups[mine].append(Series(label=row["from"] if mine else row["system"], points=(point,)))
    x, y = Axis(label="parameters of G and D, millions", log=True), Axis(label="FID")
    chart = scatter_chart(table.title, groups, x, y)
    legend = ("published", "ours") if groups[1] else ()
    return Figure(title="", charts=(("", chart),), legend=legend, marks=True)


def generator_losses(figure: LossFigure, content: Content) -> list[Figure]:
    """The generator's loss under each objective, a chart a scale."""
    scales: dict[str, dict[str, Series]] = {}
    for table in content.tables:
        for path, cell in first_records(table, content).items():
            record = content.records[path]
            run = record["training"]["run"]
            if cell.section != figure.of.title or run not in content.losses:
                continue
            failed = record["outcome"] == "Fail"
            label = f"{cell.row} (Fail)" if failed else cell.row
            series = Series(label=label, points=points_of(content.losses[run], "loss_g"), failed=failed)
            scales.setdefault(cell.scale, {}).setdefault(cell.row, series)
    x, y = Axis(label="thousands of images"), Axis(label="generator loss", log=True)
    return [
        Figure(
            title=f"{scale.capitalize()} scale",
            charts=(("", line_chart(f"{figure.title}, {scale} scale", list(found.values()), x, y, size=(560, 320))),),
            legend=tuple(found),
        )
        for scale, found in scales.items()
    ]


def points_of(curve: dict[str, list[float]], column: str) -> tuple[tuple[float, float], ...]:
    return tuple(zip(curve.get("kimg", ()), curve.get(column, ()), strict=False))


def loss_figures(table: TableContent, content: Content) -> list[Figure]:
    """Losses of D and G of every row's first seed, a small chart each, scale by scale."""
    scales: dict[str, list[tuple[str, Markup]]] = {}
    for run, (cell, record) in first_runs(table, content).items():
        curve = content.losses.get(run)
        if curve is None:
            continue
        failed = record["outcome"] == "Fail"
        columns = (("loss_d", "D loss"), ("loss_g", "G loss"))
        series = [Series(label=label, points=points_of(curve, name), failed=failed) for name, label in columns]
        x, y = Axis(label="thousands of images"), Axis(label="loss")
        chart = line_chart(f"Losses of {named(cell)}", series, x, y, size=(300, 190))
        scales.setdefault(cell.scale, []).append((cell.row, chart))
    return [
        Figure(title=f"Losses, {scale} scale", charts=tuple(charts), legend=("D loss", "G loss"), note="First seeds.")
        for scale, charts in scales.items()
    ]


def convergence_figures(table: TableContent, content: Content) -> list[Figure]:
    """A metric over images and over time, for every scale and metric with convergence records."""
    scales: dict[str, dict[str, dict[str, Any]]] = {}
    for path, cell in first_records(table, content).items():
        if "points" in content.records[path]:
            scales.setdefault(cell.scale, {})[cell.row] = content.records[path]
    figures = []
    for scale, records in scales.items():
        for metric in dict.fromkeys(name for record in records.values() for name in record["metrics"]):
            rows = {row: record for row, record in records.items() if metric in record["metrics"]}
            figures.append(convergence_figure(table, scale, metric, rows))
    return figures


def convergence_figure(table: TableContent, scale: str, metric: str, rows: dict[str, dict[str, Any]]) -> Figure:
    """Both clocks, with the best of the baseline where the table has one."""
    title = METRICS[metric].title if metric in METRICS else metric
    target = target_of(table, metric, rows)
    charts = []
    for clock, label in CLOCKS:
        series = [
            Series(label=row, points=tuple((p[clock], p["values"][metric]) for p in record["points"]))
            for row, record in rows.items()
        ]
        x, y = Axis(label=label, log=True), Axis(label=metric, log=True)
        named = f"{title} over {label}, {scale} scale"
        charts.append((f"over {label}", line_chart(named, series, x, y, size=(460, 320), marks=True, target=target)))
    return Figure(
        title=f"Convergence, {scale} scale",
        charts=tuple(charts),
        legend=tuple(rows),
        marks=True,
        note=f"{title}; both axes are logarithmic." + (f" Dashed: {target[0]}, {number(target[1])}." if target else ""),
    )


def target_of(table: TableContent, metric: str, rows: dict[str, dict[str, Any]]) -> tuple[str, float] | None:
    """The best of the table's baseline, if it has one and that was run."""
    entry = TABLES[table.name]
    if not isinstance(entry, ConvergenceTable):
        return None
    for row, record in rows.items():
        if record["config"] == entry.baseline:
            values = values_of(record, metric)
            lower = metric not in METRICS or METRICS[metric].better == "lower"
            return f"best of {row}", min(values) if lower else max(values)
    return None


def samples_of(table: TableContent, content: Content) -> list[Picture]:
    """The sample grid of every row's first seed."""
    found = []
    for run, (cell, record) in first_runs(table, content).items():
        sheet = content.samples.get(run)
        if sheet is not None:
            said = f"Samples of {named(cell)} scale: {record['dataset']}, seed {record['seed']}, a grid of small images"
            found.append(picture(sheet, named(cell), said))
    return found


def pictures_of(table: TableContent) -> list[Picture]:
    """Pictures beside the table that the page does not draw itself."""
    if isinstance(TABLES[table.name], LossFigure | ParameterFigure):
        return []
    left = [path for path in table.pictures if not path.stem.endswith(DRAWN_HERE)]
    return [picture(path, "", f"{table.title}: {path.stem}") for path in left]


def picture(path: Path, title: str, alt: str) -> Picture:
    """A picture as a data URI, in the smaller of WebP's two ways; a large one is made smaller first."""
    from PIL import Image

    if path.suffix == ".svg":
        return Picture(title=title, alt=alt, source=data_uri("svg+xml", path.read_bytes()), width=0, height=0)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    ways: Sequence[dict[str, Any]] = ({"lossless": True}, {"quality": 80})
    if image.width > WIDEST_PX:
        image = image.resize((WIDEST_PX, round(image.height * WIDEST_PX / image.width)), Image.Resampling.LANCZOS)
        ways = ways[1:]  # of photographs, which do not get small without loss
    encoded = []
    for way in ways:
        out = io.BytesIO()
        image.save(out, "WEBP", **way)
        encoded.append(out.getvalue())
    smallest = min(encoded, key=len)
    return Picture(title=title, alt=alt, source=data_uri("webp", smallest), width=image.width, height=image.height)


def data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def speed_charts(content: Content) -> list[tuple[str, Markup]]:
    """Milliseconds of a whole training step, ours and a textbook's, a chart a machine."""
    charts = []
    for path, record in content.benchmarks.items():
        rows = [
            (f"{e['config']}, {e['size']}, batch {e['batch']}", e["ours_ms"], e["textbook_ms"])
            for e in record["measured"]
            if e.get("step") == "iteration" and "textbook_ms" in e
        ]
        if rows:
            machine = Path(path).parent.name
            charts.append((machine, bar_chart(f"Training step on {machine}", ("ours", "textbook"), rows, "ms")))
    return charts
