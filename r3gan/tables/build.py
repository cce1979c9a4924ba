"""The `table` stage: cells of a quality table from counts, published numbers and records, with their provenance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.study import Study
from r3gan.tables import Table
from r3gan.tables.cells import COUNTED, Against, Cell, counted, measured
from r3gan.tables.records import Published, read_published, read_records


@dataclass(frozen=True, kw_only=True)
class ScaleResult:
    """What one scale contributes: its records, and how its order of rows agrees with the published one."""

    scale: str
    records: dict[str, list[dict[str, Any]]]
    metrics: tuple[str, ...]  # those measured there, the first of which is set beside the published one
    rank_correlation: float | None
    rank_rows: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """A finished table: cells, and per scale where they come from."""

    name: str
    table: Table
    cells: tuple[Cell, ...]
    scales: tuple[ScaleResult, ...]

    def provenance(self) -> dict[str, Any]:
        """What a table's JSON holds beside its cells."""
        return {
            "scales": [
                {
                    "scale": s.scale,
                    "rank_correlation": s.rank_correlation,
                    "rank_rows": s.rank_rows,
                    "records": [provenance_of(r) for records in s.records.values() for r in records],
                }
                for s in self.scales
            ],
            "notes": list(self.table.notes),
        }


def provenance_of(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that says where its numbers come from."""
    training = record["training"]
    return {
        "run": training["run"],
        "outcome": record["outcome"],
        "data_sha256": record["data"]["sha256"],
        "images_seen": training["images_seen"],
        "training_seconds": training["seconds"],
        "metrics": record["metrics"],
        "trained": training["provenance"],
        "evaluated": record["provenance"],
    }


def build(name: str, table: Table, studies: Iterable[Study], results: Path) -> Content:
    """All cells: counts of every row, then every metric at every scale that has records."""
    published = read_published(table.published)
    cells = [count_cell(name, table, config, quantity, published) for config in table.configs for quantity in COUNTED]
    against = Against(table=table.published, metric=table.published_metric, dataset=table.counted_at)
    scales = []
    for study in studies:
        records = read_records(study, results)
        records = {config: records[config] for config in table.configs if config in records}
        if not records:
            continue
        metrics = measured_metrics(table, [record for found in records.values() for record in found])
        quality = []
        for config in table.configs:
            title = CONFIGS[config].title
            for metric in metrics:
                cell = Cell(table=name, row=title, config=config, quantity=metric, scale=study.scale)
                if metric == metrics[0]:
                    cell = cell.with_published(published.get((title, table.published_metric)))
                quality.append(measured(cell, metric, records.get(config, []), against))
        cells += quality
        correlation, rows = rank_correlation([cell for cell in quality if cell.quantity == metrics[0]])
        scales.append(
            ScaleResult(
                scale=study.scale, records=records, metrics=metrics, rank_correlation=correlation, rank_rows=rows
            )
        )
    return Content(name=name, table=table, cells=tuple(cells), scales=tuple(scales))


def count_cell(
    name: str, table: Table, config: str, quantity: str, published: dict[tuple[str, str], Published]
) -> Cell:
    """Counted parameters of G or D beside the printed ones."""
    title = CONFIGS[config].title
    cell = Cell(table=name, row=title, quantity=quantity).with_published(published[title, quantity])
    return counted(cell, config, table.counted_at)


def measured_metrics(table: Table, records: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Those of the table's metrics that any record has, in the table's order; the first of all if none has any."""
    found = tuple(metric for metric in table.metrics if any(metric in record["metrics"] for record in records))
    return found or table.metrics[:1]


def rank_correlation(cells: Sequence[Cell]) -> tuple[float | None, int]:
    """Spearman's rho between the published order and ours over the rows that have both, and their number.

    None below three rows, where every order correlates, and where all of ours are equal.
    """
    from scipy.stats import spearmanr

    pairs = [(float(c.published), c.reproduced) for c in cells if c.published not in (None, "Fail") and c.reproduced]
    if len(pairs) < 3:
        return None, len(pairs)
    theirs, ours = zip(*pairs, strict=True)
    if len(set(ours)) == 1:
        return None, len(pairs)
    return float(spearmanr(theirs, ours).statistic), len(pairs)
