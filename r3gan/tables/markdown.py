"""Tables and footers as Markdown that also reads as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from r3gan.metrics import find_metric
from r3gan.records.schema import Convergence, Evaluation, Measurement, Protocol
from r3gan.tables.bands import find_band
from r3gan.tables.cell import Cell
from r3gan.tables.verdict import NOT_MEASURED, NOT_RUN


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
    return f"{float(text):,.0f}" if abs(value) >= 1000 else text


def shown(value: object) -> str:
    """A value of a row: numbers as above, words as they are, "-" where there is none."""
    return number(value) if value is None or isinstance(value, int | float) else str(value)


def reproduced(cell: Cell) -> str:
    """The reproduced value: "Fail" if a run diverged, a word, or mean +- standard deviation and 95% interval."""
    if cell.text:
        return cell.text
    if cell.outcome in ("Fail", NOT_RUN, NOT_MEASURED):
        return cell.outcome
    spread = f" +- {number(cell.spread, 2)}" if cell.spread is not None else ""
    interval = f" [{number(cell.interval[0], 3)}, {number(cell.interval[1], 3)}]" if cell.interval else ""
    return number(cell.reproduced) + spread + interval


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def shared(values: Iterable[object]) -> str:
    """The values that occur, joined; one if all records agree."""
    return "; ".join(dict.fromkeys(str(value) for value in values)) or "-"


def band_notes(quantities: Iterable[tuple[str, str]]) -> list[str]:
    """The bands of (quantity, table of published.csv), as lines of a table's notes."""
    lines = [f"Reproduced {name}: within {find_band(name, table)}." for name, table in quantities]
    return list(dict.fromkeys(lines))


def footer(records: Sequence[Evaluation | Convergence]) -> str:
    """Protocol and provenance of the numbers of these records."""
    trained = list({record.run: record.training for record in records}.values())
    stamps = [training.provenance for training in trained]
    by_metric: dict[str, list[Protocol]] = {}
    for record in records:
        for name, protocol in record.metrics.items():
            by_metric.setdefault(name, []).append(protocol)
    days = sorted(stamp.date[:10] for stamp in stamps)
    seconds = [training.seconds for training in trained if training.seconds is not None]
    seeds = sorted({record.seed for record in records})
    protocols = [protocol for found in by_metric.values() for protocol in found]
    lines = [f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"]
    lines += [protocol_line(name, found) for name, found in by_metric.items()]
    lines += [f"feature network: {line}" for line in dict.fromkeys(each.extractor_line for each in protocols)]
    lines += [
        f"data: {shared(record.data for record in records)}",
        f"training: {shared(f'{t.kimg:g} kimg at batch {t.recipe.batch}' for t in trained)}; {sum(seconds):,.0f} s in "
        "all, parallel runs added up",
        f"device: {shared(stamp.device for stamp in stamps)}",
        f"versions: {shared(stamp.versions_line for stamp in stamps)}",
        f"code: {shared(stamp.code for stamp in stamps)}",
        f"date: {shared((days[0], days[-1])).replace('; ', ' to ')}",
    ]
    return bullets(lines)


def protocol_line(name: str, found: Sequence[Protocol]) -> str:
    """How a metric was measured, on how many images."""
    counts = shared(samples_line(each) for each in found)
    first = found[0]
    floor = first.floor if isinstance(first, Measurement) else None
    expected = "" if floor is None else f"; a perfect sampler is expected at {number(floor, 3)}"
    return f"{name}: {find_metric(name).title}; {shared(each.protocol for each in found)}; {counts}{expected}"


def samples_line(protocol: Protocol) -> str:
    if not isinstance(protocol, Measurement):
        return f"{protocol.n_fake:,} samples a point"
    reals = f"{protocol.n_real:,}" if protocol.n_real is not None else "no"
    return f"{protocol.n_fake:,} samples, {reals} reals, {protocol.snapshot} snapshot"
