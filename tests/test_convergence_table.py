"""Table 4 and its ablation from made-up curves: first crossings, censored ones, two clocks, stars, relative values."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from r3gan.study import Convergence, Study, StudyRun
from r3gan.tables import TABLES, AblationTable, ConvergenceTable
from r3gan.tables.ablation import write_ablation
from r3gan.tables.cells import read_cells
from r3gan.tables.convergence import title_of, write_convergence_table
from r3gan.tables.records import read_published

TABLE4 = TABLES["table4"]
assert isinstance(TABLE4, ConvergenceTable)
CURVES = {
    "A": [50.0, 40.0, 30.0],
    "fastgan": [60.0, 50.0, 45.0],
    "projected-fastgan": [29.0, 20.0, 10.0],
    "E-inverted": [35.0, 29.5, 31.0],
}
METRIC = "digit-frechet"


MEASURED = {
    "protocol": "p", "n_fake": 100, "features": "f", "extractor": {"name": "e", "sha256": "s"},
}  # fmt: skip


def record(config: str, values: list[float], device: str = "a processor") -> dict[str, Any]:
    """As `r3gan converge` writes it: a point every 2 kimg, 10 s of training and 1 s of evaluation each."""
    stamp = {
        "device": {"type": "cpu", "name": device, "count": 1}, "code": {"commit": "c" * 40, "dirty": False},
        "versions": {"python": "3.11", "torch": "2", "numpy": "2", "scipy": "1"},
    }  # fmt: skip
    points = [
        {"kimg": 2.0 * i, "train_seconds": 10.0 * i, "evaluate_seconds": 1.0, "values": {METRIC: value}}
        for i, value in enumerate(values, start=1)
    ]
    return {
        "schema": 1, "scale": "smoke", "dataset": "stackedmnist5k-16", "outcome": "trained",
        "config": config, "seed": 1, "interval_kimg": 2.0, "points": points,
        "metrics": {METRIC: {"n_fake": 100, "protocol": "p"}}, "data": {"dataset": "d", "sha256": "s", "count": 50},
        "training": {"run": config, "recipe": {"batch": 8, "total_kimg": 6.0}, "provenance": stamp},
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    runs = tuple(
        StudyRun(
            key=c,
            config=c,
            dataset="stackedmnist5k-16",
            seed=1,
            total_kimg=6,
            threads=1,
            evaluation={"metrics": [METRIC]},
        )
        for c in CURVES
    )
    for config, values in CURVES.items():
        path = tmp_path / "smoke/stackedmnist5k-16" / config / "seed1/convergence.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record(config, values)))
    converging = Convergence(snapshot_kimg=2, evaluation={"metrics": [METRIC]}, runs=runs)
    return Study(
        scale="smoke",
        datasets=("stackedmnist5k-16",),
        classifiers=(),
        launch={},
        tables=(),
        runs=(),
        convergence=converging,
    )


def written(results: Path, study: Study) -> dict[str, dict[str, str]]:
    write_convergence_table("table4", TABLE4, [study], results)
    with (results / "table4.csv").open(newline="") as file:
        return {line["config"]: line for line in csv.DictReader(file)}


def test_the_first_crossing_gives_both_speed_ups(study: Study, tmp_path: Path) -> None:
    rows = written(tmp_path, study)
    projected, ours, fastgan = rows["projected-fastgan"], rows["E-inverted"], rows["fastgan"]
    assert (projected["kimg"], projected["train_seconds"], projected["total_seconds"]) == ("2.0", "10.0", "11.0")
    assert (projected["speedup_images"], projected["speedup_train_time"]) == ("3.0", "3.0")
    assert (ours["kimg"], ours["best"], ours["best_kimg"]) == ("4.0", "29.5", "4.0")
    assert (fastgan["reached"], fastgan["kimg"], fastgan["speedup_images"]) == ("False", "6.0", "")


def test_the_page_says_what_was_not_reached_and_who_looks_through_imagenet(study: Study, tmp_path: Path) -> None:
    written(tmp_path, study)
    text = (tmp_path / "table4.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.split("## Ours")[1].splitlines() if "|" in line}
    assert "> 6" in lines["FastGAN*"]
    assert "Projected GAN*" in lines
    assert title_of("E-inverted") == "E + Inverted bottleneck"
    assert title_of("projected-random").endswith("random features")
    for (row, _), printed in read_published("table4").items():
        assert printed.text in text, row
    assert (tmp_path / "table4-smoke-convergence.png").stat().st_size > 10_000


def test_times_on_other_hardware_are_not_compared(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "smoke/stackedmnist5k-16/projected-fastgan/seed1/convergence.json"
    path.write_text(json.dumps(record("projected-fastgan", CURVES["projected-fastgan"], device="another")))
    row = written(tmp_path, study)["projected-fastgan"]
    assert row["speedup_images"] == "3.0"
    assert row["speedup_train_time"] == ""


def test_without_records_the_published_numbers_stand_alone(tmp_path: Path) -> None:
    write_convergence_table("table4", TABLE4, [], tmp_path)
    assert "Not run." in (tmp_path / "table4.md").read_text()
    assert not list(tmp_path.glob("*.png"))


ABLATION = TABLES["table4-ablation"]
assert isinstance(ABLATION, AblationTable)
ENDS = {"fastgan": 2.0, "projected-fastgan": 1.0, "projected-ccm": 3.0, "projected-random": 4.0}
THROUGH_IMAGENET = "lite1-frechet-64px"


def ablated(
    results: Path, curves: dict[str, list[float]], metric: str = METRIC, dataset: str = TABLE4.trained_on[-1]
) -> Study:
    """A study whose runs have these curves, and of which the last G was measured through ImageNet's features."""
    evaluation = {"metrics": [metric]}
    runs = tuple(
        StudyRun(key=c, config=c, dataset=dataset, seed=1, total_kimg=6, threads=1, evaluation=evaluation)
        for c in curves
    )
    for config, values in curves.items():
        folder = results / "smoke" / dataset / config / "seed1"
        folder.mkdir(parents=True)
        curve = record(config, values) | {"dataset": dataset}
        for point in curve["points"]:
            point["values"] = {metric: point["values"][METRIC]}
        curve["metrics"] = {metric: MEASURED | {"n_fake": 50_000}}
        curve["training"] |= {"run": f"smoke/{dataset}/{config}/seed1", "recipe": {"batch": 8, "total_kimg": 10_000.0}}
        (folder / "convergence.json").write_text(json.dumps(curve))
        end = curve | {"metrics": {THROUGH_IMAGENET: MEASURED | {"value": ENDS[config]}}}
        (folder / "metrics.json").write_text(json.dumps(end))
        Image.new("RGB", (8, 8)).save(folder / "samples.png")
    converging = Convergence(snapshot_kimg=2, evaluation=evaluation, runs=runs, at_end=runs)
    return Study(
        scale="smoke", datasets=(dataset,), classifiers=(), launch={}, tables=(), runs=(), convergence=converging
    )


