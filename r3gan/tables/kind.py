"""Kinds of tables: what every entry of TABLES can say of itself. Each kind is one class in r3gan/tables/kinds/.

Pipeline, report and comparison ask the entry and never which kind it is, so a new kind is one file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from r3gan.records.schema import Benchmark, Convergence, Evaluation
from r3gan.records.store import Store
from r3gan.study import Study
from r3gan.tables.bands import BANDS, Band, find_band
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart
from r3gan.tables.panel import Panel, by_row, by_section
from r3gan.tables.published import PUBLISHED_CSV


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a table is built from: its name, the records there are, and the studies that list them."""

    name: str
    store: Store
    studies: Sequence[Study]
    scale: str | None = None  # the only one whose records are shown; None: all


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Sample grids of several runs on one picture, each under its title, next to real images where there are some."""

    name: str
    caption: str
    grids: Mapping[str, Path]


def sample_sheet(name: str, caption: str, runs: Mapping[str, Path]) -> Sheet:
    """The samples of runs, by title and folder of records, after real images of their data set."""
    grids = {title: folder / "samples.png" for title, folder in runs.items()}
    reals = [path for folder in runs.values() if (path := folder / "reals.png").exists()]
    return Sheet(name=name, caption=caption, grids={"Real images": reals[0]} | grids if reals else grids)


@dataclass(frozen=True, kw_only=True)
class Content:
    """A finished table; nothing has been written yet."""

    cells: Sequence[Cell]
    pictures: Sequence[Chart | Sheet] = ()
    remarks: Sequence[str] = ()  # what the table says of itself as a whole
    notes: Sequence[str] = ()  # what follows from the content, after the entry's own notes
    records: Mapping[str, Sequence[Evaluation | Convergence | Benchmark]] = field(default_factory=dict)  # by scale


@dataclass(frozen=True, kw_only=True)
class Kind(ABC):
    """An entry of TABLES. Its kind's module imports nothing heavy: every Snakemake job reads it."""

    title: str
    notes: tuple[str, ...] = ()
    corner: ClassVar[str] = "Row"  # the heading of a panel's first column
    draws_every_scale: ClassVar[bool] = False  # on the page, which has of other tables the pictures of one scale

    @property
    @abstractmethod
    def made_of(self) -> str:
        """What the table is made of, in words."""

    @abstractmethod
    def build(self, context: Context) -> Content:
        """Cells and pictures, from records alone."""

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        """Records of the study's runs that the table shows, and of the authors' snapshots named, below results/."""
        return []

    def sources(self) -> list[str]:
        """Other files that the table is made of: paths or glob patterns relative to the repository's root."""
        return [f"r3gan/tables/{PUBLISHED_CSV.name}"]

    def configs(self) -> Sequence[str]:
        """Configurations whose recipes the table shows; an edit of one renders it anew."""
        return ()

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        """The table as a reader sees it: one panel per section, one line per row."""
        return [
            by_row("" if section in self.title else section, self.corner, found)
            for section, found in by_section(cells).items()
        ]

    def band_key(self, cell: Cell) -> tuple[str, str]:
        """The quantity and the table of published.csv whose band a cell's published number has."""
        return cell.quantity, ""

    def band_of(self, cell: Cell) -> Band | None:
        """The band around a cell's published number, whether the reproduced one is comparable yet or not."""
        quantity, published = self.band_key(cell)
        if not cell.verdict or quantity not in BANDS or cell.published_value is None or cell.outcome == "counted":
            return None
        return find_band(quantity, published)
