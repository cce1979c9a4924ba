"""Cells: what every table is made of. A published number beside ours at one scale, with its band and its verdict."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.configs.counts import count_parameters
from r3gan.errors import UserError
from r3gan.files import read_json, write_json
from r3gan.metrics import METRICS
from r3gan.tables.bands import PUBLISHED_SAMPLES, find_band
from r3gan.tables.records import RELEASED, Published
from r3gan.tables.verdict import (
    BETTER,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOT_RUN,
    Interval,
    Verdict,
    judge_count,
    judge_failure,
    judge_value,
)

Record = dict[str, Any]
SCHEMA = 1  # of a table's JSON
COUNTED = ("g_params", "d_params")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A published number beside ours at one scale; either may be missing."""

    table: str
    section: str = ""
    row: str
    config: str | None = None  # None: a system that is not ours
    quantity: str
    published: str | None = None  # as printed
    unit: str = ""
    protocol: str = ""  # of the published number
    source: str = ""
    status: str = ""
    scale: str = ""  # empty: no training involved
    reproduced: float | None = None
    text: str = ""  # ours where it is no number
    spread: float | None = None  # standard deviation over training seeds
    interval: Interval | None = None  # 95% t-interval of the mean over training seeds
    draws: int = 0  # of samples, for each seed
    untrained: float | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    outcome: str = ""  # empty: nothing of ours is meant to stand here
    verdict: str = ""
    reason: str = ""  # what the verdict leaves to say
    band: Interval | None = None
    metric: str = ""  # what ours is, where it may drift: an entry of DRIFT
    conditions: str = ""  # under which ours was measured: equal ones make two of our numbers comparable
    weights: tuple[str, ...] = ()  # what was measured: beginnings of the generators' sha256, one a seed
    records: tuple[str, ...] = ()  # files below results/

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes it the same cell in another tree."""
        return self.table, self.section, self.row, self.quantity, self.scale

    @property
    def said(self) -> str:
        """The verdict for people."""
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict

    def with_published(self, printed: Published | None) -> Cell:
        """The cell with what is printed, if anything is."""
        if printed is None:
            return self
        return replace(
            self,
            published=printed.text,
            unit=printed.unit,
            source=printed.source,
            status=printed.status,
            protocol=printed.protocol,
        )

    def judged(self, verdict: Verdict) -> Cell:
        return replace(self, verdict=verdict.word, reason=verdict.reason)


DEFAULTS = {field.name: field.default for field in fields(Cell)}


@dataclass(frozen=True, kw_only=True)
class Against:
    """Under which conditions a published number was taken; ours is judged if it was taken under the same."""

    table: str  # of published.csv, whose band counts
    metric: str
    dataset: str


def counted(cell: Cell, config: str, dataset: str) -> Cell:
    """The cell with G's or D's parameters, counted at the data set's size."""
    count = count_parameters(CONFIGS[config], dataset)[cell.quantity]
    cell = replace(cell, config=config, reproduced=count, n=1, outcome="counted")
    return cell if cell.published is None else cell.judged(judge_count(cell.published, count))


def measured(cell: Cell, metric: str, records: Sequence[Record], against: Against) -> Cell:
    """The cell with a metric's mean over the records of one row at one scale, one record a training seed."""
    if not records:
        return replace(cell, outcome=NOT_RUN).judged(Verdict(word=NOT_RUN))
    found = [record["metrics"][metric] for record in records if metric in record["metrics"]]
    values = [each["value"] for each in found]
    failed = sum(record["outcome"] == "Fail" for record in records)
    cell = replace(
        cell,
        reproduced=fmean(values) if values else None,
        spread=stdev(values) if len(values) > 1 else None,
        interval=t_interval(values),
        draws=len(found[0].get("draws", ())) if found else 0,
        untrained=fmean(each["untrained"] for each in found) if found and "untrained" in found[0] else None,
        n=len(values) or failed,
        seeds=tuple(record["seed"] for record in records),
        outcome="Fail" if failed else "trained" if values else NOT_MEASURED,
        metric=metric,
        conditions=conditions(records[0], found[0] if found else None),
        weights=tuple(record["generator_sha256"][:12] for record in records if "generator_sha256" in record),
        records=tuple(f"{record['training']['run']}/metrics.json" for record in records),
    )
    if cell.outcome == NOT_MEASURED:
        return cell.judged(Verdict(word=NOT_MEASURED))
    if cell.published is None:
        return cell
    if hindrance := next(filter(None, (obstacle(record, metric, against) for record in records)), ""):
        return cell.judged(Verdict(word=NOT_COMPARABLE, reason=hindrance))
    return set_beside(cell, metric, failed, against)


