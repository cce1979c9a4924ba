"""Where a number comes from: the panel of a cell, and the run behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from r3gan.records.schema import Benchmark, Convergence, Evaluation
from r3gan.report.content import AnyRecord, Content
from r3gan.report.facts import Fact, published_facts, quantity_of, reproduced_facts, run_facts
from r3gan.tables.cell import Cell
from r3gan.tables.markdown import number

# What a number's panel says of a run; the rest is in the run's own panel.
IN_BRIEF = ("Outcome", "Failed", "Trained by", "Images seen", "Protocol", "Feature network", "Code", "Device")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A line of the list of runs."""

    ident: str
    path: str  # its first record below results/
    record: Evaluation | Convergence
    facts: list[Fact]

    @property
    def images_per_second(self) -> str:
        training = self.record.training
        return number(training.images_seen / training.seconds, 3) if training.seconds else "-"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A record behind a number; `run` where the page tells more of it."""

    path: str  # below results/
    facts: list[Fact]
    run: Run | None


@dataclass(frozen=True, kw_only=True)
class Number:
    """A cell with all that is known of it, which opens at a click."""

    ident: str
    cell: Cell
    title: str
    published: list[Fact]
    reproduced: list[Fact]
    sources: list[Source]


def runs_of(content: Content) -> dict[str, Run]:
    """Every run behind a number, by its name, with its first record."""
    found: dict[str, Run] = {}
    for i, (path, record) in enumerate(content.records.items(), 1):
        if not isinstance(record, Benchmark):
            found.setdefault(record.run, Run(ident=f"run-{i}", path=path, record=record, facts=run_facts(record)))
    return found


def number_of(ident: str, cell: Cell, content: Content, runs: Mapping[str, Run]) -> Number:
    named = (cell.row, quantity_of(cell), cell.section, cell.scale and f"{cell.scale} scale")
    return Number(
        ident=ident,
        cell=cell,
        title=", ".join(filter(None, named)),
        published=published_facts(cell),
        reproduced=reproduced_facts(cell),
        sources=[source_of(path, content.records[path], cell.metric, runs) for path in cell.records],
    )


def source_of(path: str, record: AnyRecord, metric: str, runs: Mapping[str, Run]) -> Source:
    """A record behind a number: in brief where the page shows its run as a whole, as many numbers share a run."""
    facts = run_facts(record, metric)
    if isinstance(record, Benchmark):
        return Source(path=path, facts=facts, run=None)
    return Source(path=path, facts=[fact for fact in facts if fact.name in IN_BRIEF], run=runs[record.run])
