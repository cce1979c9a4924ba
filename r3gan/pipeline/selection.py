"""What the Snakefile needs besides wiring; imported by it in every job, so it stays light."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from r3gan.errors import UserError
from r3gan.study import OwnSource, Study, read_all_studies
from r3gan.tables.registry import find_table


def load_studies(selected: str) -> dict[str, Study]:
    """Every study by scale; ends Snakemake with exit code 2 where the selected one cannot be read."""
    try:
        return {study.scale: study for study in read_all_studies(required=selected)}
    except UserError as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from None


def own_sources(studies: Iterable[Study]) -> dict[str, OwnSource]:
    """The own data sets of all studies; ends Snakemake with exit code 2 where two describe one differently."""
    found: dict[str, OwnSource] = {}
    for study in studies:
        for name, source in study.sources.items():
            if found.setdefault(name, source) != source:
                print(f"study {study.scale}, sources.{name}: another study has another one", file=sys.stderr)
                raise SystemExit(2)
    return found


def table_inputs(name: str, study: Study, released: Sequence[str] = ()) -> list[str]:
    """What a table of a study is made of: records, and files such as published.csv."""
    table = find_table(name)
    files = [file for pattern in table.sources() for file in sorted(map(str, Path().glob(pattern)))]
    return [*(f"results/{record}" for record in table.records(study, released)), *files]


def mark_first_use(scale: str) -> str:
    """Create a scale's marker under work/ unless it exists, and return its path.

    A clone contains published records, but not the runs that they came from. The marker is newer than the records and
    an input of the rules that write them, so the first use of a scale in a working tree measures everything here.
    """
    marker = Path(f"work/first-use-{scale}")
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return str(marker)


def mark_selection(marker: Path, scale: str) -> str:
    """Write the selected scale into `marker` unless it says so already, and return its path.

    It is an input of the tables: when another scale is selected it is newer than they are, so that they are rendered
    with that scale's records. Snakemake would not render an existing table because of missing records alone.
    """
    if not marker.exists() or marker.read_text(encoding="utf-8") != scale:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(scale, encoding="utf-8")
    return str(marker)


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, found out without importing torch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