def conditions(record: Record, measurement: Record | None) -> str:
    """The data, the length of training and the way of measuring, in words."""
    data, recipe = record["data"], record["training"]["recipe"]
    words = [f"{data['dataset']} {data['sha256'][:12]}"]
    if record["scale"] != RELEASED:
        words.append(f"{recipe['total_kimg']:g} kimg at batch {recipe['batch']}")
    if measurement is not None:
        words.append(f"{measurement['n_fake']:,} samples, {measurement['protocol']}")
    return ", ".join(words)


def set_beside(cell: Cell, metric: str, failed: int, against: Against) -> Cell:
    """The verdict on a comparable cell."""
    assert cell.published is not None
    published_fails = cell.published == "Fail"
    if failed:
        return cell.judged(judge_failure(published_fails, failed, len(cell.seeds)))
    if published_fails:
        return cell.judged(Verdict(word=BETTER, reason="published fails, ours does not"))
    assert cell.reproduced is not None
    band = find_band(against.metric, against.table).around(float(cell.published))
    verdict = judge_value(cell.reproduced, cell.interval, band, METRICS[metric].better)
    if cell.scale == RELEASED:
        reason = f"the authors' checkpoint{', ' + verdict.reason if verdict.reason else ''}"
        verdict = replace(verdict, reason=reason)
    return replace(cell, band=band).judged(verdict)


def obstacle(record: Record, metric: str, against: Against) -> str:
    """Why a record cannot be set against a published number; empty if nothing stands in the way."""
    if metric != against.metric:
        return "another metric"
    if record["dataset"] != against.dataset:
        return "another data set"
    if record["scale"] != RELEASED:
        planned = record["training"]["recipe"]["total_kimg"]
        budget = CONFIGS[record["config"]].recipe(against.dataset).total_kimg
        if planned < 0.99 * budget:
            return f"{planned:,g} of {budget:,g} kimg"
    samples, needed = record["metrics"].get(metric, {}).get("n_fake"), PUBLISHED_SAMPLES[metric]
    return "" if samples is None or samples >= needed else f"{samples:,} of {needed:,} samples"


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Student's interval of the mean of independent values; None for fewer than two, or where they are all equal."""
    from scipy.stats import t

    if len(values) < 2 or stdev(values) == 0:
        return None
    low, high = t.interval(confidence, len(values) - 1, loc=fmean(values), scale=stdev(values) / len(values) ** 0.5)
    return float(low), float(high)


def tally(cells: Iterable[Cell]) -> Mapping[str, int]:
    """How often each verdict was given."""
    found: dict[str, int] = {}
    for cell in cells:
        if cell.verdict:
            found[cell.verdict] = found.get(cell.verdict, 0) + 1
    return found


def write_cells(results: Path, name: str, title: str, cells: Sequence[Cell], **more: Any) -> None:
    """Write <name>.json, with `more` beside the cells."""
    content = {"schema": SCHEMA, "table": name, "title": title, "values": values_of(cells)}
    write_json(results / f"{name}.json", content | {"cells": [as_json(cell) for cell in cells]} | more)


def values_of(cells: Iterable[Cell]) -> dict[str, dict[str, dict[str, float]]]:
    """Scale -> row -> quantity -> what was measured; by these names `dvc metrics diff` compares two versions."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        if cell.scale and cell.reproduced is not None:
            row = f"{cell.section}: {cell.row}" if cell.section else cell.row
            found.setdefault(cell.scale, {}).setdefault(row, {})[cell.quantity] = cell.reproduced
    return found


def as_json(cell: Cell) -> dict[str, Any]:
    """What the cell does not leave at its default."""
    return {name: value for name, value in asdict(cell).items() if value != DEFAULTS[name]}


def as_csv(cells: Iterable[Cell]) -> str:
    """A line a cell."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Cell)], lineterminator="\n")
    writer.writeheader()
    for cell in cells:
        writer.writerow({k: " ".join(map(str, v)) if isinstance(v, tuple) else v for k, v in asdict(cell).items()})
    return out.getvalue()


def read_cells(path: Path) -> list[Cell]:
    """The cells of a table's JSON; UserError if it is not one of this version."""
    content = read_json(path, "run `r3gan table` again")
    if content.get("schema") != SCHEMA:
        raise UserError(f"{path} is a table of schema {content.get('schema')}, this version reads {SCHEMA}")
    try:
        return [Cell(**as_tuples(cell)) for cell in content["cells"]]
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{path} does not hold a table's cells: run `r3gan table` again") from None


def as_tuples(cell: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in cell.items()}
