"""The `table` stage: build a table, then write its files; nothing is written before everything was read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from r3gan.files import write_json, write_text
from r3gan.metrics import METRICS
from r3gan.records.schema import Values
from r3gan.records.store import Store
from r3gan.study import read_all_studies, read_study, study_folder
from r3gan.tables.cell import Cell, as_csv, tally, write_table_file
from r3gan.tables.charts import Chart, write_chart
from r3gan.tables.intervals import interval_notes
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.markdown import bullets, footer, panel_text
from r3gan.tables.registry import find_table
from r3gan.tables.sheets import write_sheet


def write_table(name: str, results: Path, scale: str | None = None) -> Path:
    """Write a table's text, data, values in brief and folder of pictures into `results`; returns the Markdown's path.

    With a scale, the table holds that scale's records alone and lies in its folder. UserError for an unknown name.
    """
    table = find_table(name)
    studies = list(read_all_studies()) if scale is None else [read_study(study_folder() / f"{scale}.yaml")]
    content = table.build(Context(name=name, store=Store(results), studies=studies, scale=scale))
    return write_content(name, table, content, results if scale is None else results / scale)


def write_content(name: str, table: Kind, content: Content, out: Path) -> Path:
    """Write a finished table's files into `out`; returns the Markdown's path."""
    text = as_markdown(name, table, content)
    with replaced(out / name) as folder:
        if not content.pictures:
            (folder / ".gitkeep").touch()  # git, unlike the engines, knows no empty folder
        for picture in content.pictures:
            if isinstance(picture, Chart):
                write_chart(picture, folder)
            else:
                write_sheet(folder / f"{picture.name}.png", picture.grids, picture.caption)
    write_text(out / f"{name}.csv", as_csv(content.cells))
    write_text(out / f"{name}.md", text)
    write_table_file(out / f"{name}.json", name, table.title, content.cells, content.remarks)
    write_json(out / "metrics" / f"{name}.json", in_brief(content.cells))
    return out / f"{name}.md"


def in_brief(cells: Sequence[Cell]) -> Values:
    """A table as the few values that `dvc metrics show` prints: verdicts counted, and each scale's best of a metric."""
    found: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        if cell.scale and cell.metric in METRICS and cell.reproduced is not None:
            found.setdefault(cell.scale, {}).setdefault(cell.metric, []).append(cell.reproduced)
    best = {
        scale: {name: METRICS[name].best(values) for name, values in metrics.items()}
        for scale, metrics in found.items()
    }
    return {"verdicts": tally(cells), "best": best}


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well."""
    new = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def as_markdown(name: str, table: Kind, content: Content) -> str:
    """Panels, remarks, pictures, notes, and where the numbers come from."""
    parts = [f"# {table.title}", *map(panel_text, table.panels(content.cells)), *content.remarks]
    for picture in content.pictures:
        # A chart's picture holds its title and caption.
        said = f"{picture.title}: {picture.caption}" if isinstance(picture, Chart) else picture.caption
        below = "" if isinstance(picture, Chart) else f"\n\n*{said}*"
        parts.append(f"![{said}]({name}/{picture.name}.png){below}")
    intervals = interval_notes(cell.metric for cell in content.cells if cell.interval and cell.metric)
    if notes := [*table.notes, *content.notes, *intervals]:
        parts.append(f"## Notes\n\n{bullets(notes)}")
    for scale, records in content.records.items():
        parts.append(f"## Where the {scale} numbers come from\n\n{bullets(footer(records))}")
    return "\n\n".join(parts) + "\n"
