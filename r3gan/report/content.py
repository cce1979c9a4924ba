"""What a report is made of, gathered from results/ alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.compare import Comparison, compare
from r3gan.files import read_json
from r3gan.report.costs import Costs, read_costs
from r3gan.report.stages import Stage, read_stages
from r3gan.tables import TABLES, tables_of_cells
from r3gan.tables.cells import Cell
from r3gan.tables.figures import read_curve

PICTURE_ENDINGS = (".png", ".svg")


@dataclass(frozen=True, kw_only=True)
class TableContent:
    """A table or a figure as it lies in results/."""

    name: str
    title: str
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]  # none: a figure
    pictures: tuple[Path, ...]  # an SVG where there is one of the same name
    rows: tuple[dict[str, str], ...]  # of a figure: its <name>.csv
    remarks: tuple[str, ...]  # what the table says of itself as a whole

    @property
    def is_figure(self) -> bool:
        return not self.cells


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that the report's formats show."""

    results: Path
    comparison: Comparison
    baseline: str | None
    tables: tuple[TableContent, ...]
    records: dict[str, dict[str, Any]]  # by file below results/
    benchmarks: dict[str, dict[str, Any]]  # likewise, whether a table shows them or not
    losses: dict[str, dict[str, list[float]]]  # columns of loss.csv, by run
    samples: dict[str, Path]  # by run
    costs: Costs | None  # of what has not been run
    stages: tuple[Stage, ...]  # of the pipeline in the working directory, if there is one


def gather(results: Path, baseline: str | None = None) -> Content:
    """Read the tables, their pictures and the records their cells name; UserError if there are no tables."""
    comparison = compare(results, tables_of_cells(), baseline)
    tables = tuple(
        table_content(results, name, comparison.tables.get(name, ()))
        for name in TABLES
        if (results / f"{name}.md").exists()
    )
    paths = dict.fromkeys(path for table in tables for cell in table.cells for path in cell.records)
    hint = "the table that names it is older than the records: run `r3gan table` again"
    records = {path: read_json(results / path, hint) for path in paths}
    measured = sorted(results.glob("benchmarks/*/*.json"))
    runs = dict.fromkeys(record["training"]["run"] for record in records.values() if "training" in record)
    return Content(
        results=results,
        comparison=comparison,
        baseline=baseline,
        tables=tables,
        records=records,
        benchmarks={
            path.relative_to(results).as_posix(): read_json(path, "run `make bench` again") for path in measured
        },
        losses={run: read_curve(path) for run in runs if (path := results / run / "loss.csv").exists()},
        samples={run: path for run in runs if (path := results / run / "samples.png").exists()},
        costs=read_costs(results),
        stages=read_stages(Path()),
    )


def table_content(results: Path, name: str, cells: Sequence[Cell]) -> TableContent:
    """A table's words and pictures."""
    table = TABLES[name]
    found = sorted(p for p in results.glob(f"{name}*") if p.suffix in PICTURE_ENDINGS and belongs(p.stem, name))
    vector = {p.stem for p in found if p.suffix == ".svg"}
    pictures = tuple(p for p in found if p.suffix == ".svg" or p.stem not in vector)
    return TableContent(
        name=name,
        title=table.title,
        notes=table.notes,
        cells=tuple(cells),
        pictures=pictures,
        rows=() if cells else read_rows(results / f"{name}.csv"),
        remarks=tuple(remarks(results / f"{name}.json")) if cells else (),
    )


def remarks(path: Path) -> Iterator[str]:
    """How the order of rows agrees with the published one, at every scale for which the table says so."""
    for scale in read_json(path, "run `r3gan table` again").get("scales", ()):
        if scale["rank_correlation"] is not None:
            yield (
                f"Spearman rank correlation of our order with the published one at {scale['scale']} scale: "
                f"{scale['rank_correlation']:+.2f} ({scale['rank_rows']} rows)."
            )


def read_rows(path: Path) -> tuple[dict[str, str], ...]:
    """The lines of a CSV; none where there is no such file."""
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def belongs(stem: str, name: str) -> bool:
    """Whether a picture is this table's and not one's whose name begins alike."""
    others = [other for other in TABLES if other != name and other.startswith(name)]
    return (stem == name or stem.startswith(f"{name}-")) and not any(belongs(stem, other) for other in others)


def provenance_of(record: dict[str, Any]) -> dict[str, Any]:
    """Where a record's numbers come from: run, data, length, device, versions, code and commands."""
    if "measured" in record:  # a benchmark
        return {"kind": "benchmark", **record["provenance"]}
    training = record["training"]
    stamp = training["provenance"]
    return {
        "kind": "run",
        "run": training["run"],
        "outcome": record["outcome"],
        **({"fail": f"step {training['fail_step']}: {training['fail_reason']}"} if "fail_step" in training else {}),
        "data": f"{record['data']['dataset']}, {record['data']['count']:,} images, sha256 {record['data']['sha256']}",
        "images_seen": training["images_seen"],
        "train_seconds": training["seconds"],
        "command": stamp["command"],
        "evaluated_by": record["provenance"]["command"],
        "date": stamp["date"],
        "code": stamp["code"],
        "device": stamp["device"],
        "versions": stamp["versions"],
        "unpublished": training.get("unpublished", []) + training["recipe"].get("unpublished", []),
    }
