"""An estimate as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tabulate import tabulate

from r3gan.data.sources import SOURCES
from r3gan.estimate import Estimate, RunCost, Total
from r3gan.estimate.costs import ASSUMED_SHARE_OF_PEAK
from r3gan.estimate.storage import Item
from r3gan.records.hardware import entry_of

# Largest first; the last that an amount reaches is taken.
TIMES = (("years", 8766.0), ("weeks", 168.0), ("days", 24.0), ("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600))
BYTES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0))


def text(found: Estimate) -> str:
    """The whole answer: a line a run, totals, disk, downloads, and where each number comes from."""
    parts = [f"{found.table} at scale {found.scale} on {title(found)}"]
    if not found.runs:
        return f"{parts[0]}\nno run of this scale is needed for it"
    unit = "GPU time" if found.cores is None else "core time"
    headers = ("run", "record", "kimg", f"train, {unit}", "from", f"evaluate, {unit}", "from")
    parts.append(aligned(map(row, found.runs), headers, ("left", "left", "right", "right", "left", "right", "left")))
    totals = [total_row("left to do", found.left), total_row("everything", found.everything)]
    parts.append(aligned(totals, ("total", "runs", unit, "wall clock"), ("left", "right", "right", "right")))
    parts += [items("disk", found.disk), items("downloads", found.downloads)]
    if found.supplied:
        parts.append("yours to supply:\n" + "\n".join(f"- {name}: {what}" for name, what in found.supplied.items()))
    return "\n\n".join([*parts, "notes:\n" + "\n".join(f"- {note}" for note in notes(found))])


def title(found: Estimate) -> str:
    """The hardware, and how much of it a run takes."""
    entry = entry_of(found.hardware)
    name = found.hardware if entry is None else f"{found.hardware} ({entry.title})"
    return name if found.cores else f"{found.ranks} x {name}"


def aligned(rows: Iterable[list[str]], headers: tuple[str, ...], sides: tuple[str, ...]) -> str:
    return tabulate(list(rows), headers, tablefmt="simple", colalign=sides, disable_numparse=True)


def row(run: RunCost) -> list[str]:
    """One run's line."""
    cells = [run.record.partition("/")[2].rpartition("/")[0], "yes" if run.done else "no", f"{run.total_kimg:,.10g}"]
    for cost in (run.training, run.evaluation):
        cells += [hours(cost.device_hours), cost.how]
    return cells


def total_row(name: str, total: Total) -> list[str]:
    """Of those runs whose time is known."""
    runs = f"{total.runs - total.not_known} of {total.runs}" if total.not_known else str(total.runs)
    return [name, runs, hours(total.device_hours), scaled(total.wall_hours, TIMES)]


def items(what: str, found: tuple[Item, ...]) -> str:
    """Sizes line by line, and their sum as far as they are known."""
    if not found:
        return f"{what}: none"
    lines = [
        [item.name, "size not known" if item.size_bytes is None else scaled(item.size_bytes, BYTES)] for item in found
    ]
    sizes = [item.size_bytes for item in found if item.size_bytes is not None]
    parts = [scaled(sum(sizes), BYTES)] if sizes else []
    parts += [f"{len(found) - len(sizes)} of unknown size"] if len(sizes) < len(found) else []
    heading = f"{what}: {' and '.join(parts)}"
    return f"{heading}\n{tabulate(lines, tablefmt='plain', colalign=('left', 'right'), disable_numparse=True)}"


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
    """What the words of the table mean, and what is not in it."""
    sources = {cost.source for run in found.runs for cost in (run.training, run.evaluation)}
    entry = entry_of(found.hardware)
    if "measured" in sources:
        yield "measured: by this run's record on this hardware, else by those of other seeds, else by the benchmark"
    if "scaled" in sources:
        yield "scaled: from the measurement on this hardware whose counted work is nearest, by the ratio of the work"
    if "counted" in sources and entry:
        peaks = [f"float32 {entry.fp32_tflops:g}"]
        peaks += [] if entry.bf16_tflops is None else [f"bfloat16 {entry.bf16_tflops:g}"]
        yield (
            f"counted: convolutions and matrix products of the networks, at {ASSUMED_SHARE_OF_PEAK:.0%} (assumed, not "
            f"measured) of the peak of {' and '.join(peaks)} TFLOP/s ({entry.source})"
        )
    if "not known" in sources:
        yield f"not known: nothing was measured on {found.hardware} and its peak is not known; run `make bench` there"
    if found.cores is None:
        shared = f", on {found.ranks} GPUs that share training evenly; one evaluates" if found.ranks > 1 else ""
        yield f"wall clock: one run at a time{shared}"
    else:
        yield f"wall clock: on {found.cores} cores, as many runs side by side as have cores"
    for cost in found.published:
        yield (
            f"published: {cost.row}: {cost.text} ({cost.source}); for {cost.config} at {cost.dataset} that is "
            f"{cost.device_hours:,.0f} GPU-h, {cost.share_of_bf16_peak:.0%} of the bfloat16 peak by our count"
        )
    for name in sorted({run.dataset for run in found.runs if SOURCES[run.dataset].count is None}):
        yield f"not in it: looking at the reals of {name}, since it is not known how many there are"
    yield "not in it: preparing data, fitting the digit classifier, augmentation, distances between features"
