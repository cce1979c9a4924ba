"""What the page is made of: charts against their numbers, stages against both engines."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from r3gan.report.matrix import panels_of

from r3gan.report.charts import BOTTOM, LEFT, RIGHT, TOP, Axis, Series, line_chart
from r3gan.report.content import gather
from r3gan.report.dag import laid_out
from r3gan.report.plots import figures_of, samples_of
from r3gan.report.stages import read_stages
from r3gan.study import read_study
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"
SIZE = (400, 300)


def points_of(line: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.get("points", "").split())]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 110, [1, 2, 5, 10, 20, 50, 100]), (0.5, 2e4, [1, 10, 100, 1000, 10000]), (0.7, 1.45, [0.8, 1.0, 1.2, 1.4])],
)
def test_logarithmic_axes_have_round_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert Axis(label="", log=True).ticks(low, high, most=7) == pytest.approx(ticks)


def test_lines_go_through_their_values_and_leave_out_what_an_axis_cannot_show() -> None:
    nan = float("nan")
    series = [
        Series(label="a < b", points=((1, 100), (10, 10), (100, 1))),
        Series(label="c", points=((1, nan), (10, 10), (20, 0), (100, -1)), failed=True),
    ]
    x, y = Axis(label="kimg", log=True), Axis(label="FID", log=True)
    root = ElementTree.fromstring(line_chart("t", series, x, y, size=SIZE))
    first, second = (points_of(line) for line in root.iter("polyline"))
    assert len(first) == 3 and len(second) == 1
    # The same value at the same kimg lies at the same place, and both scales are logarithmic: the middle is the middle.
    assert second[0] == first[1]
    assert first[1] == pytest.approx(((first[0][0] + first[2][0]) / 2, (first[0][1] + first[2][1]) / 2), abs=0.1)
    assert all(LEFT <= a <= SIZE[0] - RIGHT and TOP <= b <= SIZE[1] - BOTTOM for a, b in first)
    assert first[0][1] < first[1][1] < first[2][1]
    titles = [title.text for title in root.iter("title")]
    assert "a < b" in titles and "c diverged here" in titles
    assert "a < b: from 100 at 1 to 1 at 100, least 1" in root.get("aria-label", "")


@pytest.mark.parametrize("values", [(), (0.0, 0.0), (-2.0, -1.0), (-1.0, 3.0), (5.0,)])
@pytest.mark.parametrize("log", [False, True])
def test_any_values_stay_inside_the_frame(values: tuple[float, ...], log: bool) -> None:
    series = [Series(label="loss", points=tuple(enumerate(values, 1)))]
    axis = Axis(label="loss", log=log)
    root = ElementTree.fromstring(line_chart("t", series, Axis(label="kimg"), axis, size=SIZE))
    (line,) = root.iter("polyline")
    places = points_of(line)
    assert len(places) == sum(not log or value > 0 for value in values)
    assert all(LEFT <= x <= SIZE[0] - RIGHT and TOP <= y <= SIZE[1] - BOTTOM for x, y in places)
    ticks = [float(text.get("y", "nan")) for text in root.iter("text") if text.get("text-anchor") == "end"]
    assert all(TOP <= y - 3.5 <= SIZE[1] - BOTTOM for y in ticks)


def test_convergence_is_drawn_over_both_clocks_with_the_baseline_s_best() -> None:
    content = gather(RESULTS)
    table = next(table for table in content.tables if table.name == "table4")
    figure = next(figure for figure in figures_of(table, content) if figure.title.startswith("Convergence"))
    records = [content.records[path] for path in dict.fromkeys(p for cell in table.cells for p in cell.records)]
    assert len(figure.charts) == 2 and len(figure.legend) == len(records) > 4
    for _, chart in figure.charts:
        root = ElementTree.fromstring(chart)
        lines = [points_of(line) for line in root.iter("polyline")]
        assert [len(line) for line in lines] == [len(record["points"]) for record in records]
        (target,) = (line for line in root.iter("line") if line.get("class") == "target")
        baseline = lines[[record["config"] for record in records].index("A")]
        assert float(target.get("y1", "nan")) == pytest.approx(max(y for _, y in baseline), abs=0.1)


def test_every_cell_has_one_place_and_every_published_number_is_shown() -> None:
    for table in gather(RESULTS).tables:
        places = [
            place for panel in panels_of(table.name, table.cells) for _, row in panel.rows for place in row if place
        ]
        ours = [place.cell for place in places if place.side in ("ours", "both")]
        published = {(p.cell.section, p.cell.row, p.cell.published) for p in places if p.side in ("published", "both")}
        for cell in table.cells:
            both = any(place.side == "both" and place.cell == cell for place in places)
            assert ours.count(cell) == (1 if cell.outcome or both else 0), cell.key
            assert cell.published is None or (cell.section, cell.row, cell.published) in published, cell.key


def test_scales_stand_side_by_side_under_one_published_number() -> None:
    cells = next(table.cells for table in gather(RESULTS).tables if table.name == "table2")
    cells += tuple(replace(cell, scale="another") for cell in cells if cell.scale == "smoke")
    (panel,) = (panel for panel in panels_of("table2", cells) if panel.title == "Published systems")
    group = ["published", "smoke", "smoke verdict", "another", "another verdict"]
    assert [label for _, label in panel.columns] == [*group, *group]
    assert panel.groups == [("Modes", 5), ("KL", 5)]
    row = dict(panel.rows)["R3GAN Config E"]
    assert [place.cell.scale for place in row[1:5] if place] == ["smoke", "smoke", "another", "another"]


def test_stages_are_those_of_both_engines() -> None:
    stages = {stage.name: stage for stage in read_stages(REPOSITORY)}
    rules = {
        rule
        for path in (REPOSITORY / "pipelines").glob("*.smk")
        for rule in re.findall(r"^rule (\w+):", path.read_text(), flags=re.MULTILINE)
    }
    assert {"train", "evaluate", "table", "report", "benchmark", "import_released"} <= rules & set(stages)
    assert rules - set(stages) == {"table_of_scale"}  # the stage `table` for one scale
    # Where DVC needs two stages, as for runs that keep G on the way, they run one rule's command.
    assert {stages[name].command for name in set(stages) - rules} <= {
        stages[name].command for name in rules & set(stages)
    }
    assert "train_converging" in set(stages) - rules
    assert set(stages["evaluate"].needs) == {"prepare", "fit", "train"}
    assert set(stages["converge"].needs) == {"prepare", "fit", "train_converging"}
    assert set(stages["evaluate_released"].needs) == {"prepare", "import_released"}
    assert set(stages["speed_table"].needs) == {"benchmark"}
    assert stages["evaluate"].times == len(read_study(REPOSITORY / "pipelines/study/smoke.yaml").runs)
    tables = {name for name in stages if name.endswith(("table", "figure"))}
    assert set(stages["report"].needs) >= tables
    assert not {stage.name for stage in stages.values()} & {"fingerprint"}


def test_the_picture_of_the_pipeline_goes_from_left_to_right_and_loses_no_need() -> None:
    stages = read_stages(REPOSITORY)
    columns, chains = laid_out(stages)
    place = {name: i for i, column in enumerate(columns) for name in column}
    assert {stage.name for stage in stages} <= set(place)
    assert all(place[b] == place[a] + 1 for chain in chains for a, b in pairwise(chain))
    drawn = {(chain[0], chain[-1]) for chain in chains}

    def reached(first: str, second: str) -> bool:
        return (first, second) in drawn or any(a == first and reached(b, second) for a, b in drawn)

    assert all(reached(need, stage.name) for stage in stages for need in stage.needs)


def test_there_is_no_pipeline_to_draw_elsewhere(tmp_path: Path) -> None:
    assert read_stages(tmp_path) == ()


def test_a_run_with_two_records_is_drawn_once() -> None:
    content = gather(RESULTS)
    table = next(table for table in content.tables if table.name == "table4-ablation")
    folders = {path.rpartition("/")[0] for cell in table.cells for path in cell.records}
    assert len(folders) < len({path for cell in table.cells for path in cell.records})
    (losses,) = (figure for figure in figures_of(table, content) if figure.title.startswith("Losses"))
    assert len(losses.charts) == len(samples_of(table, content)) == len(folders)
