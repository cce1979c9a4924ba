"""The training logs of R3GAN's first author: FID of each run, the noise of one evaluation, and what is above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from r3gan.tables.cell import Cell
from r3gan.tables.charts import logged_curves
from r3gan.tables.claims.registry import LEAST_UNITS, NOISE
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.panel import Panel, by_row, by_section
from r3gan.tables.published import PUBLISHED_CSV, read_published

RUNS, STEPS = "The logged runs", "The steps of Table 1 in units of the noise of a difference of two evaluations"
SHOWN_KIMG = 6000


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
        groups = {"roadmap": "StyleGAN2 and stripped", "prototype": "residual"}
        charts = [
            logged_curves(
                [
                    {"row": name, "kimg": kimg, "fid": fid}
                    for name, run in read_logs().items()
                    for kimg, fid in run.points
                    if name.startswith(group) and 200 <= kimg <= SHOWN_KIMG
                ],
                [
                    {"label": CONFIGS[name].title.split(" ")[0], "kimg": float(AT_KIMG), "fid": float(text)}
                    for name, text in printed.items()
                    if (name[0] in "ABC") == (group == "roadmap")
                ],
                name=group,
                title=f"FID in the authors' logs: {words} networks",
                caption="one run each, one evaluation of 50,000 samples every 51 kimg; marks: the paper's FIDs",
            )
            for group, words in groups.items()
        ]
        cells = [*self.runs(context.name), *self.steps(context.name, printed)]
        sigma = noise_of_an_evaluation()
        remark = (
            f"One evaluation scatters by {sigma:.2%} around its run's own curve (pooled over runs, spikes out), "
            f"a difference of two by {sigma * 2**0.5:.1%}. The variance between training seeds is not in it."
        )
        return Content(cells=cells, pictures=charts, remarks=[remark])

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
