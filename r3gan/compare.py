"""Published against reproduced, and this tree against an earlier one, from the tables' JSON alone."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

from r3gan.errors import UserError, unknown
from r3gan.metrics import METRICS
from r3gan.records.schema import Values
from r3gan.tables.bands import SAME_WEIGHTS, Band, find_drift
from r3gan.tables.cell import Cell, as_json, read_table_file
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import (
    BETTER,
    EXACT,
    JUDGED,
    LEAST_SEEDS,
    MISSING,
    NOT_COMPARABLE,
    REGRESSIONS,
    WORSE,
    judge_value,
)

Tables = Mapping[str, Sequence[Cell]]
REGRESSED = "regressed"
IMPROVED = "improved"
WITHIN = "within drift"
GONE = "gone"  # measured in the earlier tree, not in this one
OTHERWISE = "measured otherwise"  # other data, length of training or protocol: not comparable
ELSEWHERE = "other hardware"  # single runs of two machines, which rounding alone can move as far apart as two seeds
EXIT_REGRESSION, EXIT_INCOMPLETE = 1, 3
TESTED = (*JUDGED, *REGRESSIONS, EXACT)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A reproduced number in an earlier tree and in this one."""

    earlier: Cell
    now: Cell | None
    word: str
    band: Band | None = None

    @property
    def moved(self) -> bool:
        """Whether a reader should look at it."""
        return self.word not in (WITHIN, ELSEWHERE)

    def as_json(self) -> Values:
        return {
            "change": self.word,
            "earlier": as_json(self.earlier),
            "now": as_json(self.now) if self.now else None,
            "drift": asdict(self.band) if self.band else None,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a comparison found."""

    tables: Tables
    missing_tables: tuple[str, ...]
    changes: tuple[Change, ...] = ()

    @property
    def outside(self) -> list[Cell]:
        """Cells outside their bands on the bad side."""
        return [cell for cells in self.tables.values() for cell in cells if cell.verdict in REGRESSIONS]

    @property
    def regressed(self) -> list[Change]:
        return [change for change in self.changes if change.word == REGRESSED]

    @property
    def stand_ins(self) -> list[Cell]:
        """Cells measured under other conditions than a published number that nothing has been measured for."""
        found: dict[tuple[str, str, str | None], list[Cell]] = {}
        for cell in (cell for cells in self.tables.values() for cell in cells if cell.published):
            found.setdefault((cell.table, cell.row, cell.published), []).append(cell)
        tested = {key for key, cells in found.items() if any(cell.verdict in TESTED for cell in cells)}
        return [
            cell
            for key, cells in found.items()
            for cell in cells
            if cell.verdict == NOT_COMPARABLE and key not in tested
        ]

    @property
    def incomplete(self) -> list[str]:
        """What is not there: tables, cells that nobody ran or only under other conditions, cells of an earlier tree."""
        cells = [cell for cells in self.tables.values() for cell in cells if cell.verdict in MISSING]
        gone = [change.earlier for change in self.changes if change.word == GONE]
        instead = (f"{c.table}: {c.row}, {c.published} as published ({c.reason})" for c in self.stand_ins)
        named = [*self.missing_tables, *(f"{c.table}: {c.row}, {c.quantity}" for c in (*cells, *gone)), *instead]
        return list(dict.fromkeys(named))

    def as_json(self) -> Values:
        return {
            "tables": {name: [as_json(cell) for cell in cells] for name, cells in self.tables.items()},
            "outside": [as_json(cell) for cell in self.outside],
            "changes": [change.as_json() for change in self.changes],
            "incomplete": self.incomplete,
        }

    def exit_code(self, strict: bool) -> int:
        """0 within the bands, 1 a regression, 3 incomplete where that is asked for."""
        if self.outside or self.regressed:
            return EXIT_REGRESSION
        return EXIT_INCOMPLETE if strict and self.incomplete else 0


def read_tables(results: Path, names: Sequence[str]) -> dict[str, Sequence[Cell]]:
    """The cells of those tables that have been written."""
    return {
        name: read_table_file(results / f"{name}.json").cells for name in names if (results / f"{name}.json").exists()
    }


def chosen_tables(names: Sequence[str]) -> list[str]:
    """The tables of `names`, all where it is empty; UserError for an unknown one."""
    known = list(TABLES)
    for name in names:
        if name not in known:
            raise unknown("--table", name, known)
    return list(dict.fromkeys(names)) or known


def compare(results: Path, names: Sequence[str], baseline: str | None) -> Comparison:
    """Published against reproduced, and where a baseline is named this tree against it."""
    tables = read_tables(results, names)
    missing = tuple(name for name in names if name not in tables)
    if not tables:
        raise UserError(f"--results {results}: none of these tables is there: {', '.join(names)}")
    changes = changes_since(earlier_tables(baseline, names), tables) if baseline else ()
    return Comparison(tables=tables, missing_tables=missing, changes=tuple(changes))


def earlier_tables(baseline: str, names: Sequence[str]) -> Tables:
    """The tables of an earlier tree: a folder of results, a checkout, or a revision of this repository."""
    folder = Path(baseline)
    if folder.is_dir():
        folder = folder / "results" if (folder / "results").is_dir() else folder
        found: Tables = read_tables(folder, names)
    else:
        found = tables_of_revision(baseline, names)
    if not found:
        raise UserError(f"--baseline {baseline}: none of these tables is there: {', '.join(names)}")
    return found


def tables_of_revision(revision: str, names: Sequence[str]) -> Tables:
    """The tables as a git revision has them."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=60)
        except OSError:
            raise UserError(f"--baseline {revision} is no folder, and there is no git to look for a revision") from None

    known = git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if known.returncode:
        raise UserError(f"--baseline {revision} is neither a folder nor a revision of this repository")
    commit = known.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            shown = git("show", f"{commit}:./results/{name}.json")
            if shown.returncode == 0:
                (Path(folder) / f"{name}.json").write_text(shown.stdout, encoding="utf-8")
        try:
            return read_tables(Path(folder), names)
        except UserError as error:
            raise UserError(f"--baseline {revision}: {str(error).replace(folder, 'results')}") from None


def changes_since(earlier: Tables, now: Tables) -> list[Change]:
    """Every measured number that an earlier tree had, compared with this tree's."""
    here = {cell.key: cell for cells in now.values() for cell in cells}
    scatter = scatter_of_seeds(earlier)
    return [
        change_of(cell, here.get(cell.key), scatter)
        for name, cells in earlier.items()
        for cell in cells
        if name in now and cell.metric and (cell.reproduced is not None or cell.outcome == "Fail")
    ]


def scatter_of_seeds(tables: Tables) -> dict[str, tuple[float, int]]:
    """By metric, the standard deviation of its log over training seeds, pooled over cells, and degrees of freedom."""
    squares: dict[str, float] = {}
    freedom: dict[str, int] = {}
    for cell in (cell for cells in tables.values() for cell in cells):
        if cell.metric in METRICS and cell.n >= LEAST_SEEDS and cell.spread is not None and cell.reproduced:
            squares[cell.metric] = squares.get(cell.metric, 0.0) + (cell.n - 1) * (cell.spread / cell.reproduced) ** 2
            freedom[cell.metric] = freedom.get(cell.metric, 0) + cell.n - 1
    return {metric: (sqrt(squares[metric] / n), n) for metric, n in freedom.items()}


def change_of(earlier: Cell, now: Cell | None, scatter: Mapping[str, tuple[float, int]] | None = None) -> Change:
    """Whether a number moved by more than it does from one run of the same to the next; `scatter` as in find_drift."""
    if now is None or (now.reproduced is None and now.outcome != "Fail"):
        return Change(earlier=earlier, now=None, word=GONE)
    if now.conditions != earlier.conditions or now.metric != earlier.metric:
        return Change(earlier=earlier, now=now, word=OTHERWISE)
    single = now.metric in METRICS and min(now.n, earlier.n) < LEAST_SEEDS
    if single and (now.devices != earlier.devices or not now.devices):
        return Change(earlier=earlier, now=now, word=REGRESSED if is_broken(now, earlier) else ELSEWHERE)
    if "Fail" in (now.outcome, earlier.outcome):
        word = WITHIN if now.outcome == earlier.outcome else REGRESSED if now.outcome == "Fail" else IMPROVED
        return Change(earlier=earlier, now=now, word=word)
    assert now.reproduced is not None
    assert earlier.reproduced is not None
    band = (
        SAME_WEIGHTS
        if now.weights and now.weights == earlier.weights
        else find_drift(now.metric, None if single else scatter)
    )
    better = METRICS[now.metric].better if now.metric in METRICS else "lower"
    verdict = judge_value(now.reproduced, now.interval, band.around(earlier.reproduced), better, now.n)
    word = {WORSE: REGRESSED, BETTER: IMPROVED}.get(verdict.word, WITHIN)
    return Change(earlier=earlier, now=now, word=word, band=band)


def is_broken(now: Cell, earlier: Cell) -> bool:
    """Whether training works no more: it diverges where no earlier or published run does, or learns little.

    Little: less than half of the earlier run's way from the untrained G is left, in log distance to real images, and
    the loss is more than such runs drift. Modes do not count: an untrained G may cover many.
    """
    if "Fail" in (now.outcome, earlier.outcome):
        return now.outcome == "Fail" and earlier.outcome != "Fail" and now.published != "Fail"
    metric, untrained = METRICS[now.metric], earlier.untrained
    if metric.reals == "none" or metric.better != "lower" or not (now.reproduced and earlier.reproduced and untrained):
        return False
    half = sqrt(untrained * earlier.reproduced)
    return now.reproduced > max(half, find_drift(now.metric).around(earlier.reproduced)[1])
