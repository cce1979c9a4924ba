"""Panels and footers as Markdown that also reads as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from r3gan.metrics import METRICS, find_metric
from r3gan.records.schema import Benchmark, Convergence, Evaluation, Measurement, Protocol
from r3gan.tables.bands import find_band
from r3gan.tables.cell import Cell
from r3gan.tables.panel import BOTH, PUBLISHED, UNTRAINED, VERDICT, Panel, Slot, row_tally, title_of
from r3gan.tables.published import MARKS
from r3gan.tables.verdict import EXACT, NOT_MEASURED, NOT_RUN


def grid(rows: Sequence[Sequence[str]], headers: Sequence[str], right: Iterable[int]) -> str:
    """A GitHub table whose source is aligned too; columns in `right` are numbers."""
    from tabulate import tabulate

    numbers = set(right)
    align = ["right" if i in numbers else "left" for i in range(len(headers))]
    return tabulate(rows, headers, tablefmt="github", colalign=align, disable_numparse=True)


def number(value: float | None, digits: int = 4) -> str:
    """A value for people: whole numbers whole, others at `digits` significant digits."""
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if abs(float(text)) >= min(1000, 10**digits) else text


def reproduced(cell: Cell) -> str:
    """The reproduced value: "Fail" if a run diverged, a word, or mean +- standard deviation and 95% interval."""
    if cell.text:
        return f"{int(cell.text):,}" if cell.text.isdecimal() and len(cell.text) > 4 else cell.text
    if cell.outcome in ("Fail", NOT_RUN, NOT_MEASURED):
        return cell.outcome
    spread = f" +- {number(cell.spread, 2)}" if cell.spread is not None else ""
    interval = f" [{number(cell.interval[0], 3)}, {number(cell.interval[1], 3)}]" if cell.interval else ""
    return number(cell.reproduced) + spread + interval


def published(cell: Cell) -> str:
    """The published value with its unit, and what stands behind it where that is not the paper itself."""
    unit = f" {cell.unit}" if cell.unit and cell.quantity not in METRICS and cell.published_value is not None else ""
    return f"{cell.published}{unit}{MARKS.get(cell.status, '')}"


def slot_text(slot: Slot | None) -> str:
    """What one place of a panel shows."""
    if slot is None:
        return ""
    if slot.side == UNTRAINED:
        return number(slot.cell.untrained)
    if slot.side == PUBLISHED or not slot.cell.outcome:
        return published(slot.cell)
    if slot.side == BOTH and slot.cell.verdict != EXACT:
        value = reproduced(slot.cell)
        return published(slot.cell) if value == NOT_RUN else f"{value} (published {slot.cell.published})"
    return reproduced(slot.cell)


def panel_text(panel: Panel) -> str:
    """A panel as a Markdown table; the verdicts of a row, and its n and seeds, stand in its last columns."""
    kept = [i for i, (_, label) in enumerate(panel.columns) if not label.endswith(VERDICT)]
    headers = [panel.corner, *(" ".join(filter(None, panel.columns[i])) for i in kept)]
    rows, ends = [], []
    for name, places in panel.rows:
        cells = [place.cell for place in places if place is not None]
        rows.append([name, *(slot_text(places[i]) for i in kept)])
        ends.append((n_text(cells), seeds_text(cells), verdict_text(panel, places)))
    last = [i for i, values in enumerate(zip(*ends, strict=True)) if any(values)]
    right = range(1, len(headers))
    headers += [("n", "Seed", "Verdict")[i] for i in last]
    title = f"## {panel.title}\n\n" if panel.title else ""
    return title + grid([[*row, *(end[i] for i in last)] for row, end in zip(rows, ends, strict=True)], headers, right)


def n_text(cells: Iterable[Cell]) -> str:
    """How many training runs the values of a row are of."""
    counts = sorted({cell.n for cell in cells if cell.seeds and cell.n})
    if counts == [1]:
        return "1 (single run)"
    return " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1]))) if counts else ""


def seeds_text(cells: Iterable[Cell]) -> str:
    return " ".join(map(str, sorted({seed for cell in cells for seed in cell.seeds})))


def verdict_text(panel: Panel, places: Sequence[Slot | None]) -> str:
    """The verdicts of a row, scale by scale; one for all quantities where they agree."""
    if panel.tallied:
        return ", ".join(f"{count} {word}" for word, count in row_tally(places).items())
    cells = list({p.cell.key: p.cell for p in places if p is not None and p.cell.verdict}.values())
    scales = list(dict.fromkeys(cell.scale for cell in cells))
    parts = []
    for scale in scales:
        said: dict[str, list[str]] = {}
        for cell in cells:
            if cell.scale == scale:
                said.setdefault(cell.said, []).append(title_of(cell.quantity))
        one = len(said) == 1 and (scale or len(scales) == 1)
        words = ", ".join(verdict if one else f"{' and '.join(names)} {verdict}" for verdict, names in said.items())
        parts.append(f"{scale} {words}" if len(scales) > 1 and scale else words)
    return "; ".join(parts)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def shared(values: Iterable[object]) -> str:
    """The values that occur, joined; one if all records agree."""
    return "; ".join(dict.fromkeys(str(value) for value in values)) or "-"


def band_notes(quantities: Iterable[tuple[str, str]]) -> list[str]:
    """The bands of (quantity, table of published.csv), as lines of a table's notes."""
    lines = [f"Reproduced {name}: within {find_band(name, table)}." for name, table in quantities]
    return list(dict.fromkeys(lines))


