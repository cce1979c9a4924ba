"""WRITERS: one entry a kind of table, which writes its files; no stage but the command itself imports this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from r3gan.tables import (
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

    write_table(build(name, table, read_all_studies(), results), results)


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


def write(name: str, results: Path) -> None:
    """Write the files of a table by name; UserError if there is none of that name."""
    table = find_table(name)
    WRITERS[type(table)](name, table, results)
