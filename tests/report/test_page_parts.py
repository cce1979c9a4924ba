"""Panels of the page against the cells they show, and what a figure says without a browser."""

from msgspec.structs import replace

from r3gan.records.schema import Evaluation
from r3gan.report.content import gather
from r3gan.report.facts import facts_of_runs, run_facts
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
    scales = ["smoke", "desk", "another"]
    group = ["published", *(f"{scale}{side}" for scale in scales for side in ("", " verdict"))]
    assert [label for _, label in panel.columns] == [*group, *group]
    assert panel.groups == [("Modes", 7), ("KL", 7)]
    row = dict(panel.rows)["R3GAN Config E"]
    assert [place.cell.scale for place in row[1:7:2] if place] == scales
    assert [place.cell.scale for place in row[2:7:2] if place] == scales


def test_a_figure_has_title_caption_words_and_a_picture() -> None:
    (path,) = sorted((RESULTS / "figure6").glob("*.vl.json"))
    figure = figure_of(path)
    assert figure.title == TABLES["figure6"].title
    assert "published" in figure.caption
    assert "StyleGAN2+ADA (published): 43.3, 2.42" in figure.picture.alt
    assert figure.picture.source.startswith("data:image/webp;base64,")
    assert figure.picture.width > figure.picture.height > 300


def test_claims_are_drawn_at_every_scale_and_other_tables_at_the_last() -> None:
    charts = {table.name: {chart.name for chart in table.charts} for table in gather(RESULTS).tables}
    assert charts["claims"] == {"desk-effects.vl.json", "mini-effects.vl.json"}
    assert "desk-curves.vl.json" in charts["table1"] and "smoke-curves.vl.json" not in charts["table1"]


def test_a_sheet_says_what_it_shows_and_a_table_without_pictures_shows_its_runs_samples() -> None:
    content = gather(RESULTS)
    tables = {table.name: table for table in content.tables}
    (sheet,) = pictures_of(tables["table1"], content)
    assert sheet.alt.startswith("Samples, desk scale") and "32 images in colour" in sheet.alt  # of two scales the last
    rows = {cell.row for cell in tables["table2"].cells if cell.records}
    shown = pictures_of(tables["table2"], content)
    assert {picture.title.rpartition(", ")[0] for picture in shown} == rows
    assert len(shown) == len(rows) > 4


def test_runs_of_an_arm_say_what_they_share_once_and_the_rest_by_seed() -> None:
    """A command that differs in the seed alone is one; the first of it can be copied as it is."""
    found = gather(RESULTS).records
    runs = [found[f"desk/stackedmnist5k-16/A/seed{seed}/metrics.json"] for seed in (0, 1, 2)]
    assert all(isinstance(run, Evaluation) for run in runs)
    first, second, third = (run for run in runs if isinstance(run, Evaluation))
    longer = f"{third.training.provenance.command} --log-every 7"
    stamp = replace(third.training.provenance, command=longer)
    failed = replace(
        third,
        training=replace(third.training, provenance=stamp, outcome="Fail", fail_step=5, fail_reason="loss is nan"),
    )
    said = {each.name: each.value for each in facts_of_runs([first, second, failed])}
    assert said["Outcome"] == "trained" and said["Images seen"] == "100,000"
    assert said["Trained by (seed 0, likewise 1)"] == first.training.provenance.command
    assert said["Trained by (seed 2)"] == longer
    assert said["Evaluated by (seed 0, likewise 1, 2)"] == first.provenance.command
    assert said["Failed"] == "step 5: loss is nan (seed 2)"
    seconds = [f"{run.training.seconds:,} s (seed {run.seed})" for run in (first, second, failed)]
    assert said["Training"] == "; ".join(seconds)
    assert facts_of_runs([first]) == run_facts(first)