def footer(records: Sequence[Evaluation | Convergence | Benchmark]) -> list[str]:
    """Protocol and provenance of the numbers of one scale, or of one machine's benchmark, line by line."""
    runs = [record for record in records if not isinstance(record, Benchmark)]
    trained = list({record.run: record.training for record in runs}.values())
    stamps = [training.provenance for training in trained] or [record.provenance for record in records]
    by_metric: dict[str, list[Protocol]] = {}
    for record in runs:
        for name, protocol in record.metrics.items():
            by_metric.setdefault(name, []).append(protocol)
    lines = [protocol_line(name, found) for name, found in by_metric.items()]
    networks = dict.fromkeys(each.extractor_line for found in by_metric.values() for each in found)
    lines += [f"feature network: {line}" for line in networks]
    if trained:
        seconds = sum(training.seconds or 0 for training in trained)
        lengths = shared(f"{t.kimg:g} kimg at batch {t.recipe.batch}" for t in trained)
        lines += [
            f"data: {shared(record.data for record in runs)}",
            f"training: {lengths}; {seconds:,.0f} s in all, parallel runs added up",
            *(f"failed: {training.run}, {training.failure}" for training in trained if training.failure),
            *(f"fine-tuned: {training.run}, from {training.start}" for training in trained if training.start),
        ]
    days = sorted(stamp.date[:10] for stamp in stamps)
    return [
        *lines,
        f"device: {shared(stamp.device for stamp in stamps)}",
        f"versions: {shared(stamp.versions_line for stamp in stamps)}",
        f"code: {shared(stamp.code for stamp in stamps)}",
        f"date: {' to '.join(dict.fromkeys((days[0], days[-1])))}",
    ]


def protocol_line(name: str, found: Sequence[Protocol]) -> str:
    """How a metric was measured, on how many images."""
    counts = shared(samples_line(each) for each in found)
    first = found[0]
    floor = first.floor if isinstance(first, Measurement) else None
    expected = "" if floor is None else f"; a perfect sampler is expected at {number(floor, 3)}"
    return f"{name}: {find_metric(name).title}; {shared(each.protocol for each in found)}; {counts}{expected}"


def samples_line(protocol: Protocol) -> str:
    if not isinstance(protocol, Measurement):
        return f"{protocol.n_fake:,} samples a snapshot"
    reals = f"{protocol.n_real:,}" if protocol.n_real is not None else "no"
    return f"{protocol.n_fake:,} samples, {reals} reals, {protocol.snapshot} snapshot"
