"""Panels of the page against the cells they show, and what a figure says without a browser."""

from msgspec.structs import replace

from r3gan.report.content import gather
from r3gan.report.pictures import figure_of, pictures_of
from r3gan.tables.registry import TABLES
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"


def test_every_cell_has_one_place_and_every_published_number_is_shown() -> None:
    for table in gather(RESULTS).tables:
        panels = TABLES[table.name].panels(table.cells)
        places = [place for panel in panels for _, row in panel.rows for place in row if place]
        shown = [place.cell for place in places if place.side in ("reproduced", "both")]
        published = {(p.cell.section, p.cell.row, p.cell.published) for p in places if p.side in ("published", "both")}
        for cell in table.cells:
            both = any(place.side == "both" and place.cell == cell for place in places)
            assert shown.count(cell) == (1 if cell.outcome or both else 0), cell.key
            assert cell.published is None or (cell.section, cell.row, cell.published) in published, cell.key


def test_scales_stand_next_to_each_other_under_one_published_number() -> None:
    cells = next(table.cells for table in gather(RESULTS).tables if table.name == "table2")
    cells += tuple(replace(cell, scale="another") for cell in cells if cell.scale == "smoke")
    (panel,) = (panel for panel in TABLES["table2"].panels(cells) if panel.title == "Published systems")
    group = ["published", "smoke", "smoke verdict", "another", "another verdict"]
    assert [label for _, label in panel.columns] == [*group, *group]
    assert panel.groups == [("Modes", 5), ("KL", 5)]
    row = dict(panel.rows)["R3GAN Config E"]
    assert [place.cell.scale for place in row[1:5] if place] == ["smoke", "smoke", "another", "another"]


def test_a_figure_has_title_caption_words_and_a_picture() -> None:
    (path,) = sorted((RESULTS / "figure6").glob("*.vl.json"))
    figure = figure_of(path)
    assert figure.title == TABLES["figure6"].title
    assert "published" in figure.caption
    assert "StyleGAN2+ADA (published): 43.3, 2.42" in figure.picture.alt
    assert figure.picture.source.startswith("data:image/webp;base64,")
    assert figure.picture.width > figure.picture.height > 300


def test_a_sheet_says_what_it_shows_and_a_table_without_pictures_shows_its_runs_samples() -> None:
    content = gather(RESULTS)
    tables = {table.name: table for table in content.tables}
    (sheet,) = pictures_of(tables["table1"], content)
    assert sheet.alt.startswith("Samples, desk scale") and "32 images in colour" in sheet.alt  # of two scales the last
    rows = {cell.row for cell in tables["table2"].cells if cell.records}
    shown = pictures_of(tables["table2"], content)
    assert {picture.title.rpartition(", ")[0] for picture in shown} == rows
    assert len(shown) == len(rows) > 4
