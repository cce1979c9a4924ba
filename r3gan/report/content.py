"""What a report is made of, gathered from results/ alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from r3gan.compare import Comparison, compare
from r3gan.records.schema import Benchmark, Convergence, Evaluation, Values
from r3gan.records.store import Store
from r3gan.report.costs import Costs, read_costs
from r3gan.tables.cell import Cell, read_table_file
from r3gan.tables.registry import TABLES

AnyRecord = Evaluation | Convergence | Benchmark


@dataclass(frozen=True, kw_only=True)
class TableContent:
    """A table or a figure as it lies in results/."""

    name: str
    title: str
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]
    remarks: tuple[str, ...]  # what the table says of itself as a whole
    charts: tuple[Path, ...]  # Vega-Lite specifications, each with an SVG and a PNG of the same name
    sheets: tuple[Path, ...]  # pictures that are no chart


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that the report's formats show."""

    results: Path
    comparison: Comparison
    baseline: str | None
    tables: tuple[TableContent, ...]
    records: Mapping[str, AnyRecord]  # behind the tables' cells, by file below results/
    benchmarks: Mapping[str, Benchmark]  # likewise, whether a table shows them or not
    samples: Mapping[str, Path]  # by run
    costs: Costs | None  # of what has not been run


def gather(results: Path, baseline: str | None = None) -> Content:
    """Read the tables, their pictures and the records their cells name; UserError if there are no tables."""
    store = Store(results)
    comparison = compare(results, list(TABLES), baseline)
    tables = tuple(table_content(results, name) for name in TABLES if (results / f"{name}.json").exists())
    benchmarks = store.benchmarks()
    paths = dict.fromkeys(path for table in tables for cell in table.cells for path in cell.records)
    records = {path: benchmarks.get(path) or store.any_record(path) for path in paths}
    runs = dict.fromkeys(record.run for record in records.values() if not isinstance(record, Benchmark))
    return Content(
        results=results,
        comparison=comparison,
        baseline=baseline,
        tables=tables,
        records=records,
        benchmarks=benchmarks,
        samples={run: path for run in runs if (path := results / run / "samples.png").exists()},
        costs=read_costs(results),
    )


def table_content(results: Path, name: str) -> TableContent:
    """A table's numbers, words and pictures."""
    file = read_table_file(results / f"{name}.json")
    charts = sorted((results / name).glob("*.vl.json"))
    drawn = {path.name.removesuffix(".vl.json") for path in charts}
    sheets = [path for path in sorted((results / name).glob("*.png")) if path.stem not in drawn]
    scales = list(dict.fromkeys(cell.scale for cell in file.cells if cell.scale))
    return TableContent(
        name=name,
        title=TABLES[name].title,
        notes=TABLES[name].notes,
        cells=file.cells,
        remarks=file.remarks,
        charts=tuple(charts) if TABLES[name].draws_every_scale else of_last_scale(charts, scales),
        sheets=of_last_scale(sheets, scales),
    )


def of_last_scale(pictures: Sequence[Path], scales: Sequence[str]) -> tuple[Path, ...]:
    """Of pictures that differ in the scale alone, with which their names begin, those of the last of `scales`.

    The page is one file: the others lie next to the table's Markdown.
    """
    found: dict[str, Path] = {}
    for scale in ["", *scales]:
        for path in pictures:
            begins, _, rest = path.name.partition("-")
            if scale == (begins if begins in scales else ""):
                found[rest if scale else path.name] = path
    return tuple(sorted(found.values()))


def provenance_of(record: AnyRecord) -> Values:
    """Where a record's numbers come from: run, data, length, device, versions, code and commands."""
    if isinstance(record, Benchmark):
        stamp: Values = msgspec.to_builtins(record.provenance)
        return {"kind": "benchmark", **stamp}
    training = record.training
    stamp = msgspec.to_builtins(training.provenance)
    return {
        "kind": "run",
        "run": training.run,
        "outcome": record.outcome,
        **({"fail": training.failure} if training.failure else {}),
        "data": f"{record.data.dataset}, {record.data.count:,} images, sha256 {record.data.sha256}",
        "images_seen": training.images_seen,
        "train_seconds": training.seconds,
        "evaluated_by": record.provenance.command,
        **{key: stamp[key] for key in ("command", "date", "code", "device", "versions")},
        "unpublished": unpublished(record),
    }


def unpublished(record: Evaluation | Convergence) -> Sequence[str]:
    """What was chosen for a run since neither paper nor official code says it."""
    return [*record.training.unpublished, *record.training.recipe.unpublished]
