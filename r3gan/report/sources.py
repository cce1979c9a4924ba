"""Where a number comes from: the panel of a cell, and the runs behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r3gan.records.schema import Benchmark, Convergence, Evaluation
from r3gan.report.content import AnyRecord, Content
from r3gan.report.facts import Fact, facts_of_runs, published_facts, quantity_of, reproduced_facts, seed_of
from r3gan.tables.cell import Cell
from r3gan.tables.markdown import number

# What a number's panel says of its run, and of each arm of several; the rest is in the panel of the arm.
OF_ONE = ("Outcome", "Failed", "Started from", "Trained by", "Images seen", "Protocol", "Feature network", "Code")
OF_SEVERAL = ("Outcome", "Failed", "Started from")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The runs of one arm, which differ in the seed, or a benchmark: each has a panel of its own."""

    ident: str
    name: str
    records: Mapping[str, AnyRecord]  # by file below results/
    facts: list[Fact]

    @property
    def files(self) -> str:
        return files_of(self.name, list(self.records))

    @property
    def runs(self) -> list[Evaluation | Convergence]:
        """A record of each run."""
        found = {each.run: each for each in self.records.values() if not isinstance(each, Benchmark)}
        return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Source:
    """Records of one origin behind a number."""

    paths: Sequence[str]  # below results/
    facts: list[Fact]
    origin: Origin

    @property
    def files(self) -> str:
        return files_of(self.origin.name, self.paths)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A cell with all that is known of it, which opens at a click."""

    ident: str
    cell: Cell
    title: str
    published: list[Fact]
    reproduced: list[Fact]
    sources: list[Source]


def origin_name(path: str, record: AnyRecord) -> str:
    """The arm's folder below results/ (scale/dataset/config), or the benchmark's file."""
    return path if isinstance(record, Benchmark) else record.run.rpartition("/")[0]


def files_of(name: str, paths: Sequence[str]) -> str:
    """Which files of an arm's runs: `seed0, seed1: metrics.json; seed2: convergence.json`; nothing for a benchmark."""
    runs: dict[str, list[str]] = {}
    for path in paths:
        if path != name:
            run, _, file = path.removeprefix(f"{name}/").rpartition("/")
            runs.setdefault(file, []).append(run)
    return "; ".join(f"{', '.join(found)}: {file}" for file, found in runs.items())


def images_per_second(record: Evaluation | Convergence) -> str:
    """How fast a run was trained, as it is printed."""
    training = record.training
    return number(training.images_seen / training.seconds, 3) if training.seconds else "-"


def origins_of(content: Content) -> dict[str, Origin]:
    """Every arm and benchmark behind a number, by its name."""
    grouped: dict[str, dict[str, AnyRecord]] = {}
    for path, record in content.records.items():
        grouped.setdefault(origin_name(path, record), {})[path] = record
    found: dict[str, Origin] = {}
    for i, (name, records) in enumerate(grouped.items(), 1):
        by_seed = dict(sorted(records.items(), key=lambda each: seed_of(each[1])))
        facts = facts_of_runs(list(by_seed.values()))
        found[name] = Origin(ident=f"origin-{i}", name=name, records=by_seed, facts=facts)
    return found


def number_of(ident: str, cell: Cell, content: Content, origins: Mapping[str, Origin]) -> Number | Origin:
    """What opens at a click on a cell; numbers of one record share its origin's panel where nothing is published."""
    grouped: dict[str, list[str]] = {}
    for path in cell.records:
        grouped.setdefault(origin_name(path, content.records[path]), []).append(path)
    if len(cell.records) == 1 and not cell.published:
        return origins[next(iter(grouped))]
    sources, brief = [], OF_ONE if len(cell.records) == 1 else OF_SEVERAL
    for name, paths in grouped.items():
        facts = facts_of_runs([content.records[path] for path in paths], brief, cell.metric)
        sources.append(Source(paths=paths, facts=facts, origin=origins[name]))
    named = (cell.row, quantity_of(cell), cell.section, cell.scale and f"{cell.scale} scale")
    return Number(
        ident=ident,
        cell=cell,
        title=", ".join(filter(None, named)),
        published=published_facts(cell),
        reproduced=reproduced_facts(cell),
        sources=sources,
    )
