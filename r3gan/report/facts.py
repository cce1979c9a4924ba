"""What a reader is told of one number: its published source, how it was reproduced, and the runs behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from r3gan.metrics import METRICS
from r3gan.records.schema import Benchmark
from r3gan.report.content import AnyRecord, unpublished
from r3gan.report.text import band_text
from r3gan.tables.cell import Cell
from r3gan.tables.markdown import number, reproduced, samples_line
from r3gan.tables.panel import title_of
from r3gan.tables.registry import TABLES
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


def reproduced_facts(cell: Cell) -> list[Fact]:
    """The reproduced number, and how it is judged."""
    if not cell.outcome:
        return []
    seeds = ", ".join(map(str, cell.seeds))
    sample = f"{cell.n} run{'s' if cell.n > 1 else ''} (seed{'s' if len(cell.seeds) > 1 else ''} {seeds})"
    band = TABLES[cell.table].band_of(cell)
    around = cell.band or (band.around(float(cell.published or "")) if band else None)
    return [
        *fact("Value", reproduced(cell)),
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
    return f"r3gan params {cell.config}" if cell.outcome == "counted" else f"r3gan table {cell.table}"


def run_facts(record: AnyRecord, metric: str = "") -> list[Fact]:
    """Where a record's numbers come from; with a metric, by which protocol that was measured."""
    trained, stamp = list[Fact](), record.provenance
    if isinstance(record, Benchmark):
        trained = fact("Measured by", stamp.command, code=True)
        if rounds := record.rounds:
            n = " to ".join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))
            trained += [*fact("n", f"{n} rounds"), *fact("How", MADE["measured"])]
    else:
        training, stamp = record.training, record.training.provenance
        seconds = "" if training.seconds is None else f"{training.seconds:,} s"
        protocol = record.metrics.get(metric)
        trained = [
            *fact("Outcome", record.outcome),
            *fact("Failed", training.failure),
            *fact("Started from", training.start or ""),
            *fact("Trained by", stamp.command, code=True),
            *fact("Evaluated by", record.provenance.command, code=True),
            *fact("Data", f"{record.data.dataset}, {record.data.count:,} images, sha256 {record.data.sha256}"),
            *fact("Images seen", f"{training.images_seen:,}"),
            *fact("Training", seconds),
            *(fact("Protocol", f"{protocol.protocol}; {samples_line(protocol)}") if protocol else []),
            *(fact("Feature network", protocol.extractor_line) if protocol else []),
            *fact("Chosen here, since unpublished", ", ".join(unpublished(record))),
        ]
    return [
        *trained,
        *fact("Code", stamp.code),
        *fact("Device", stamp.device),
        *fact("Date", stamp.date),
        *fact("Versions", ", ".join(f"{name} {version}" for name, version in stamp.versions.items())),
    ]


def seed_of(record: AnyRecord) -> int:
    """The run's seed; benchmarks have none."""
    return 0 if isinstance(record, Benchmark) else record.seed


def facts_of_runs(records: Sequence[AnyRecord], only: Sequence[str] = (), metric: str = "") -> list[Fact]:
    """What is said of the runs of one arm: once where all say the same, by seed where they do not.

    Commands that differ in the seed alone are the same; the first is shown, so that it can be copied.
    `only`: facts of these names; all if there are none.
    """
    if len(records) == 1:
        return [each for each in run_facts(records[0], metric) if not only or each.name in only]
    said: dict[str, dict[str, list[tuple[int, Fact]]]] = {}  # by name and value
    for record in records:
        for each in run_facts(record, metric):
            if not only or each.name in only:
                seed = seed_of(record)
                value = each.value.replace(f"--seed {seed} ", "--seed ").replace(f"/seed{seed}", "/seed")
                said.setdefault(each.name, {}).setdefault(value, []).append((seed, each))
    found = list[Fact]()
    for name, values in said.items():
        groups = list(values.values())
        first = groups[0][0][1]
        if len(groups[0]) == len(records) and all(each == first for _, each in groups[0]):
            found.append(first)
        elif first.code:
            found += [replace(group[0][1], name=f"{name} ({of_seeds(group, likewise=True)})") for group in groups]
        else:
            found += fact(name, "; ".join(f"{group[0][1].value} ({of_seeds(group)})" for group in groups))
    return found


def of_seeds(group: Sequence[tuple[int, Fact]], likewise: bool = False) -> str:
    """Whose fact it is."""
    first, *others = (str(seed) for seed, _ in group)
    if likewise and others:
        return f"seed {first}, likewise {', '.join(others)}"
    return f"seed{'s' if others else ''} {', '.join((first, *others))}"
