"""Table 4 and its ablation from made-up curves: first crossings, censored ones, two clocks, stars, relative values."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from r3gan.records.schema import Device
from r3gan.study import Study
from r3gan.tables.cell import Cell, read_table_file
from r3gan.tables.kind import Kind
from r3gan.tables.kinds.ablation import AblationTable
from r3gan.tables.kinds.convergence import ConvergenceTable, name_of
from r3gan.tables.published import read_published
from r3gan.tables.registry import TABLES
from tests.helpers import PROCESSOR, convergence_of, evaluation_of, study_of, write_files, write_run

TABLE4, ABLATION = TABLES["table4"], TABLES["table4-ablation"]
assert isinstance(TABLE4, ConvergenceTable)
assert isinstance(ABLATION, AblationTable)
CURVES = {
    "A": [50.0, 40.0, 30.0],
    "fastgan": [60.0, 50.0, 45.0],
    "projected-fastgan": [29.0, 20.0, 10.0],
    "E-inverted": [35.0, 29.5, 31.0],
}
METRIC = "digit-frechet"
DATASET = "stackedmnist5k-16"


def write_curve(results: Path, config: str, values: Sequence[float], device: Device = PROCESSOR) -> None:
    """A point every 2 kimg, 10 s of training and 1 s of evaluation each."""
    write_run(results, convergence_of(f"smoke/{DATASET}/{config}/seed1", {METRIC: values}, device=device))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    for config, values in CURVES.items():
        write_curve(tmp_path, config, values)
    return study_of("smoke", *(f"{DATASET}/{config}/seed1" for config in CURVES), metrics=[METRIC], converging=True)


def cells_of(table: Kind, results: Path, *studies: Study) -> dict[tuple[str | None, str], Cell]:
    """The cells of a scale, as they are read back, by configuration and quantity."""
    write_files(table, "table", results, studies)
    return {(cell.config, cell.quantity): cell for cell in read_table_file(results / "table.json").cells}


def test_the_first_crossing_gives_both_speed_ups(study: Study, tmp_path: Path) -> None:
    cells = cells_of(TABLE4, tmp_path, study)

    def values(config: str, *quantities: str) -> list[float | None]:
        return [cells[config, f"{quantity}, {METRIC}"].reproduced for quantity in quantities]

    target = ("kimg to target", "training s to target", "total s to target")
    speed_ups = ("Speed-up, images", "Speed-up, time")
    assert values("projected-fastgan", *target, *speed_ups) == [2.0, 10.0, 11.0, 3.0, 3.0]
    assert cells["E-inverted", f"best {METRIC}"].reproduced == 29.5
    assert values("E-inverted", "best at kimg", "kimg to target") == [4.0, 4.0]
    assert values("fastgan", *target, *speed_ups) == [None] * 5
    assert [cells["fastgan", f"{quantity}, {METRIC}"].text for quantity in target] == ["> 6", "> 30", "> 33"]
    with (tmp_path / "table.csv").open(newline="") as file:
        lines = {(line["config"], line["quantity"]): line for line in csv.DictReader(file)}
    assert lines["projected-fastgan", f"Speed-up, images, {METRIC}"]["reproduced"] == "3.0"
    assert lines["fastgan", f"kimg to target, {METRIC}"]["text"] == "> 6"


def test_the_page_says_what_was_not_reached_and_who_looks_through_imagenet(study: Study, tmp_path: Path) -> None:
    write_files(TABLE4, "table4", tmp_path, [study])
    text = (tmp_path / "table4.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.split("## Reproduced")[1].splitlines() if "|" in line}
    assert "> 6" in lines["FastGAN*"]
    assert "Projected GAN*" in lines
    assert list(lines)[2:] == ["Projected GAN*", "E + Inverted bottleneck", "A StyleGAN2", "FastGAN*"]  # soonest first
    assert name_of("E-inverted") == "E + Inverted bottleneck"
    assert name_of("projected-random").endswith("random features")
    assert "Smoke scale: every snapshot was measured, one per 2 kimg." in text
    for (row, _), printed in read_published("table4").items():
        assert printed.text in text, row
    assert (tmp_path / "table4/smoke-digit-frechet.png").stat().st_size > 10_000


def test_times_on_other_hardware_are_not_compared(study: Study, tmp_path: Path) -> None:
    another = Device(type="cpu", name="another", count=1)
    write_curve(tmp_path, "projected-fastgan", CURVES["projected-fastgan"], device=another)
    cells = cells_of(TABLE4, tmp_path, study)
    assert cells["projected-fastgan", f"Speed-up, images, {METRIC}"].reproduced == 3.0
    in_time = cells["projected-fastgan", f"Speed-up, time, {METRIC}"]
    assert (in_time.reproduced, in_time.text) == (None, "-")


def test_a_published_speed_up_is_judged_on_its_data_set_alone(tmp_path: Path) -> None:
    """5 days to 3 hours are 40 x less time; the made-up run needs a third of the baseline's."""
    for config in ("A", "projected-fastgan"):
        run = f"paper/ffhq-256/{config}/seed1"
        write_run(tmp_path, convergence_of(run, {"fid": CURVES[config]}, total_kimg=100_000.0))
    runs = study_of("paper", "ffhq-256/A/seed1", "ffhq-256/projected-fastgan/seed1", metrics=["fid"], converging=True)

    def speed_up(table: ConvergenceTable) -> Cell:
        cells = write_files(table, "table4", tmp_path, [runs]).cells
        return next(cell for cell in cells if cell.quantity == "speedup_wallclock")

    assert speed_up(TABLE4).said == "not run"
    found = speed_up(replace(TABLE4, speed_dataset="FFHQ"))
    assert (found.reproduced, found.said) == (3.0, "worse: single run")
    assert found.band == pytest.approx((40 / 1.5, 40 * 1.5))


