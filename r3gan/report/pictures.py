"""What the page shows besides numbers: charts with a picture for those who have no JavaScript, and sample grids."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.records.schema import Benchmark
from r3gan.report.content import Content, TableContent
from r3gan.tables.cell import HINT
from r3gan.tables.sheets import DESCRIPTION, LINES

WIDEST_PX = 880  # of the page's text at its widest
GRID_PX = 544  # of one run's samples, of which two stand next to each other
CHART_PX = 520  # that a chart's picture has of its width, since it is shown only where there is no JavaScript


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture inside the page."""

    title: str
    alt: str
    source: str  # a data URI
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart: its specification, and a picture of it."""

    ident: str
    title: str
    caption: str
    spec: Mapping[str, object]
    picture: Picture

    @property
    def packed_spec(self) -> str:
        return packed(json.dumps(self.spec, ensure_ascii=False, separators=(",", ":")))


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Samples of one run and real images, which are on the first screen."""

    caption: str
    reals: Picture
    samples: Picture


def packed(text: str) -> str:
    """Text that the page's scripts unpack, in a third of the bytes or less."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def lead_of(content: Content) -> Lead | None:
    """Of the first table with sample sheets its last row at its last scale, which is the paper's own configuration."""
    cells = [cell for table in content.tables if table.sheets for cell in reversed(table.cells)]
    for cell in cells:
        record = content.records[cell.records[0]] if cell.records else None
        if record and not isinstance(record, Benchmark) and record.run in content.samples:
            samples = content.samples[record.run]
            if (reals := samples.with_name("reals.png")).exists():
                about = f"{cell.row}, {cell.scale} scale, n = 1 (seed {record.seed})"
                return Lead(
                    caption=f"First real images, then samples of {about}. {LINES}",
                    reals=picture(reals, "", f"Real images of {record.data.dataset}", GRID_PX),
                    samples=picture(samples, "", f"Samples of {record.run}, {about}", GRID_PX),
                )
    return None


def figure_of(path: Path) -> Figure:
    """The chart of a .vl.json, with the PNG of the same name; UserError if `r3gan table` did not write it."""
    spec = read_json(path, HINT)
    match spec:
        case {"title": {"text": str(title), "subtitle": [*caption]}, "description": str(alt)}:
            shown = picture(path.with_suffix("").with_suffix(".png"), title, alt, pixels=CHART_PX)
            ident = f"{path.parent.name}-{path.name.removesuffix('.vl.json')}"
            return Figure(ident=ident, title=title, caption=" ".join(map(str, caption)), spec=spec, picture=shown)
    raise UserError(f"{path} is a chart without title, caption or description: {HINT}")


def pictures_of(table: TableContent, content: Content) -> list[Picture]:
    """The table's sheets, or the sample grids of each row's run at its last scale where it draws nothing itself."""
    if table.sheets or table.charts:
        return [picture(path, "", f"{table.title}: {path.stem}") for path in table.sheets]
    rows: dict[str, tuple[str, str]] = {}
    for cell in table.cells:
        record = content.records[cell.records[0]] if cell.records else None
        if record and not isinstance(record, Benchmark) and record.run in content.samples:
            rows[cell.row] = record.run, cell.scale
    named = {run: f"{row}, {scale}" for row, (run, scale) in rows.items()}
    return [picture(content.samples[run], name, f"Samples of {run}, {name}", GRID_PX) for run, name in named.items()]


def picture(path: Path, title: str, alt: str, widest: int = WIDEST_PX, pixels: int | None = None) -> Picture:
    """A picture of at most that width as a data URI, losslessly or at quality 60; its own description comes first.

    With `pixels` it has fewer than it is wide.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            alt = str(opened.info.get(DESCRIPTION, alt))
            image = opened.convert("RGB")
    except OSError as error:
        raise UserError(f"{path} cannot be read as a picture ({error}): {HINT}") from None
    width = min(widest, image.width)
    height = round(image.height * width / image.width)
    held = min(pixels or width, width)
    if held < image.width:
        image = image.resize((held, round(image.height * held / image.width)), Image.Resampling.LANCZOS)
    encoded = []
    for lossless in (True, False):
        out = io.BytesIO()
        image.save(out, "WEBP", lossless=lossless, quality=60, method=6)
        encoded.append(out.getvalue())
    source = f"data:image/webp;base64,{base64.b64encode(min(encoded, key=len)).decode()}"
    return Picture(title=title, alt=alt, source=source, width=width, height=height)
