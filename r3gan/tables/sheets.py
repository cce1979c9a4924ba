"""Sample sheets: the sample grids of all rows in one picture, each under its title, and what the lines show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.errors import UserError
from r3gan.files import atomic

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = 2
WIDEST_PX = 784  # a grid of 16 small images, which is shown pixel by pixel; wider ones are made smaller
TEXT_PX, LINE_PX, MARGIN_PX = 17, 26, 16
NAMES_PX = 62  # for the names of a grid's lines
INK = "#1c1e21"
TILES = 16  # next to each other in a grid
NAMES = ("colour", "colour", "red", "green", "blue")  # of the lines of a grid, as `evaluate` draws it
LINES = (
    "In each grid: 32 images in colour (two lines of 16), then the channels of the first 16 in grey "
    "(one line each for red, green and blue). Samples are not selected."
)
DESCRIPTION = "Description"  # the PNG's own text of that name holds what is written above the grids


def write_sheet(path: Path, sheets: Mapping[str, Path], caption: str) -> None:
    """Write the grids by title, two next to each other, under the caption; UserError if one is damaged."""
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    grids = [(title, read_grid(grid)) for title, grid in sheets.items()]
    described = f"{caption}. {LINES if grids else 'No run has been recorded yet.'}"
    width = max((grid.width for _, grid in grids), default=WIDEST_PX)
    cell = max((grid.height for _, grid in grids), default=0) + LINE_PX + MARGIN_PX
    wide = NAMES_PX + width + MARGIN_PX
    lines = textwrap.wrap(described, COLUMNS * width // 9)
    top = MARGIN_PX + LINE_PX * len(lines)
    rows = -(-len(grids) // COLUMNS)
    sheet = Image.new("RGB", (MARGIN_PX + COLUMNS * wide, top + MARGIN_PX + rows * cell), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_PX)
    pen.multiline_text((MARGIN_PX, MARGIN_PX), "\n".join(lines), INK, font, spacing=LINE_PX - TEXT_PX)
    for i, (title, grid) in enumerate(grids):
        left, upper = MARGIN_PX + i % COLUMNS * wide, top + MARGIN_PX + i // COLUMNS * cell
        pen.text((left + NAMES_PX, upper), title, INK, font, stroke_width=0.3)
        sheet.paste(grid, (left + NAMES_PX, upper + LINE_PX))
        for line, name in enumerate(names_of_lines(grid)):
            middle = upper + LINE_PX + round((line + 0.5) * grid.height / len(NAMES))
            pen.text((left, middle), name, INK, font, anchor="lm")
    text = PngInfo()
    text.add_itxt(DESCRIPTION, described)
    with atomic(path) as temporary:
        sheet.save(temporary, optimize=True, pnginfo=text)


def names_of_lines(grid: Image) -> tuple[str, ...]:
    """Names of a grid's lines; none for images of one channel or fewer than 32 images, whose grids have other lines."""
    return NAMES if round(TILES * grid.height / grid.width) == len(NAMES) else ()


def read_grid(path: Path) -> Image:
    from PIL import Image

    try:
        with Image.open(path) as opened:
            grid = opened.convert("RGB")
    except OSError as error:
        raise UserError(f"{path} cannot be read as a picture ({error}): run `r3gan evaluate` again") from None
    if grid.width > WIDEST_PX:
        height = round(grid.height * WIDEST_PX / grid.width)
        grid = grid.resize((WIDEST_PX, height), Image.Resampling.LANCZOS)
    return grid
