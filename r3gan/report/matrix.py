"""From a table's cells to what a reader sees: rows, columns and which cell stands where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from r3gan.metrics import METRICS
from r3gan.tables import TABLES, ComparisonTable, ConvergenceTable, PresetTable, PropositionTable, Table
from r3gan.tables.cells import COUNTED, Cell, tally
from r3gan.tables.comparison import HEADERS

PUBLISHED, UNTRAINED, OURS, VERDICT, BOTH = "published", "untrained", "ours", "verdict", "both"
SPEED_UPS = {
    "images_to_target": "Images to target",
    "speedup_images": "Speed-up, images",
    "speedup_wallclock": "Speed-up, time",
}
TITLES = (
    HEADERS | SPEED_UPS | {"g_params": "G parameters", "d_params": "D parameters", "digit-frechet": "Digit Frechet"}
)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place of a panel: which side of a cell is shown there."""

    group: str  # the heading over one or more columns
    label: str  # the column's own heading
    side: str  # PUBLISHED, UNTRAINED, OURS, VERDICT or BOTH
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One HTML table; an empty place is None."""

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


def panels_of(name: str, cells: Sequence[Cell]) -> list[Panel]:
    """The panels of a table, by its kind; any other has a row a row and a column a quantity, section by section."""
    table = TABLES[name]
    if isinstance(table, PresetTable):
        slots = [(c.quantity, Slot(group=c.section, label="", side=BOTH, cell=c)) for c in cells]
        return [panel("", "Hyperparameter", slots)]
    if isinstance(table, Table):
        counted = [cell for cell in cells if cell.quantity in COUNTED]
        measured = [cell for cell in cells if cell.quantity not in COUNTED]
        first = by_row(f"Parameters at paper size ({table.counted_at})", "Configuration", counted)
        return [first, *([by_row("Quality", "Configuration", measured)] if measured else [])]
    sections: dict[str, list[Cell]] = {}
    for cell in cells:
        sections.setdefault(cell.section, []).append(cell)
    if isinstance(table, PropositionTable):
        lines = [(f"{c.quantity}: {c.row}", slot) for c in cells for slot in slots_of(c, group="")]
        return [panel("", "Setting", lines)]
    if isinstance(table, ConvergenceTable):
        return [each for section, found in sections.items() for each in convergence_panels(section, found)]
    corner = "Method" if isinstance(table, ComparisonTable) else "Row"
    return [by_row("" if section in table.title else section, corner, found) for section, found in sections.items()]


def convergence_panels(section: str, cells: Sequence[Cell]) -> list[Panel]:
    """Published FID by method and data set, then what else is published line by line; ours as elsewhere."""
    if not any(" / " in cell.row for cell in cells):
        return [by_row(section, "Configuration", cells)]
    slots, others = [], []
    for cell in cells:
        method, _, dataset = cell.row.partition(" / ")
        if cell.quantity == "fid":
            slots.append((method, Slot(group=dataset, label="", side=BOTH, cell=cell)))
        else:
            others += [(f"{cell.row}: {cell.protocol}", slot) for slot in slots_of(cell, group="")]
    return [panel(f"{section}: FID", "Method", slots), panel(f"{section}: speed", "Quantity", others)]


def by_row(title: str, corner: str, cells: Iterable[Cell]) -> Panel:
    """A row a row of the table; over its columns the quantity, what is measured before what is counted or only told."""
    ordered = sorted(cells, key=lambda cell: cell.quantity not in METRICS)
    return panel(title, corner, [(cell.row, slot) for cell in ordered for slot in slots_of(cell, group_of(cell))])


def group_of(cell: Cell) -> str:
    """The quantity; where ours is set beside the published one of another metric, the published one."""
    table = TABLES[cell.table]
    if isinstance(table, Table) and cell.published and cell.quantity not in COUNTED:
        return title_of(table.published_metric)
    return title_of(cell.quantity)


def slots_of(cell: Cell, group: str) -> list[Slot]:
    """The published side of a cell, ours and the verdict, as far as they are there."""
    found = []
    if cell.published is not None:
        found.append(Slot(group=group, label="published", side=PUBLISHED, cell=cell))
    if cell.outcome:
        another = f"{title_of(cell.quantity)}, " if group not in ("", title_of(cell.quantity)) else ""
        made = {"counted": "counted", "computed": "computed", "measured": ""}
        label = f"{another}{cell.scale}" if cell.scale else made.get(cell.outcome, "ours")
        if cell.untrained is not None and cell.published and isinstance(TABLES[cell.table], Table):
            found.append(Slot(group=group, label=f"untrained, {cell.scale}", side=UNTRAINED, cell=cell))
        found.append(Slot(group=group, label=label, side=OURS, cell=cell))
        if cell.verdict:
            found.append(Slot(group=group, label=f"{cell.scale} verdict".strip(), side=VERDICT, cell=cell))
    return found


def panel(title: str, corner: str, slots: Sequence[tuple[str, Slot]]) -> Panel:
    """Rows and columns in the order in which they occur, the columns of a group together, published first."""
    groups = list(dict.fromkeys(slot.group for _, slot in slots))
    found = dict.fromkeys((slot.group, slot.label) for _, slot in slots)
    columns = sorted(found, key=lambda column: (groups.index(column[0]), column[1] != "published"))
    placed: dict[str, dict[tuple[str, str], Slot]] = {}
    for row, slot in slots:
        placed.setdefault(row, {}).setdefault((slot.group, slot.label), slot)
    rows = tuple((row, tuple(found.get(column) for column in columns)) for row, found in placed.items())
    return Panel(title=title, corner=corner, columns=tuple(columns), rows=rows)
