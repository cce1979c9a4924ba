"""What the Snakefile needs besides wiring; imported by it in every job, so it stays light."""

import sys
from pathlib import Path

from r3gan.errors import UserError
from r3gan.study import STUDY_FOLDER, Study, read_study
from r3gan.tables.registry import find_table


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
