"""Panels: from a table's cells to what a reader sees, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from r3gan.tables.cell import Cell, tally

PUBLISHED, UNTRAINED, REPRODUCED, VERDICT, BOTH = "published", "untrained", "reproduced", "verdict", "both"
TITLES = {
    "fid": "FID",
    "modes": "Modes",
    "kl": "KL",
    "nfe": "NFE",
    "recall": "Recall",
    "g_params": "G parameters",
    "d_params": "D parameters",
    "relative_fid": "FID, relative",
    "digit-frechet": "Digit Frechet",
    "images_to_target": "Images to target",
    "speedup_images": "Speed-up, images",
    "speedup_wallclock": "Speed-up, time",
}


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place of a panel: which side of a cell is shown there."""

    group: str  # the heading over one or more columns
    label: str  # the column's own heading
    side: str  # PUBLISHED, UNTRAINED, REPRODUCED, VERDICT or BOTH
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One table for readers; an empty place is None."""

    title: str
    corner: str
    columns: tuple[tuple[str, str], ...]  # (group, label)
    rows: tuple[tuple[str, tuple[Slot | None, ...]], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headings over columns, and over how many each."""
        return [(group, len(list(found))) for group, found in groupby(group for group, _ in self.columns)]

    @property
    def labelled(self) -> bool:
        """Whether the columns have headings of their own."""
        return any(label for _, label in self.columns)

    @property
    def tallied(self) -> bool:
        """Whether the verdicts of a row are summed up at its end, since its places show only what stands out."""
        return any(place is not None and place.side == BOTH for _, places in self.rows for place in places)


def row_tally(places: Iterable[Slot | None]) -> Mapping[str, int]:
    """How often each verdict was given in a row."""
    return tally(place.cell for place in places if place is not None)


def title_of(quantity: str) -> str:
    return TITLES.get(quantity, quantity)


def by_section(cells: Iterable[Cell]) -> Mapping[str, list[Cell]]:
    """The cells of each section, in the order of their first cells."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.section, []).append(cell)
    return found


def by_row(title: str, corner: str, cells: Iterable[Cell], scale: str = "") -> Panel:
    """One line per row; measured quantities before counted ones. A scale that the title names is no heading."""
    listed = list(cells)
    ordered = sorted(listed, key=lambda cell: cell.outcome == "counted")
    slots = [(cell.row, slot) for cell in ordered for slot in slots_of(cell, title_of(cell.quantity), scale)]
    return panel(title, corner, slots, rows=[cell.row for cell in listed])


def slots_of(cell: Cell, group: str, named_scale: str = "") -> list[Slot]:
    """The published side of a cell, the reproduced one and the verdict, as far as they are there."""
    found = []
    if cell.published is not None:
        found.append(Slot(group=group, label="published", side=PUBLISHED, cell=cell))
    if cell.outcome:
        made = {"counted": "counted", "computed": "computed", "logged": "logged", "measured": ""}
        scale = "" if cell.scale == named_scale else cell.scale
        label = scale or ("" if cell.scale else made.get(cell.outcome, "reproduced"))
        found.append(Slot(group=group, label=label, side=REPRODUCED, cell=cell))
        if cell.verdict:
            found.append(Slot(group=group, label=f"{scale} verdict".strip(), side=VERDICT, cell=cell))
    return found


def panel(title: str, corner: str, slots: Sequence[tuple[str, Slot]], rows: Sequence[str] = ()) -> Panel:
    """Rows (unless given) and columns in the order of their first slots, a group's columns together."""
    groups = list(dict.fromkeys(slot.group for _, slot in slots))
    found = dict.fromkeys((slot.group, slot.label) for _, slot in slots)
    columns = sorted(found, key=lambda column: (groups.index(column[0]), column[1] != "published"))
    placed: dict[str, dict[tuple[str, str], Slot]] = {row: {} for row in rows}
    for row, slot in slots:
        placed.setdefault(row, {}).setdefault((slot.group, slot.label), slot)
    lines = tuple((row, tuple(found.get(column) for column in columns)) for row, found in placed.items())
    return Panel(title=title, corner=corner, columns=tuple(columns), rows=lines)
