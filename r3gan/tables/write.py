"""The `table` stage: build a table, then write its files; nothing is written before everything was read."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from r3gan.files import write_text
from r3gan.records.schema import Values
from r3gan.records.store import Store
from r3gan.study import STUDY_FOLDER, read_all_studies, read_study
from r3gan.tables.cell import Cell, write_table_file
from r3gan.tables.charts import Chart, write_chart
from r3gan.tables.kind import Content, Context, Kind, Sheet
from r3gan.tables.markdown import bullets
from r3gan.tables.registry import find_table
from r3gan.tables.sheets import write_sheet


def write_table(name: str, results: Path, scale: str | None = None) -> Path:
    """Write <name>.md, .csv, .json and the folder <name>/ of pictures into `results`; returns the Markdown's path.

    With a scale, the table holds that scale's records alone and lies in its folder. UserError for an unknown name.
    """
    table = find_table(name)
    studies = list(read_all_studies()) if scale is None else [read_study(STUDY_FOLDER / f"{scale}.yaml")]
    content = table.build(Context(name=name, store=Store(results), studies=studies))
    return write_content(name, table, content, results if scale is None else results / scale)


def write_content(name: str, table: Kind, content: Content, out: Path) -> Path:
    """Write a finished table's files into `out`; returns the Markdown's path."""
    with replaced(out / name) as folder:
        for block in content.blocks:
            if isinstance(block, Chart):
                write_chart(block, folder)
            elif isinstance(block, Sheet):
                write_sheet(folder / f"{block.name}.png", block.grids, block.caption)
    rows = [*content.rows] or [flat(cell) for cell in content.cells]
    write_text(out / f"{name}.csv", as_csv(rows))
    write_text(out / f"{name}.md", as_markdown(name, table, content))
    write_table_file(out / f"{name}.json", name, table.title, content.cells, content.rows, content.remarks)
    return out / f"{name}.md"


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
    """The blocks in their order, each picture with its caption, then the notes."""
    parts = [f"# {table.title}"]
    for block in content.blocks:
        match block:
            case str():
                parts.append(block)
            case Chart():  # its picture holds title and caption
                parts.append(f"![{block.title}: {block.caption}]({name}/{block.name}.png)")
            case Sheet():
                parts.append(f"![{block.caption}]({name}/{block.name}.png)\n\n*{block.caption}*")
    if notes := [*table.notes, *content.notes]:
        parts.append(f"## Notes\n\n{bullets(notes)}")
    return "\n\n".join(parts) + "\n"


def flat(cell: Cell) -> Values:
    """A cell as a line of a CSV."""
    values = ((name, getattr(cell, name)) for name in msgspec.structs.asdict(cell))
    return {name: " ".join(map(str, v)) if isinstance(v, tuple) else v for name, v in values}


def as_csv(rows: Sequence[Values]) -> str:
    """One line per row; a value that a row lacks is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
