"""The pipeline's stages as a picture: a column of boxes a step, lines from what is needed to what needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from r3gan.report.charts import add, markup, svg
from r3gan.report.stages import Stage

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 144.0, 42.0, 46.0, 16.0, 2.0
Place = tuple[float, float]
Edge = tuple[str, str]


def dag_chart(stages: Sequence[Stage]) -> Markup:
    """Boxes and lines; who does not see them reads the same in words."""
    columns, chains = laid_out(stages)
    tallest = max(map(len, columns))
    width = len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    height = tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places: dict[str, Place] = {}
    for i, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * (BOX_HEIGHT + GAP_Y) / 2
        for j, name in enumerate(column):
            places[name] = MARGIN + i * (BOX_WIDTH + GAP_X), top + j * (BOX_HEIGHT + GAP_Y)
    said = "; ".join(f"{s.name} needs {', '.join(s.needs)}" for s in stages if s.needs)
    root = svg("Stages of the pipeline", said, width, height)
    for chain in chains:
        add(root, "path", class_="edge", d=path_through([places[name] for name in chain]))
    for stage in stages:
        x, y = places[stage.name]
        add(root, "rect", class_="box", x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=6)
        add(root, "text", stage.name, class_="stage", x=x + 10, y=y + 18)
        times = f", {stage.times} times" if stage.times and stage.times > 1 else ""
        add(root, "text", f"{stage.command}{times}", class_="tick", x=x + 10, y=y + 33)
    return markup(root)


def laid_out(stages: Sequence[Stage]) -> tuple[list[list[str]], list[list[str]]]:
    """Columns of names, and each line as the names that it passes; where it passes a column it has a name there too."""
    needs = {stage.name: stage.needs for stage in stages}
    edges = [(a, b) for b, found in needs.items() for a in found if not follows(a, b, needs)]
    last: dict[str, int] = {}  # counted from the right, so that a stage stands close to those that need it
    for stage in reversed(stages):
        last[stage.name] = max((last[b] + 1 for a, b in edges if a == stage.name), default=0)
    deepest = max(last.values())
    columns: list[list[str]] = [[] for _ in range(deepest + 1)]
    for stage in stages:
        columns[deepest - last[stage.name]].append(stage.name)
    chains = []
    for a, b in edges:
        passed = [f"{a} to {b}, column {i}" for i in range(deepest - last[a] + 1, deepest - last[b])]
        for i, name in enumerate(passed, deepest - last[a] + 1):
            columns[i].append(name)
        chains.append([a, *passed, b])
    links = [link for chain in chains for link in pairwise(chain)]
    for left, right in pairwise(columns):
        right.sort(key=lambda name: average([left.index(a) for a, b in links if b == name], len(left)))
    return columns, chains


def follows(first: str, second: str, needs: Mapping[str, Sequence[str]]) -> bool:
    """Whether something else that the second needs, needs the first."""
    return any(other != first and reaches(first, other, needs) for other in needs[second])


def reaches(first: str, second: str, needs: Mapping[str, Sequence[str]]) -> bool:
    return any(name == first or reaches(first, name, needs) for name in needs[second])


def average(places: Sequence[int], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def path_through(places: Sequence[Place]) -> str:
    """From one box's right to another's left, level at both ends and where it passes a column."""
    middle = BOX_HEIGHT / 2
    (x, y), *others = places
    x, y = x + BOX_WIDTH, y + middle
    parts = [f"M{x:g},{y:g}"]
    for i, (a, b) in enumerate(others):
        b, half = b + middle, GAP_X / 2
        parts.append(f"C{x + half:g},{y:g} {a - half:g},{b:g} {a:g},{b:g}")
        x, y = a, b
        if i < len(others) - 1:
            x += BOX_WIDTH
            parts.append(f"H{x:g}")
    return "".join(parts)
