"""Table 4 and its ablation from made-up curves: first crossings, censored ones, two clocks, stars, relative values."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from r3gan.records.schema import Device
from r3gan.study import Study
from r3gan.tables.cell import read_table_file
from r3gan.tables.kinds.ablation import AblationTable
from r3gan.tables.kinds.convergence import ConvergenceTable, title_of
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


def written(results: Path, study: Study) -> dict[str, dict[str, str]]:
    write_files(TABLE4, "table4", results, [study])
    with (results / "table4.csv").open(newline="") as file:
        return {line["config"]: line for line in csv.DictReader(file)}


def test_the_first_crossing_gives_both_speed_ups(study: Study, tmp_path: Path) -> None:
    rows = written(tmp_path, study)
    projected, config_e, fastgan = rows["projected-fastgan"], rows["E-inverted"], rows["fastgan"]
    assert (projected["kimg"], projected["train_seconds"], projected["total_seconds"]) == ("2.0", "10.0", "11.0")
    assert (projected["speedup_images"], projected["speedup_train_time"]) == ("3.0", "3.0")
    assert (config_e["kimg"], config_e["best"], config_e["best_kimg"]) == ("4.0", "29.5", "4.0")
    assert (fastgan["reached"], fastgan["kimg"], fastgan["speedup_images"]) == ("False", "6.0", "")


def test_the_page_says_what_was_not_reached_and_who_looks_through_imagenet(study: Study, tmp_path: Path) -> None:
    written(tmp_path, study)
    text = (tmp_path / "table4.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.split("## Reproduced")[1].splitlines() if "|" in line}
    assert "> 6" in lines["FastGAN*"]
    assert "Projected GAN*" in lines
    assert title_of("E-inverted") == "E + Inverted bottleneck"
    assert title_of("projected-random").endswith("random features")
    for (row, _), printed in read_published("table4").items():
        assert printed.text in text, row
    assert (tmp_path / "table4/smoke-digit-frechet.png").stat().st_size > 10_000


def test_times_on_other_hardware_are_not_compared(study: Study, tmp_path: Path) -> None:
    another = Device(type="cpu", name="another", count=1)
    write_curve(tmp_path, "projected-fastgan", CURVES["projected-fastgan"], device=another)
    row = written(tmp_path, study)["projected-fastgan"]
    assert row["speedup_images"] == "3.0"
    assert row["speedup_train_time"] == ""


def test_without_records_the_published_numbers_stand_alone(tmp_path: Path) -> None:
    write_files(TABLE4, "table4", tmp_path)
    assert "Not run." in (tmp_path / "table4.md").read_text()
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
    write_files(ABLATION, "table4-ablation", tmp_path, [ablated(tmp_path, curves)])
    with (tmp_path / "table4-ablation.csv").open(newline="") as file:
        rows = {(line["config"], line["metric"], line["snapshot"]): line for line in csv.DictReader(file)}
    full = rows["projected-fastgan", METRIC, "best"]
    assert (full["value"], full["kimg"], full["relative"], full["through_imagenet"]) == ("4.0", "4.0", "0.5", "False")
    assert float(rows["projected-fastgan", METRIC, "last"]["relative"]) == pytest.approx(0.6)
    last = rows["projected-ccm", THROUGH_IMAGENET, "last"]
    assert (last["value"], last["relative"], last["through_imagenet"]) == ("3.0", "1.5", "True")
    text = (tmp_path / "table4-ablation.md").read_text()
    assert "![" in text and (tmp_path / "table4-ablation/smoke-relative.png").stat().st_size > 5_000
    lines = {line.split("|")[1].strip(): line for line in text.split("## Reproduced")[1].splitlines() if "|" in line}
    assert "not comparable: another metric" in lines["Projected GAN*"]
    assert "nothing published" in lines["FastGAN*"]
    assert "not run" in lines["Projected GAN, random features"]  # and no star
    # By digits the full one is worst of all at the end and CCM best; through ImageNet's features it is the other way.
    assert "by digit-frechet and by lite1-frechet-64px, smoke scale: -0.50 (3 rows, single runs)" in text
    assert (tmp_path / "table4-ablation/smoke-samples.png").exists()
    cells = {(c.config, c.quantity): c for c in read_table_file(tmp_path / "table4-ablation.json").cells}
    assert cells["projected-ccm", f"best {METRIC}"].published == "0.77"
    assert cells["projected-fastgan", f"best {METRIC}"].published == "1.65"
    assert cells["projected-lite0", "best fid"].said == "not run"


def test_only_a_published_fid_on_the_paper_s_data_set_is_judged_and_a_relative_one_never(tmp_path: Path) -> None:
    curves = {"fastgan": [9.0, 8.0, 7.0], "projected-fastgan": [3.0, 2.0, 1.8], "projected-ccm": [8.0, 7.0, 5.0]}
    study = ablated(tmp_path, curves, metric="fid", dataset="lsun-church-256")
    write_files(ABLATION, "table4-ablation", tmp_path, [study])
    cells = {(c.config, c.quantity): c for c in read_table_file(tmp_path / "table4-ablation.json").cells}
    assert cells["projected-fastgan", "best fid"].said == "reproduced: single run"
    assert cells["projected-ccm", "best fid"].said == "not comparable: the published number is relative"
    assert cells["fastgan", "best fid"].verdict == ""


def test_without_records_the_ablation_says_not_run_and_shows_the_networks(tmp_path: Path) -> None:
    write_files(ABLATION, "table4-ablation", tmp_path)
    text = (tmp_path / "table4-ablation.md").read_text()
    assert "Not run." in text
    assert "10,331,328" in text and "5,509,312" in text
    assert list((tmp_path / "table4-ablation").iterdir()) == []