def test_without_records_the_published_numbers_stand_alone(tmp_path: Path) -> None:
    content = write_files(TABLE4, "table4", tmp_path)
    assert {cell.verdict for cell in content.cells if cell.outcome} == {"not run"}
    assert "not run" in (tmp_path / "table4.md").read_text()
    assert not list(tmp_path.rglob("*.png"))


ENDS = {"fastgan": 2.0, "projected-fastgan": 1.0, "projected-ccm": 3.0, "projected-random": 4.0}
THROUGH_IMAGENET = "lite1-frechet-64px"


def ablated(
    results: Path, curves: Mapping[str, Sequence[float]], metric: str = METRIC, dataset: str = DATASET
) -> Study:
    """A study whose runs have these curves, and of which the last G was measured through ImageNet's features."""
    for config, values in curves.items():
        run = f"smoke/{dataset}/{config}/seed1"
        write_run(results, convergence_of(run, {metric: values}, total_kimg=10_000.0))
        write_run(results, evaluation_of(run, {THROUGH_IMAGENET: ENDS[config]}, kimg=10_000.0))
    return study_of("smoke", *(f"{dataset}/{config}/seed1" for config in curves), metrics=[metric], converging=True)


def test_the_ablation_shows_each_row_relative_to_the_one_without_projection(tmp_path: Path) -> None:
    curves = {"fastgan": [9.0, 8.0, 10.0], "projected-fastgan": [5.0, 4.0, 6.0], "projected-ccm": [8.0, 8.0, 5.0]}
    cells = cells_of(ABLATION, tmp_path, ablated(tmp_path, curves))

    def values(config: str, *quantities: str) -> list[float | None]:
        return [cells[config, quantity].reproduced for quantity in quantities]

    best, last, end = f"best {METRIC}", f"last {METRIC}", f"last {THROUGH_IMAGENET}"
    assert values("projected-fastgan", best, f"{best}, at kimg", f"{best}, relative") == [4.0, 4.0, 0.5]
    assert values("projected-fastgan", last, f"{last}, relative") == [6.0, pytest.approx(0.6)]
    assert values("projected-ccm", end, f"{end}, relative") == [3.0, 1.5]
    text = (tmp_path / "table.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.split("## Reproduced")[1].splitlines() if "|" in line}
    assert "not comparable: another metric" in lines["Projected GAN*"]
    assert cells["fastgan", best].published is None
    assert "not run" in lines["Projected GAN, random features"]  # and no star
    # By digits the full one is worst of all at the end and CCM best; through ImageNet's features it is the other way.
    assert f"by {METRIC} and by {THROUGH_IMAGENET}, smoke scale: -0.50 (3 rows, single runs)" in text
    pictures = sorted(path.name for path in (tmp_path / "table").iterdir())
    assert pictures == ["smoke-relative.png", "smoke-relative.svg", "smoke-relative.vl.json", "smoke-samples.png"]
    drawn = json.loads((tmp_path / "table/smoke-relative.vl.json").read_text())
    assert drawn["title"]["subtitle"][-1].endswith(f"; {THROUGH_IMAGENET}: in features learned on ImageNet")
    assert all(f'"{measured}"' in json.dumps(drawn) for measured in (best, last, end))
    assert cells["projected-ccm", best].published == "0.77"
    assert cells["projected-fastgan", best].published == "1.65"
    assert cells["projected-lite0", "best fid"].said == "not run"


def test_rows_of_the_ablation_are_compared_at_the_images_that_every_run_has_seen(tmp_path: Path) -> None:
    """A row that was trained for longer would be better for that; a run that diverged early cuts nothing."""
    lengths = {"fastgan": [9.0, 8.0, 6.0, 2.0, 1.0], "projected-fastgan": [5.0, 4.0, 3.0]}
    study = ablated(tmp_path, lengths)
    cells = cells_of(ABLATION, tmp_path, study)
    for quantity in (f"best {METRIC}", f"last {METRIC}"):
        assert cells["fastgan", quantity].reproduced == 6.0
        assert cells["projected-fastgan", f"{quantity}, relative"].reproduced == 0.5
    assert f"last {THROUGH_IMAGENET}" not in {quantity for _, quantity in cells}
    text = (tmp_path / "table.md").read_text()
    assert "smoke scale: every row up to 6 kimg, as long as its shortest run." in text
    failed = convergence_of(f"smoke/{DATASET}/projected-ccm/seed1", {METRIC: [70.0]})
    training = msgspec.structs.replace(failed.training, outcome="Fail", fail_step=250, fail_reason="loss is nan")
    write_run(tmp_path, msgspec.structs.replace(failed, outcome="Fail", training=training))
    longer = study_of(
        "smoke", *(f"{DATASET}/{c}/seed1" for c in (*lengths, "projected-ccm")), metrics=[METRIC], converging=True
    )
    cells = cells_of(ABLATION, tmp_path, longer)
    assert cells["fastgan", f"last {METRIC}"].reproduced == 6.0


def test_only_a_published_fid_on_the_paper_s_data_set_is_judged_and_a_relative_one_never(tmp_path: Path) -> None:
    curves = {"fastgan": [9.0, 8.0, 7.0], "projected-fastgan": [3.0, 2.0, 1.8], "projected-ccm": [8.0, 7.0, 5.0]}
    study = ablated(tmp_path, curves, metric="fid", dataset="lsun-church-256")
    cells = cells_of(ABLATION, tmp_path, study)
    assert cells["projected-fastgan", "best fid"].said == "consistent (n = 1)"
    assert cells["projected-ccm", "best fid"].said == "not comparable: the published number is relative"
    assert cells["fastgan", "best fid"].verdict == ""


def test_without_records_the_ablation_says_not_run_and_shows_the_networks(tmp_path: Path) -> None:
    write_files(ABLATION, "table4-ablation", tmp_path)
    text = (tmp_path / "table4-ablation.md").read_text()
    lines = text.split("## Not run")[1].split("## Notes")[0].splitlines()
    assert sum(line.endswith("| not run   |") for line in lines) == len(ABLATION.rows)
    assert "10,331,328" in text and "5,509,312" in text
    assert [path.name for path in (tmp_path / "table4-ablation").iterdir()] == [".gitkeep"]
