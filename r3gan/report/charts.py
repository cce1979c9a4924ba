"""Charts as SVG in the page's colours: lines, points and bars. Text is text, and every mark has a title."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from r3gan.tables.render import number

Point = tuple[float, float]
COLOURS = 8  # classes s0 ... s7 of the page's style; marks differ in shape as well
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 36.0
SHAPES = (  # of radius 3 around the origin
    "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0",
    "M-2.7,-2.7h5.4v5.4h-5.4z",
    "M0,-3.6L3.4,2.6H-3.4z",
    "M0,-3.8L3.8,0L0,3.8L-3.8,0z",
    "M0,3.6L3.4,-2.6H-3.4z",
    "M-1.2,-3.4h2.4v2.2h2.2v2.4h-2.2v2.2h-2.4v-2.2h-2.2v-2.4h2.2z",
)
CROSS = "M-4,-4L4,4M-4,4L4,-4"


@dataclass(frozen=True, kw_only=True)
class Series:
    """A named line or set of points; `failed` ends it in a cross."""

    label: str
    points: tuple[Point, ...]
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A chart's axis; one that is not logarithmic has a 0."""

    label: str
    log: bool = False

    def ticks(self, low: float, high: float, most: int = 7) -> list[float]:
        """Round numbers between the limits, and no more than so many."""
        if self.log and high / low > 4:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                found = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
                if len(found) <= most:
                    break
            return found[:: -(-len(found) // most)]
        raw = (high - low) / (most - 1) or 1.0
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
        return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]

    def limits(self, values: Sequence[float]) -> tuple[float, float]:
        """Where the axis begins and ends."""
        if not self.log:
            low, high = min(0.0, *values, 0.0) * 1.06, max(0.0, *values, 0.0) * 1.06
            return low, high if high > low else low + 1.0
        low, high = min(values, default=1.0), max(values, default=10.0)
        spare = max((high / low) ** 0.06, 1.02)
        return low / spare, high * spare

    def scale(self, limits: tuple[float, float], start: float, end: float) -> Callable[[float], float]:
        """From a value to its place between `start` and `end`."""
        place = math.log10 if self.log else float
        low, high = map(place, limits)
        return lambda value: start + (place(value) - low) / (high - low) * (end - start)

    def shows(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.log)


def svg(title: str, description: str, width: float, height: float) -> Element:
    """An empty picture with a name and a description for those who do not see it."""
    root = Element("svg", {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": "chart"})
    root.set("width", f"{width:g}")
    root.set("height", f"{height:g}")
    root.set("aria-label", f"{title}. {description}")
    return root


def add(parent: Element, tag: str, text: str = "", **attributes: float | str) -> Element:
    """A child; numbers are rounded to a tenth of a pixel, underscores in names are hyphens."""
    plain = {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else f"{round(value, 1):g}"
        for name, value in attributes.items()
    }
    child = SubElement(parent, tag, plain)
    child.text = text or None
    return child


def markup(root: Element) -> Markup:
    """The picture for the page; what is text in it has been escaped."""
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def frame(
    root: Element, x: Axis, y: Axis, values: Sequence[Point], size: Point
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Axes with ticks and a grid; how values become places."""
    (width, height), (xs, ys) = size, zip(*values, strict=True) if values else ((), ())
    x_limits, y_limits = x.limits(xs), y.limits(ys)
    to_x = x.scale(x_limits, LEFT, width - RIGHT)
    to_y = y.scale(y_limits, height - BOTTOM, TOP)
    for tick in y.ticks(*y_limits, most=6):
        add(root, "line", class_="grid", x1=LEFT, x2=width - RIGHT, y1=to_y(tick), y2=to_y(tick))
        add(root, "text", f"{tick:g}", class_="tick", x=LEFT - 6, y=to_y(tick) + 3.5, text_anchor="end")
    for tick in x.ticks(*x_limits):
        add(root, "line", class_="grid", x1=to_x(tick), x2=to_x(tick), y1=TOP, y2=height - BOTTOM)
        add(root, "text", f"{tick:g}", class_="tick", x=to_x(tick), y=height - BOTTOM + 14, text_anchor="middle")
    add(root, "line", class_="axis", x1=LEFT, x2=width - RIGHT, y1=height - BOTTOM, y2=height - BOTTOM)
    middle = (TOP + height - BOTTOM) / 2
    add(root, "text", x.label, class_="label", x=(LEFT + width - RIGHT) / 2, y=height - 5, text_anchor="middle")
    turned = f"rotate(-90 11 {middle:g})"
    add(root, "text", y.label, class_="label", x=11, y=middle, text_anchor="middle", transform=turned)
    return to_x, to_y


def line_chart(
    title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    size: Point = (380, 260),
    marks: bool = False,
    target: tuple[str, float] | None = None,
) -> Markup:
    """Lines over a common axis, and a named horizontal line that they are to reach."""
    shown = [[p for p in each.points if x.shows(p[0]) and y.shows(p[1])] for each in series]
    root = svg(title, described(series, shown, x, y, target), *size)
    everything = [point for points in shown for point in points]
    level = [(everything[0][0], target[1])] if target and everything else []
    to_x, to_y = frame(root, x, y, everything + level, size)
    if target and everything:
        place = to_y(target[1])
        add(root, "line", class_="target", x1=LEFT, x2=size[0] - RIGHT, y1=place, y2=place)
    for index, (each, points) in enumerate(zip(series, shown, strict=True)):
        group = add(root, "g", class_=colour(index))
        path = " ".join(f"{to_x(a):.1f},{to_y(b):.1f}" for a, b in points)
        add(add(group, "polyline", points=path), "title", each.label)
        for a, b in points if marks else ():
            said = f"{each.label}: {number(b)} at {number(a)} ({x.label})"
            add(mark(group, SHAPES[index % len(SHAPES)], to_x(a), to_y(b)), "title", said)
        if each.failed and points:
            end = mark(group, CROSS, to_x(points[-1][0]), to_y(points[-1][1]))
            add(end, "title", f"{each.label} diverged here")
    return markup(root)


def colour(index: int) -> str:
    """The class of a series; those beyond the number of colours are dashed."""
    return f"series s{index % COLOURS}" + (" dashed" if index >= COLOURS else "")


def mark(group: Element, shape: str, x: float, y: float) -> Element:
    return add(group, "path", class_="mark", d=shape, transform=f"translate({x:.1f} {y:.1f})")


def described(
    series: Iterable[Series],
    shown: Iterable[Sequence[Point]],
    x: Axis,
    y: Axis,
    target: tuple[str, float] | None,
) -> str:
    """What the lines do, in words."""
    said = [
        f"{each.label}: from {number(points[0][1])} at {number(points[0][0])} to {number(points[-1][1])} at "
        f"{number(points[-1][0])}, least {number(min(b for _, b in points))}"
        for each, points in zip(series, shown, strict=True)
        if points
    ]
    level = [f"{target[0]} at {number(target[1])}"] if target else []
    return f"{y.label} over {x.label}. " + "; ".join([*said, *level])


def scatter_chart(
    title: str, groups: Sequence[Sequence[Series]], x: Axis, y: Axis, *, size: Point = (480, 300)
) -> Markup:
    """Named points, each group in its own colour and shape."""
    everything = [point for group in groups for each in group for point in each.points]
    said = "; ".join(f"{e.label}: {number(a)}, {number(b)}" for group in groups for e in group for a, b in e.points)
    root = svg(title, f"{x.label} against {y.label}. {said}", *size)
    # Room for the names on the right.
    to_x, to_y = frame(root, x, y, [*everything, *((a * 1.6, b) for a, b in everything)], size)
    for index, group in enumerate(groups):
        drawn = add(root, "g", class_=colour(index))
        for each in group:
            for a, b in each.points:
                point = mark(drawn, SHAPES[index % len(SHAPES)], to_x(a), to_y(b))
                add(point, "title", f"{each.label}: {number(a)}, {number(b)}")
                add(root, "text", each.label, class_="name", x=to_x(a) + 7, y=to_y(b) - 5)
    return markup(root)


def bar_chart(title: str, names: tuple[str, str], rows: Sequence[tuple[str, float, float]], unit: str) -> Markup:
    """Two bars a row, one below the other, each with its number; the row's name above them, the longer bar full."""
    width, row_height = 380.0, 44.0
    said = "; ".join(f"{row}: {names[0]} {number(a, 3)}, {names[1]} {number(b, 3)} {unit}" for row, a, b in rows)
    root = svg(title, said, width, row_height * len(rows) + 4)
    for i, (row, *pair) in enumerate(rows):
        top = i * row_height
        add(root, "text", row, class_="name", x=0, y=top + 12)
        for j, value in enumerate(pair):
            length = value / (max(pair) or 1.0) * (width - 70)
            group = add(root, "g", class_=colour(j))
            add(group, "rect", class_="bar", x=0, y=top + 17 + 11 * j, width=length, height=9)
            add(root, "text", f"{number(value, 3)} {unit}", class_="tick", x=length + 5, y=top + 25 + 11 * j)
    return markup(root)
