"""The training logs that R3GAN's first author published before the paper: author_logs.csv, and the noise of one FID.

Each run is evaluated every 51.2 kimg on new samples. The scatter of one evaluation is the standard deviation of the
second differences of log FID over sqrt(6), which a smooth curve leaves alone. The draw of samples and the noise of
training from one snapshot to the next are in it, the training seed is not: no log repeats a setting.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from statistics import median, stdev

from msgspec.structs import replace

from r3gan.tables.cell import Cell
from r3gan.tables.verdict import EXACT, NOT_COMPARABLE, Verdict

AUTHOR_LOGS_CSV = Path(__file__).with_name("author_logs.csv")
AT_KIMG = 5017  # where the paper reads its table: A's value there is the printed 7.516
WINDOW = (3000.0, 5200.0)  # kimg, over which the scatter is taken
SPIKE = 1.15  # times the median of its neighbours


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run trained, and how that differs from the paper's statement about the row with the same network."""

    row: str  # of Table 1 whose network it has; empty: none
    network: str
    differs: str


# By the run's name in author_logs.csv. Batch 64, Adam (0, 0.99), EMA half-life 20 kimg, x-flips, fp32, seed 0 for all.
SETTINGS: Mapping[str, Settings] = {
    "roadmap-A": Settings(row="A StyleGAN2", network="StyleGAN2, lazy R1 (16)", differs=""),
    "roadmap-B-2023": Settings(
        row="B Stripped StyleGAN2", network="stripped StyleGAN2, R1", differs="equalised lr 2.5e-3, lazy R1 (16)"
    ),
    "roadmap-B": Settings(row="B Stripped StyleGAN2", network="stripped StyleGAN2, R1", differs="lr 2.5e-5, half"),
    "roadmap-B-rpgan": Settings(
        row="C + RpGAN loss", network="stripped StyleGAN2, RpGAN + R1", differs="equalised lr 2.5e-3, lazy R1 (8)"
    ),
    "prototype-B": Settings(
        row="D + ResNet-ify G & D", network="ResNet bottleneck, output skips", differs="lr 1e-4, lazy penalties (8)"
    ),
    "prototype-C": Settings(row="", network="ResNeXt, 4 groups, output skips", differs="lr 1e-4, lazy penalties (8)"),
    "prototype-D": Settings(row="", network="ResNeXt, groups of 16, skips", differs="lr 1e-4, lazy penalties (8)"),
    "prototype-E": Settings(
        row="E + ResNeXt-ify G & D", network="ResNeXt, groups of 16", differs="lr 1e-4, lazy penalties (8)"
    ),
    "prototype-F": Settings(
        row="E + Inverted bottleneck", network="inverted bottleneck", differs="lr 1e-4, lazy penalties (8)"
    ),
}


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """One run's FID (50,000 samples) by kimg, and the file that it was read from."""

    name: str
    source: str
    points: tuple[tuple[float, float], ...]

    def at(self, kimg: float) -> float | None:
        return dict(self.points).get(kimg)

    @property
    def scatter(self) -> tuple[float, int, int]:
        """The standard deviation of one evaluation in log FID, from how many second differences of how many values."""
        inside = [(kimg, fid) for kimg, fid in self.points if WINDOW[0] <= kimg <= WINDOW[1]]
        calm = [fid <= SPIKE * neighbours(inside, i) for i, (_, fid) in enumerate(inside)]
        slopes = [log(b[1] / a[1]) for a, b in pairwise(inside)]
        bends = [b - a for i, (a, b) in enumerate(pairwise(slopes)) if all(calm[i : i + 3])]
        return stdev(bends) / sqrt(6), len(bends), len(inside)


def neighbours(points: Sequence[tuple[float, float]], i: int) -> float:
    """The median FID of the three evaluations before and the three after."""
    near = range(max(0, i - 3), min(len(points), i + 4))
    return median(points[j][1] for j in near if j != i)


@cache
def read_logs() -> Mapping[str, LoggedRun]:
    """The runs of author_logs.csv by name."""
    found: dict[str, list[dict[str, str]]] = {}
    with AUTHOR_LOGS_CSV.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            found.setdefault(line["run"], []).append(line)
    return {
        name: LoggedRun(
            name=name,
            source=f"{lines[0]['repo']} {lines[0]['commit'][:12]}, {lines[0]['path']}",
            points=tuple((float(line["kimg"]), float(line["fid50k_full"])) for line in lines),
        )
        for name, lines in found.items()
    }


@cache
def noise_of_an_evaluation() -> float:
    """The standard deviation of log FID from one evaluation to the next, pooled over the runs."""
    scatters = [run.scatter for run in read_logs().values()]
    return sqrt(sum(m * sigma**2 for sigma, m, _ in scatters) / sum(m for _, m, _ in scatters))


def in_units_of_noise(before: float, after: float) -> float:
    """|log(after / before)| over the standard deviation of a difference of two single evaluations."""
    return abs(log(after / before)) / (noise_of_an_evaluation() * sqrt(2))


def logged_cell(cell: Cell, name: str) -> Cell:
    """The cell with a run's FID where the paper reads its table; it is the printed one, or what differs is named."""
    settings = SETTINGS[name]
    where = f"{AT_KIMG:,} kimg at batch 64, 50,000 samples; {name}: {settings.network}"
    cell = replace(cell, quantity="fid", reproduced=read_logs()[name].at(AT_KIMG), conditions=where)
    if not settings.row:
        return cell
    same = not settings.differs
    word, reason = (EXACT, "the run behind the printed number") if same else (NOT_COMPARABLE, settings.differs)
    return cell.judged(Verdict(word=word, reason=reason))
