"""The `table` stage: cells of a table from counts, published numbers and records; one shape for every table."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.counts import count_parameters
from r3gan.study import Study
from r3gan.tables import Table
from r3gan.tables.records import Published, read_published, read_records
from r3gan.tables.values import named_values
from r3gan.tables.verdict import NOT_MEASURED, NOT_RUN, count_verdict, quality_verdict


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A published number beside ours, with what decides whether they agree."""

    row: str
    config: str
    quantity: str
    published: str | None
    published_unit: str = ""
    published_source: str | None = None
    published_status: str | None = None
    scale: str | None = None  # None: no training involved
    reproduced: float | None = None
    spread: float | None = None  # standard deviation over training seeds
    interval: tuple[float, float] | None = None  # 95% t-interval of the mean over training seeds
    draws: int = 0  # of samples, for each seed
    untrained: float | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    outcome: str = NOT_RUN
    verdict: str = NOT_RUN


@dataclass(frozen=True, kw_only=True)
class ScaleResult:
    """What one scale contributes: its records, and how its order of rows agrees with the published one."""

    scale: str
    records: dict[str, list[dict[str, Any]]]
    rank_correlation: float | None
    rank_rows: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """A finished table: cells, and per scale where they come from."""

    name: str
    table: Table
    cells: tuple[Cell, ...]
    scales: tuple[ScaleResult, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.name,
            "title": self.table.title,
            "values": named_values((c.scale or "", c.row, c.quantity, c.reproduced) for c in self.cells),
            "cells": [asdict(cell) for cell in self.cells],
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
    cells = [cell for config in table.configs for cell in count_cells(table, config, published)]
    scales = []
    for study in studies:
        records = read_records(study, results)
        records = {config: records[config] for config in table.configs if config in records}
        if not records:
            continue
        quality = [
            quality_cell(table, config, metric, study.scale, records.get(config, []), published)
            for config in table.configs
            for metric in table.metrics
        ]
        cells += quality
        correlation, rows = rank_correlation([c for c in quality if c.quantity == table.metrics[0]])
        scales.append(ScaleResult(scale=study.scale, records=records, rank_correlation=correlation, rank_rows=rows))
    return Content(name=name, table=table, cells=tuple(cells), scales=tuple(scales))


def count_cells(table: Table, config: str, published: dict[tuple[str, str], Published]) -> list[Cell]:
    """Counted parameters of G and D beside the printed ones."""
    title = CONFIGS[config].title
    cells = []
    for quantity, count in count_parameters(CONFIGS[config], table.counted_at).items():
        printed = published[title, quantity]
        cells.append(
            Cell(
                row=title,
                config=config,
                quantity=quantity,
                published=printed.text,
                published_unit=printed.unit,
                published_source=printed.source,
                published_status=printed.status,
                reproduced=count,
                n=1,
                outcome="counted",
                verdict=count_verdict(printed.text, count),
            )
        )
    return cells


def quality_cell(
    table: Table,
    config: str,
    metric: str,
    scale: str,
    records: Sequence[dict[str, Any]],
    published: dict[tuple[str, str], Published],
) -> Cell:
    """Mean of a metric over the seeds of one row at one scale, beside the published metric."""
    title = CONFIGS[config].title
    beside = published.get((title, table.published_metric)) if metric == table.metrics[0] else None
    measured = [r["metrics"][metric] for r in records if metric in r["metrics"]]
    values = [m["value"] for m in measured]
    failed = any(r["outcome"] == "Fail" for r in records)
    return Cell(
        row=title,
        config=config,
        quantity=metric,
        published=beside.text if beside else None,
        published_unit=beside.unit if beside else "",
        published_source=beside.source if beside else None,
        published_status=beside.status if beside else None,
        scale=scale,
        reproduced=fmean(values) if values else None,
        spread=stdev(values) if len(values) > 1 else None,
        interval=t_interval(values),
        draws=len(measured[0]["draws"]) if measured else 0,
        untrained=fmean(m["untrained"] for m in measured) if measured else None,
        n=len(values),
        seeds=tuple(r["seed"] for r in records),
        outcome="Fail" if failed else "trained" if values else NOT_MEASURED if records else NOT_RUN,
        verdict=quality_verdict(scale, table.published_metric, metric)
        if values or failed
        else NOT_MEASURED
        if records
        else NOT_RUN,
    )


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of the mean of independent values; None for fewer than two, or where they are all equal."""
    from scipy.stats import t

    if len(values) < 2 or stdev(values) == 0:
        return None
    low, high = t.interval(confidence, len(values) - 1, loc=fmean(values), scale=stdev(values) / len(values) ** 0.5)
    return float(low), float(high)


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
