"""An estimate as plain text, and as JSON together with what is done of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tabulate import tabulate

from r3gan.data.sources import SOURCES
from r3gan.estimate.costs import ASSUMED_SHARE_OF_PEAK
from r3gan.estimate.schema import Estimate, RunCost, Sizes, Total
from r3gan.records.hardware import entry_of
from r3gan.records.schema import Values
from r3gan.records.store import Store, as_json

# Largest first; the first that an amount reaches is taken.
TIMES = (("years", 8766.0), ("weeks", 168.0), ("days", 24.0), ("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600))
BYTES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0))


def totals(found: Estimate, store: Store) -> tuple[Total, Total]:
    """Of the runs that have no record yet, and of all."""
    left = [cost for cost in found.runs if not store.has(cost.record)]
    return Total.of(left, found.cores), Total.of(found.runs, found.cores)


def values(found: Estimate, store: Store) -> Values:
    """The estimate with its totals, and whether each run's record is there."""
    left, everything = map(as_json, totals(found, store))
    runs = [as_json(cost) | {"done": store.has(cost.record)} for cost in found.runs]
    return as_json(found) | {"runs": runs, "left": left, "everything": everything}


def text(found: Estimate, store: Store) -> str:
    """The whole answer: one line per run, totals, disk, downloads, and where each number comes from."""
    entry = entry_of(found.hardware)
    heading = f"{found.table} at scale {found.scale} on {found.devices}" + (f" ({entry.title})" if entry else "")
    if not found.runs:
        return f"{heading}\nno run of this scale is needed for it"
    unit = "GPU time" if found.cores is None else "core time"
    headers = ("run", "record", "kimg", f"train, {unit}", "from", f"evaluate, {unit}", "from")
    left, everything = totals(found, store)
    parts = [
        heading,
        aligned([row(cost, store) for cost in found.runs], headers, "llrrlrl"),
        aligned(
            [total_row("left to do", left), total_row("everything", everything)],
            ("total", "runs", unit, "wall clock"),
            "lrrr",
        ),
        sizes("disk", found.disk),
        sizes("downloads", found.downloads),
    ]
    if found.supplied:
        parts.append(bullets("you must supply", (f"{name}: {what}" for name, what in found.supplied.items())))
    return "\n\n".join([*parts, bullets("notes", notes(found))])


def bullets(heading: str, lines: Iterable[str]) -> str:
    return f"{heading}:\n" + "\n".join(f"- {line}" for line in lines)


def aligned(rows: list[list[str]], headers: tuple[str, ...], sides: str) -> str:
    """A table whose columns are aligned to the left (l) or to the right (r)."""
    sides_of = [{"l": "left", "r": "right"}[side] for side in sides]
    return tabulate(rows, headers, tablefmt="simple" if headers else "plain", colalign=sides_of, disable_numparse=True)


def row(cost: RunCost, store: Store) -> list[str]:
    """One run's line."""
    run, done = cost.run, "yes" if store.has(cost.record) else "no"
    cells = [f"{run.dataset}/{run.config}/seed{run.seed}", done, f"{cost.total_kimg:,.10g}"]
    for part in (cost.training, cost.evaluation):
        cells += [hours(part.device_hours), part.how]
    return cells


def total_row(name: str, total: Total) -> list[str]:
    """Of those runs whose time is known."""
    runs = f"{total.runs - total.not_known} of {total.runs}" if total.not_known else str(total.runs)
    return [name, runs, hours(total.device_hours), scaled(total.wall_hours, TIMES)]


def sizes(what: str, found: Sizes) -> str:
    """Sizes line by line, and their sum as far as they are known."""
    if not found:
        return f"{what}: none"
    known = [size for size in found.values() if size is not None]
    parts = [scaled(sum(known), BYTES)] if known else []
    parts += [f"{len(found) - len(known)} of unknown size"] if len(known) < len(found) else []
    lines = [[name, "size not known" if size is None else scaled(size, BYTES)] for name, size in found.items()]
    return f"{what}: {' and '.join(parts)}\n{aligned(lines, (), 'lr')}"


def hours(amount: float | None) -> str:
    """Three digits, never in days: those of several devices are not those of a clock."""
    if amount is None:
        return "not known"
    return f"{amount:,.3g} h" if 1 <= amount < 1000 else f"{amount:,.0f} h" if amount >= 1000 else scaled(amount, TIMES)


def scaled(amount: float, units: tuple[tuple[str, float], ...]) -> str:
    """Two or three digits in the largest unit that the amount reaches."""
    name, size = next((unit for unit in units if amount >= unit[1]), units[-1])
    value = amount / size
    return f"{value:.0f} {name}" if value >= 10 else f"{value:.1f} {name}"


def notes(found: Estimate) -> Iterator[str]:
    """What the words of the table mean, and what it leaves out."""
    sources = {part.source for cost in found.runs for part in (cost.training, cost.evaluation)}
    entry = entry_of(found.hardware)
    if "measured" in sources:
        yield "measured: by this run's record on this hardware, else by those of other seeds, else by the benchmark"
    if "scaled" in sources:
        yield "scaled: from the measurement on this hardware whose counted work is nearest, by the ratio of the work"
    if "counted" in sources and entry:
        bf16 = "" if entry.bf16_tflops is None else f" and bfloat16 {entry.bf16_tflops:g}"
        yield (
            f"counted: convolutions and matrix products of the networks, at {ASSUMED_SHARE_OF_PEAK:.0%} (assumed, not "
            f"measured) of the peak of float32 {entry.fp32_tflops:g}{bf16} TFLOP/s ({entry.source})"
        )
    if "not known" in sources:
        yield f"not known: nothing was measured on {found.hardware} and its peak is not known; run `make bench` there"
    if found.cores is None:
        shared = f", on {found.ranks} GPUs that share training evenly; one evaluates" if found.ranks > 1 else ""
        yield f"wall clock: one run at a time{shared}"
    else:
        yield f"wall clock: on {found.cores} cores, as many runs at the same time as there are cores"
    for cost in found.published:
        yield (
            f"published: {cost.row}: {cost.text} ({cost.source}); for {cost.config} at {cost.dataset} that is "
            f"{cost.device_hours:,.0f} GPU-h, {cost.share_of_bf16_peak:.0%} of the bfloat16 peak by the counted work"
        )
    for name in sorted({cost.run.dataset for cost in found.runs if SOURCES[cost.run.dataset].count is None}):
        yield f"left out: features of the real images of {name}, since it is not known how many there are"
    yield "left out: preparing data, fitting the digit classifier, augmentation, distances between features"
