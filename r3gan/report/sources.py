"""Where a number comes from: the panel of a cell, and the run behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from r3gan.records.schema import Benchmark
from r3gan.report.content import AnyRecord, Content
from r3gan.report.facts import MADE, Fact, fact, published_facts, quantity_of, reproduced_facts, run_facts
from r3gan.tables.cell import Cell
from r3gan.tables.markdown import number

# What a number's panel says of its run, and of each of several; the rest is in the panel of the run.
OF_ONE = ("Outcome", "Failed", "Started from", "Trained by", "Images seen", "Protocol", "Feature network", "Code")
OF_SEVERAL = ("Outcome", "Failed", "Started from")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A run or a benchmark, which has a panel of its own."""

    ident: str
    name: str
    path: str  # its first record below results/
    record: AnyRecord
    facts: list[Fact]

    @property
    def is_run(self) -> bool:
        return not isinstance(self.record, Benchmark)

    @property
    def images_per_second(self) -> str:
        assert not isinstance(self.record, Benchmark)
        training = self.record.training
        return number(training.images_seen / training.seconds, 3) if training.seconds else "-"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A record behind a number."""

    path: str  # below results/
    facts: list[Fact]
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Number:
    """A cell with all that is known of it, which opens at a click."""

    ident: str
    cell: Cell
    title: str
    published: list[Fact]
    reproduced: list[Fact]
    sources: list[Source]


def name_of(path: str, record: AnyRecord) -> str:
    return path if isinstance(record, Benchmark) else record.run


def origins_of(content: Content) -> dict[str, Origin]:
    """Every run and benchmark behind a number, by its name."""
    found: dict[str, Origin] = {}
    for i, (path, record) in enumerate(content.records.items(), 1):
        name, facts = name_of(path, record), run_facts(record)
        if isinstance(record, Benchmark) and (rounds := record.rounds):
            n = " to ".join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))
            facts += [*fact("n", f"{n} rounds"), *fact("How", MADE["measured"])]
        found.setdefault(name, Origin(ident=f"origin-{i}", name=name, path=path, record=record, facts=facts))
    return found


def number_of(ident: str, cell: Cell, content: Content, origins: Mapping[str, Origin]) -> Number | Origin:
    """What opens at a click on a cell; numbers of one run or benchmark share its panel where nothing is published."""
    sources = []
    for path in cell.records:
        record = content.records[path]
        origin = origins[name_of(path, record)]
        if not cell.published and (isinstance(record, Benchmark) or len(cell.records) == 1):
            return origin
        brief = OF_ONE if len(cell.records) == 1 else OF_SEVERAL
        facts = [each for each in run_facts(record, cell.metric) if each.name in brief]
        sources.append(Source(path=path, facts=facts, origin=origin))
    named = (cell.row, quantity_of(cell), cell.section, cell.scale and f"{cell.scale} scale")
    return Number(
        ident=ident,
        cell=cell,
        title=", ".join(filter(None, named)),
        published=published_facts(cell),
        reproduced=reproduced_facts(cell),
        sources=sources,
    )
