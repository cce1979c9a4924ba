"""The training logs of R3GAN's first author: FID of each run, the noise of one evaluation, and what is above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from r3gan.configs import CONFIGS
from r3gan.tables.author_logs import (
    AT_KIMG,
    AUTHOR_LOGS_CSV,
    SETTINGS,
    in_units_of_noise,
    logged_cell,
    noise_of_an_evaluation,
    read_logs,
)
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import logged_curves
from r3gan.tables.claims.registry import LEAST_UNITS, NOISE
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.panel import Panel, by_row, by_section
from r3gan.tables.published import PUBLISHED_CSV, read_published

RUNS, STEPS = "The logged runs", "The steps of Table 1 in units of the noise of a difference of two evaluations"
FIRST_KIMG, LAST_KIMG = 200, 6000  # that the chart shows


@dataclass(frozen=True, kw_only=True)
class LogTable(Kind):
    """One line per logged run, and one per step of a table whose rows are configurations."""

    published: str
    rows: tuple[str, ...]  # configurations in the order of the steps
    corner: ClassVar[str] = "Run"

    @property
    def made_of(self) -> str:
        return "nine training logs in two public repositories of R3GAN's first author"

    def sources(self) -> list[str]:
        return [f"r3gan/tables/{path.name}" for path in (PUBLISHED_CSV, AUTHOR_LOGS_CSV)]

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        corners = {STEPS: "Step"}
        return [by_row(s, corners.get(s, self.corner), found) for s, found in by_section(cells).items()]

    def build(self, context: Context) -> Content:
        printed = {name: read_published(self.published)[CONFIGS[name].title, "fid"].text for name in self.rows}
        chart = logged_curves(
            list(self.points(printed)),
            name="fid",
            title="FID in the authors' logs",
            caption="one run each, one evaluation of 50,000 samples every 51 kimg; diamond: the FID that Table 1 "
            "prints for the row of the run's network; grey: the other runs",
        )
        cells = [*self.runs(context.name), *self.steps(context.name, printed)]
        sigma = noise_of_an_evaluation()
        remark = (
            f"One evaluation scatters by {sigma:.2%} around its run's own curve (pooled over runs, spikes out), "
            f"a difference of two by {sigma * 2**0.5:.1%}. The variance between training seeds is not in it."
        )
        return Content(cells=cells, pictures=[chart], remarks=[remark])

    def points(self, printed: Mapping[str, str]) -> Iterator[Row]:
        """What is logged of every run, and what is printed of the row with its network, where there is one."""
        texts = {CONFIGS[name].title: text for name, text in printed.items()}
        for name, run in read_logs().items():
            title = SETTINGS[name].row
            row = f"{name} ({title.split(' ')[0]}, printed {texts[title]})" if title else name
            for kimg, fid in run.points:
                if FIRST_KIMG <= kimg <= LAST_KIMG:
                    yield {"row": row, "kimg": kimg, "fid": fid, "printed": False}
            if title:
                yield {"row": row, "kimg": float(AT_KIMG), "fid": float(texts[title]), "printed": True}

    def runs(self, table: str) -> Iterator[Cell]:
        """FID where the paper reads its table next to the printed one, and the scatter of one evaluation."""
        published = read_published(self.published)
        for name, run in read_logs().items():
            settings, (sigma, bends, n) = SETTINGS[name], run.scatter
            blank = Cell(table=table, section=RUNS, row=name, quantity="", n=1, outcome="logged", source=run.source)
            yield logged_cell(blank, name).with_published(published.get((settings.row, "fid")))
            said = f"{sigma:.2%} (n = {n}, {bends} second differences)"
            words = {
                "scatter": said,
                "network": settings.network,
                "network of": settings.row or "-",
            }
            for quantity, text in words.items():
                yield Cell(table=table, section=RUNS, row=name, quantity=quantity, text=text, n=1, outcome="logged")

    def steps(self, table: str, printed: dict[str, str]) -> Iterator[Cell]:
        pairs = [*pairwise(self.rows), (self.rows[0], self.rows[-1])]
        for before, after in pairs:
            a, b = float(printed[before]), float(printed[after])
            units = in_units_of_noise(a, b)
            row = f"{CONFIGS[before].title} to {CONFIGS[after].title}"
            values = {"change": f"{b / a - 1:+.1%}", "units": f"{units:.1f}", "": NOISE if units < LEAST_UNITS else ""}
            for quantity, text in values.items():
                yield Cell(table=table, section=STEPS, row=row, quantity=quantity, text=text or "-", outcome="computed")
