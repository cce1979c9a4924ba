"""What the Snakefile needs besides wiring; imported by it in every job, so it stays light."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from r3gan.errors import UserError
from r3gan.study import STUDY_FOLDER, Study, read_study
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


def checked_study(path: Path) -> Study:
    """A study file whose tables exist too; UserError otherwise."""
    study = read_study(path)
    for table in study.tables:
        try:
            find_table(table)
        except UserError as error:
            raise UserError(f"study file {path}: {error}") from None
    return study


def load_studies(selected: str) -> dict[str, Study]:
    """Every study by scale; ends Snakemake with one sentence and exit code 2 if one is malformed or there is none."""
    try:
        studies = {selected: checked_study(STUDY_FOLDER / f"{selected}.yaml")}
        return studies | {path.stem: checked_study(path) for path in sorted(STUDY_FOLDER.glob("*.yaml"))}
    except UserError as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from None


def record_files(study: Study, table: str) -> list[str]:
    """Record files of the study's runs that a table shows."""
    configs = quality_table(table).configs
    return [f"results/{folder}/metrics.json" for folder, run in study.folders.items() if run.config in configs]


def quality_table(name: str) -> Table:
    """The entry of a table that is made from the records of runs."""
    table = find_table(name)
    assert isinstance(table, Table)
    return table


def comparison_files(study: Study, name: str, released: Sequence[str]) -> list[str]:
    """Record files of the study's runs, and of snapshots `released`, that a comparison or a figure of one shows."""
    entry = find_table(name)
    assert isinstance(entry, ComparisonTable | ParameterFigure | LossFigure)
    sections = entry.sections if isinstance(entry, ComparisonTable) else (entry.of,)
    ours = {(config, dataset) for s in sections for config in s.ours.values() for dataset in s.datasets}
    folders = [folder for folder, run in study.folders.items() if (run.config, run.dataset) in ours]
    folders += [f"released/{dataset}/E/seed0" for dataset in released if ("E", dataset) in ours]
    return [f"results/{folder}/metrics.json" for folder in folders]


def convergence_files(study: Study, name: str) -> list[str]:
    """Convergence records of the study's runs that a table shows, and of an ablation those of their last G."""
    entry = find_table(name)
    assert isinstance(entry, ConvergenceTable | AblationTable)
    records = {"convergence": study.convergence_folders}
    if isinstance(entry, AblationTable):
        records["metrics"] = study.at_end_folders
    return [
        f"results/{folder}/{record}.json"
        for record, runs in records.items()
        for folder, run in runs.items()
        if run.config in entry.configs and run.dataset in entry.trained_on
    ]


def needed_records(study: Study, name: str) -> list[str]:
    """Records of the study's runs that a table shows, below results/; of those that need no run, none."""
    match find_table(name):
        case Table():
            files = record_files(study, name)
        case ComparisonTable() | ParameterFigure() | LossFigure():
            files = comparison_files(study, name, ())
        case ConvergenceTable() | AblationTable():
            files = convergence_files(study, name)
        case SpeedTable() | PresetTable() | PropositionTable():
            files = []
        case other:
            assert_never(other)
    return [file.removeprefix("results/") for file in files]


def names_of(*kinds: type) -> list[str]:
    """The tables of these kinds."""
    return [name for name, table in TABLES.items() if isinstance(table, kinds)]


def benchmark_files(table: str) -> list[str]:
    """What has been measured on any machine for a table of speed, in this tree."""
    entry = find_table(table)
    assert isinstance(entry, SpeedTable)
    return sorted(map(str, Path("results/benchmarks").glob(f"*/{entry.module}.json")))


def mark_first_use(scale: str) -> str:
    """Create a scale's marker under work/ unless it exists, and return its path.

    A clone brings published records along, but not the runs they came from; the marker is newer than they are and an
    input of what writes them, so that the first invocation of a scale in a working tree measures everything here.
    """
    marker = Path(f"work/first-use-{scale}")
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return str(marker)


def mark_selection(marker: Path, scale: str) -> str:
    """Write the selected scale into `marker` unless it says so already, and return its path.

    An input of the tables: with another scale it is newer than they are, so that they ask for that scale's records.
    Missing records alone would not make Snakemake render a table that is there.
    """
    if not marker.exists() or marker.read_text(encoding="utf-8") != scale:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(scale, encoding="utf-8")
    return str(marker)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, told without importing torch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
