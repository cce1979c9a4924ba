"""What a reader is told of one number: where the published one is from, how ours was made, and what was run for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from r3gan.metrics import METRICS
from r3gan.report.content import provenance_of
from r3gan.report.matrix import title_of
from r3gan.report.text import band_text, ours
from r3gan.tables import TABLES, ComparisonTable, ConvergenceTable, Table
from r3gan.tables.bands import BANDS, Band, find_band
from r3gan.tables.cells import COUNTED, Cell
from r3gan.tables.render import device_line, extractor_line, number
from r3gan.tables.verdict import MISSING

STATUS = {
    "paper": "as printed in the paper",
    "derived": "derived from printed numbers",
    "secondary": "quoted by others; not checked against the paper itself",
    "conflict": "quoted differently in different places",
}
MADE = {
    "counted": "counted from the networks at their paper size, built without memory; nothing was trained",
    "read from CONFIGS": "read from the configuration (r3gan/configs/); nothing was trained",
    "computed": "computed from the losses and penalties that training uses",
    "measured": "median over rounds, by pytest-benchmark",
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and what is said of it; `code`: to be copied, or compared letter by letter."""

    name: str
    value: str
    code: bool = False


def fact(name: str, value: object, code: bool = False) -> list[Fact]:
    """The fact, if there is something to say."""
    return [Fact(name=name, value=str(value), code=code)] if value not in (None, "", "-") else []


def quantity_of(cell: Cell) -> str:
    """The quantity in full."""
    metric = METRICS.get(cell.quantity)
    return metric.title if metric else title_of(cell.quantity)


def published_facts(cell: Cell) -> list[Fact]:
    """The published number and its source."""
    if cell.published is None:
        return []
    return [
        *fact("Value", f"{cell.published} {cell.unit}".strip()),
        *fact("Source", cell.source),
        *fact("Status", STATUS.get(cell.status, cell.status)),
        *fact("Protocol", cell.protocol),
    ]


def our_facts(cell: Cell) -> list[Fact]:
    """Our number, and how it is judged."""
    if not cell.outcome:
        return []
    seeds = ", ".join(map(str, cell.seeds))
    sample = f"{cell.n} run{'s' if cell.n > 1 else ''} (seed{'s' if len(cell.seeds) > 1 else ''} {seeds})"
    band = band_of(cell)
    around = cell.band or (band.around(float(cell.published or "")) if band else None)
    return [
        *fact("Value", ours(cell)),
        *fact("Untrained", number(cell.untrained)),
        *fact("n", sample if cell.seeds else f"{cell.n} rounds" if cell.outcome == "measured" else ""),
        *fact("Draws of samples", cell.draws if cell.draws > 1 else ""),
        *fact("How", MADE.get(cell.outcome, "")),
        *fact("Conditions", cell.conditions if cell.records else ""),
        *fact("Command", command_of(cell), code=True),
        *fact("Verdict", cell.said),
        *(fact("Counts as reproduced", f"{band_text(around)}: within {band}") if band and around else []),
    ]


def command_of(cell: Cell) -> str:
    """What makes the number again where no run is behind it."""
    if cell.records or cell.verdict in MISSING:
        return ""
    return f"r3gan params {cell.config}" if cell.quantity in COUNTED else f"r3gan table {cell.table}"


def band_of(cell: Cell) -> Band | None:
    """The band that a published number has, whether ours is comparable yet or not."""
    table = TABLES[cell.table]
    quantity, published = cell.quantity, ""
    if isinstance(table, Table):
        quantity, published = table.published_metric, table.published
    elif isinstance(table, ConvergenceTable):
        published = table.published
    elif isinstance(table, ComparisonTable):
        published = next((s.published for s in table.sections if s.title == cell.section), "")
    if not cell.verdict or cell.quantity in COUNTED or quantity not in BANDS or not is_number(cell.published):
        return None
    return find_band(quantity, published)


def is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def run_facts(record: dict[str, Any], metric: str = "") -> list[Fact]:
    """Where a record's numbers come from; with a metric, by which protocol that was measured."""
    found = provenance_of(record)
    code = found["code"]
    state = " with uncommitted changes" if code["dirty"] else ", nothing uncommitted"
    measurement = record.get("metrics", {}).get(metric)
    seen, seconds = found.get("images_seen"), found.get("train_seconds")
    return [
        *fact("Run", found.get("run"), code=True),
        *fact("Outcome", found.get("outcome")),
        *fact("Failed", found.get("fail")),
        *fact("Trained by" if "evaluated_by" in found else "Measured by", found["command"], code=True),
        *fact("Evaluated by", found.get("evaluated_by"), code=True),
        *fact("Commit", f"{code['commit']}{state}" if code["commit"] else "none"),
        *fact("Data", found.get("data")),
        *fact("Images seen", None if seen is None else f"{seen:,}"),
        *fact("Training", None if seconds is None else f"{seconds:,} s"),
        *fact("Device", device_line(found["device"])),
        *(fact("Protocol", protocol_of(measurement)) if measurement else []),
        *(fact("Feature network", extractor_line(measurement)) if measurement else []),
        *fact("Date", found["date"]),
        *fact("Versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
        *fact("Chosen by us, since unpublished", ", ".join(found.get("unpublished", ()))),
    ]


def protocol_of(measurement: dict[str, Any]) -> str:
    """How a metric was measured, on how many images."""
    counts = f"{measurement['n_fake']:,} samples"
    counts += f", {measurement['n_real']:,} reals" if measurement.get("n_real") else ""
    snapshot = f", {measurement['snapshot']} snapshot" if "snapshot" in measurement else ""
    return f"{measurement['protocol']}; {counts}{snapshot}"