def test_the_ablation_shows_each_row_relative_to_the_one_without_projection(tmp_path: Path) -> None:
    curves = {"fastgan": [9.0, 8.0, 10.0], "projected-fastgan": [5.0, 4.0, 6.0], "projected-ccm": [8.0, 8.0, 5.0]}
    write_ablation("table4-ablation", ABLATION, [ablated(tmp_path, curves)], tmp_path)
    with (tmp_path / "table4-ablation.csv").open(newline="") as file:
        rows = {(line["config"], line["metric"], line["snapshot"]): line for line in csv.DictReader(file)}
    full = rows["projected-fastgan", METRIC, "best"]
    assert (full["value"], full["kimg"], full["relative"], full["through_imagenet"]) == ("4.0", "4.0", "0.5", "False")
    assert float(rows["projected-fastgan", METRIC, "last"]["relative"]) == pytest.approx(0.6)
    last = rows["projected-ccm", THROUGH_IMAGENET, "last"]
    assert (last["value"], last["relative"], last["through_imagenet"]) == ("3.0", "1.5", "True")
    text = (tmp_path / "table4-ablation.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in text.split("## Ours")[1].splitlines() if "|" in line}
    assert "not comparable: another metric" in lines["Projected GAN*"]
    assert "nothing published" in lines["FastGAN*"]
    assert "not run" in lines["Projected GAN, random features"]  # and no star
    # By digits the full one is worst of all at the end and CCM best; through ImageNet's features it is the other way.
    assert "by digit-frechet and by lite1-frechet-64px: -0.50 (3 rows, single runs)" in text
    assert (tmp_path / "table4-ablation-samples.png").exists()
    cells = {(c.config, c.quantity): c for c in read_cells(tmp_path / "table4-ablation.json")}
    assert cells["projected-ccm", f"best {METRIC}"].published == "0.77"
    assert cells["projected-fastgan", f"best {METRIC}"].published == "1.65"
    assert cells["projected-lite0", "best fid"].said == "not run"


def test_only_a_published_fid_on_the_paper_s_data_set_is_judged_and_a_relative_one_never(tmp_path: Path) -> None:
    curves = {"fastgan": [9.0, 8.0, 7.0], "projected-fastgan": [3.0, 2.0, 1.8], "projected-ccm": [8.0, 7.0, 5.0]}
    study = ablated(tmp_path, curves, metric="fid", dataset="lsun-church-256")
    write_ablation("table4-ablation", ABLATION, [study], tmp_path)
    cells = {(c.config, c.quantity): c for c in read_cells(tmp_path / "table4-ablation.json")}
    assert cells["projected-fastgan", "best fid"].said == "reproduced: single run"
    assert cells["projected-ccm", "best fid"].said == "not comparable: the published number is relative"
    assert cells["fastgan", "best fid"].verdict == ""


def test_without_records_the_ablation_says_not_run_and_still_has_its_pictures(tmp_path: Path) -> None:
    write_ablation("table4-ablation", ABLATION, [], tmp_path)
    text = (tmp_path / "table4-ablation.md").read_text()
    assert "Not run." in text
    assert "10,331,328" in text and "5,509,312" in text
    assert len(list(tmp_path.glob("*.png"))) == 2
