"""WRITERS: one entry a kind of table, which writes its files; no stage but the command itself imports this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from r3gan.errors import UserError
from r3gan.tables import (
    TABLES,
    AblationTable,
    ComparisonTable,
    ConvergenceTable,
    LossFigure,
    ParameterFigure,
    PresetTable,
    PropositionTable,
    SpeedTable,
    Table,
    find_table,
)


def _quality(name: str, table: Table, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.build import build
    from r3gan.tables.render import write_table

    write_table(build(name, table, read_all_studies(), results), results, results)


def _quality_of_scale(name: str, table: Table, results: Path, scale: str) -> None:
    from r3gan.study import STUDY_FOLDER, read_study
    from r3gan.tables.build import build
    from r3gan.tables.render import write_table

    study = read_study(STUDY_FOLDER / f"{scale}.yaml")
    write_table(build(name, table, [study], results), results, results / scale)


def _comparison(name: str, table: ComparisonTable, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.comparison import write_comparison

    write_comparison(name, table, read_all_studies(), results)


def _parameter_figure(name: str, figure: ParameterFigure, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.drawn import write_parameter_figure

    write_parameter_figure(name, figure, read_all_studies(), results)


def _loss_figure(name: str, figure: LossFigure, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.drawn import write_loss_figure

    write_loss_figure(name, figure, read_all_studies(), results)


def _convergence(name: str, table: ConvergenceTable, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.convergence import write_convergence_table

    write_convergence_table(name, table, read_all_studies(), results)


def _ablation(name: str, table: AblationTable, results: Path) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables.ablation import write_ablation

    write_ablation(name, table, read_all_studies(), results)


def _presets(name: str, table: PresetTable, results: Path) -> None:
    from r3gan.tables.presets import write_presets

    write_presets(name, table, results)


def _speed(name: str, table: SpeedTable, results: Path) -> None:
    from r3gan.tables.speed import write_speed_table

    write_speed_table(name, table, results)


def _propositions(name: str, table: PropositionTable, results: Path) -> None:
    from r3gan.tables.propositions import write_propositions

    write_propositions(name, table, results)


WRITERS: Mapping[type, Callable[[str, Any, Path], None]] = {
    Table: _quality,
    ComparisonTable: _comparison,
    ParameterFigure: _parameter_figure,
    LossFigure: _loss_figure,
    ConvergenceTable: _convergence,
    AblationTable: _ablation,
    PresetTable: _presets,
    SpeedTable: _speed,
    PropositionTable: _propositions,
}


def write(name: str, results: Path, scale: str | None = None) -> Path:
    """Write the files of a table by name and return their folder; UserError if there is none of that name.

    With a scale, the table holds that one's records alone and lies in its folder.
    """
    table = find_table(name)
    if scale is None:
        WRITERS[type(table)](name, table, results)
        return results
    if not isinstance(table, Table):
        allowed = ", ".join(other for other, entry in TABLES.items() if isinstance(entry, Table))
        raise UserError(f"--scale is not possible with {name}; it goes with: {allowed}")
    _quality_of_scale(name, table, results, scale)
    return results / scale
