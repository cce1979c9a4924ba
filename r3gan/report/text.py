"""A comparison in words and aligned tables: what `r3gan compare` prints and what the summary of a CI job shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from r3gan.compare import ELSEWHERE, GONE, IMPROVED, OTHERWISE, REGRESSED, WITHIN, Change, Comparison
from r3gan.tables.cell import Cell, tally
from r3gan.tables.markdown import grid, number, reproduced
from r3gan.tables.verdict import JUDGED, REGRESSIONS, VERDICTS


def headline(found: Comparison) -> str:
    """The outcome in one sentence, the same in every format."""
    outside, regressed = len(found.outside), len(found.regressed)
    said = [f"{outside} number{'s lie' if outside > 1 else ' lies'} outside the band"] if outside else []
    said += [f"{regressed} regressed since the baseline"] if regressed else []
    if said:
        return " and ".join(said)
    judged = any(cell.verdict in JUDGED for cells in found.tables.values() for cell in cells)
    return "Nothing is outside its band" if judged else "No published result has been tested at its own scale yet"


def status_of(found: Comparison) -> str:
    """The headline, and how often each verdict was given."""
    counts = tally(cell for cells in found.tables.values() for cell in cells)
    return f"{headline(found)} ({', '.join(f'{counts[word]} {word}' for word in VERDICTS if word in counts)})"


def escaped(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Cells that end neither a column nor a line nor a fold."""
    return [[" ".join(cell.replace("<", "&lt;").replace("|", "\\|").split()) for cell in row] for row in rows]


def tally_table(found: Comparison) -> str:
    """How often each verdict was given, one line per table."""
    counts = {name: tally(cells) for name, cells in found.tables.items()}
    given = [word for word in VERDICTS if any(word in tallied for tallied in counts.values())]
    rows = [[name, *(str(tallied.get(word, "")) for word in given)] for name, tallied in counts.items()]
    return grid(rows, ["Table", *given], right=range(1, len(given) + 1))


def cell_table(cells: Iterable[Cell]) -> str:
    """Published against reproduced, one line per cell; columns that are empty everywhere are left out."""
    headers = ["Table", "Section", "Row", "Quantity", "Scale", "Published", "Reproduced", "n", "Band", "Verdict"]
    rows = [
        [
            cell.table, cell.section, cell.row, cell.quantity, cell.scale, cell.published or "-", reproduced(cell),
            str(cell.n or "-"), band_text(cell.band), cell.said,
        ]
        for cell in cells
    ]  # fmt: skip
    used = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    numbers = [headers.index(name) for name in ("Published", "Reproduced", "n")]
    right = [used.index(i) for i in numbers if i in used]
    return grid(escaped([row[i] for i in used] for row in rows), [headers[i] for i in used], right=right)


def band_text(band: tuple[float, float] | None) -> str:
    return f"{number(band[0])} to {number(band[1])}" if band else ""


def change_table(changes: Iterable[Change]) -> str:
    """Earlier and now, one line per reproduced number."""
    rows = [
        [
            change.earlier.table, change.earlier.row, change.earlier.quantity, change.earlier.scale,
            reproduced(change.earlier), reproduced(change.now) if change.now else "-",
            band_text(change.band.around(change.earlier.reproduced or 0.0)) if change.band else "",
            change.word,
        ]
        for change in changes
    ]  # fmt: skip
    headers = ["Table", "Row", "Quantity", "Scale", "Earlier", "Now", "Within drift", "Change"]
    return grid(escaped(rows), headers, right=(4, 5))


def changes_line(changes: Sequence[Change]) -> str:
    """How many numbers moved, in words."""
    counts = {word: sum(change.word == word for change in changes) for word in (REGRESSED, IMPROVED, WITHIN)}
    counts |= {
        word: n for word in (ELSEWHERE, OTHERWISE, GONE) if (n := sum(change.word == word for change in changes))
    }
    return ", ".join(f"{n} {word}" for word, n in counts.items())


def comparison_text(found: Comparison, baseline: str | None, cell_by_cell: bool) -> str:
    """What `r3gan compare` prints."""
    parts = [tally_table(found)]
    everything = [cell for cells in found.tables.values() for cell in cells if cell.verdict]
    shown = everything if cell_by_cell else [cell for cell in everything if cell.verdict in REGRESSIONS]
    if shown:
        parts.append(cell_table(shown))
    if baseline:
        parts.append(f"Against {baseline}: {changes_line(found.changes)}.")
        moved = [change for change in found.changes if cell_by_cell or change.moved]
        if moved:
            parts.append(change_table(moved))
    parts.append(f"Status: {status_of(found)}.")
    return "\n\n".join(parts)
