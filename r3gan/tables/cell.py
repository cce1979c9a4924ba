"""Cells: what every table is made of. A published number and the reproduced one at one scale, with its verdict."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from r3gan.errors import UserError
from r3gan.files import read_json, write_json
from r3gan.records.schema import Record, Values
from r3gan.records.store import not_finite
from r3gan.tables.published import Published
from r3gan.tables.verdict import Interval, Verdict

SCHEMA = 2  # of a table's JSON
HINT = "run `r3gan table` again"
REPRODUCED = "Reproduced"  # the section of cells that have no published counterpart


class Cell(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A published number and the reproduced one at one scale; either may be missing."""

    table: str
    section: str = ""
    row: str
    config: str | None = None  # None: a system that this project does not train
    quantity: str
    published: str | None = None  # as printed
    unit: str = ""
    protocol: str = ""  # of the published number
    source: str = ""
    status: str = ""
    scale: str = ""  # empty: no training involved
    reproduced: float | None = None
    text: str = ""  # the reproduced value where it is no number
    spread: float | None = None  # standard deviation over training seeds
    interval: Interval | None = None  # 95% over training seeds: interval_of in intervals.py
    draws: int = 0  # of samples, for each seed
    untrained: float | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    outcome: str = ""  # empty: nothing reproduced is meant to stand here
    verdict: str = ""
    reason: str = ""  # what the verdict leaves to say
    band: Interval | None = None
    metric: str = ""  # of the reproduced value, where it may drift: an entry of DRIFT
    conditions: str = ""  # of the measurement: equal ones make two reproduced numbers comparable
    devices: tuple[str, ...] = ()  # that trained it
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

    @property
    def published_value(self) -> float | None:
        """The number that is printed; None for "Fail" and words, and where nothing is."""
        try:
            return float(self.published or "")
        except ValueError:
            return None

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

    def judged(self, verdict: Verdict, band: Interval | None = None) -> Cell:
        return replace(self, verdict=verdict.word, reason=verdict.reason, band=band)


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """results/<table>.json; fields of older versions that nobody reads are ignored."""

    schema: int
    table: str
    title: str
    remarks: tuple[str, ...] = ()  # what the table says of itself as a whole
    # Scale -> row -> quantity -> value: by these names `dvc metrics diff` compares two versions.
    values: dict[str, dict[str, dict[str, float]]]
    cells: tuple[Cell, ...]


def tally(cells: Iterable[Cell]) -> Mapping[str, int]:
    """How often each verdict was given."""
    found: dict[str, int] = {}
    for cell in cells:
        if cell.verdict:
            found[cell.verdict] = found.get(cell.verdict, 0) + 1
    return found


def values_of(cells: Iterable[Cell]) -> dict[str, dict[str, dict[str, float]]]:
    """Scale -> row -> quantity -> what was measured."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        if cell.scale and cell.reproduced is not None:
            row = f"{cell.section}: {cell.row}" if cell.section else cell.row
            found.setdefault(cell.scale, {}).setdefault(row, {})[cell.quantity] = cell.reproduced
    return found


CSV_COLUMNS = (
    "table", "section", "row", "config", "scale", "quantity", "published", "unit", "source", "status", "reproduced",
    "text", "n", "seeds", "spread", "interval_low", "interval_high", "untrained", "outcome", "verdict", "reason",
    "conditions", "records",
)  # fmt: skip


def as_csv(cells: Iterable[Cell]) -> str:
    """One line per cell, in one schema for all tables; a tuple is its values with blanks between."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for cell in cells:
        low, high = cell.interval or (None, None)
        values = msgspec.structs.asdict(cell) | {"interval_low": low, "interval_high": high}
        writer.writerow({k: " ".join(map(str, v)) if isinstance(v, tuple) else v for k, v in values.items()})
    return out.getvalue()


def as_json(cell: Cell) -> Values:
    """What the cell does not leave at its default."""
    content: Values = msgspec.to_builtins(cell)
    return content


def write_table_file(path: Path, name: str, title: str, cells: Sequence[Cell], remarks: Sequence[str]) -> None:
    file = TableFile(
        schema=SCHEMA, table=name, title=title, remarks=tuple(remarks), values=values_of(cells), cells=tuple(cells)
    )
    write_json(path, msgspec.to_builtins(file))


def read_table_file(path: Path) -> TableFile:
    """A table's JSON, also of schema 1; UserError that names file and place unless it is one."""
    content: dict[str, object] = read_json(path, HINT)
    schema = content.get("schema")
    if schema not in (1, SCHEMA):
        raise UserError(f"{path} is a table of schema {schema}, this version reads {SCHEMA}: {HINT}")
    try:
        if place := not_finite(content):
            raise UserError(f"{path} holds a number that is not finite at {place}: {HINT}")
        file = msgspec.convert(content, TableFile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{path} does not hold a table's cells ({error}): {HINT}") from None
    return replace(file, cells=tuple(map(upgraded, file.cells))) if schema == 1 else file


def upgraded(cell: Cell) -> Cell:
    """A cell of schema 1 under the names that it has now."""
    step, _, quantity = cell.quantity.rpartition(" ")
    if cell.outcome == "measured" and step:
        return replace(cell, row=f"{cell.row}, {step}", quantity=quantity)
    return replace(cell, section=REPRODUCED) if cell.section == "Ours" else cell
