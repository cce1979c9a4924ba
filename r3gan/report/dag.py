"""The pipeline's stages as a picture: a column of boxes a step, lines from what is needed to what needs it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from r3gan.report.charts import add, markup, svg
from r3gan.report.stages import Stage, layers

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 150.0, 42.0, 56.0, 16.0, 6.0
Place = tuple[float, float]


def dag_chart(stages: Sequence[Stage]) -> Markup:
    """Boxes and lines; who does not see them reads the same in words."""
    columns = [sorted(column, key=lambda s: by_needs(s, stages)) for column in layers(stages)]
    tallest = max(map(len, columns))
    width = len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places: dict[str, Place] = {}
    for i, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * (BOX_HEIGHT + GAP_Y) / 2
        for j, stage in enumerate(column):
            places[stage.name] = MARGIN + i * (BOX_WIDTH + GAP_X), top + j * (BOX_HEIGHT + GAP_Y)
    said = "; ".join(f"{s.name} needs {', '.join(s.needs)}" for s in stages if s.needs)
    root = svg("Stages of the pipeline", said, width, height)
    for stage in stages:
        x, y = places[stage.name]
        for name in stage.needs:
            a, b = places[name]
            add(root, "path", class_="edge", d=curve((a + BOX_WIDTH, b + BOX_HEIGHT / 2), (x, y + BOX_HEIGHT / 2)))
    for stage in stages:
        x, y = places[stage.name]
        add(root, "rect", class_="box", x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=6)
        add(root, "text", stage.name, class_="stage", x=x + 10, y=y + 18)
        times = f" x {stage.times}" if stage.times else ""
        add(root, "text", f"{stage.command}{times}", class_="tick", x=x + 10, y=y + 33)
    return markup(root)


def by_needs(stage: Stage, stages: Sequence[Stage]) -> float:
    """Where a stage's needs stand on average, so that fewer lines cross."""
    order = {each.name: i for i, each in enumerate(stages)}
    return sum(order[name] for name in stage.needs) / len(stage.needs) if stage.needs else float(order[stage.name])


def curve(start: Place, end: Place) -> str:
    """From one box's right to another's left, level at both ends."""
    (a, b), (c, d) = start, end
    half = (c - a) / 2 if c - a < 2 * GAP_X else GAP_X
    return f"M{a:g},{b:g}C{a + half:g},{b:g} {c - half:g},{d:g} {c:g},{d:g}"
