"""Table 4 from made-up curves: first crossings, censored ones, two clocks, stars."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from r3gan.study import Convergence, Study, StudyRun
from r3gan.tables import TABLES, ConvergenceTable
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
        "schema": 1, "scale": "smoke", "dataset": "d", "outcome": "trained",
        "config": config, "seed": 1, "interval_kimg": 2.0, "points": points,
        "metrics": {METRIC: {"n_fake": 100, "protocol": "p"}}, "data": {"dataset": "d", "sha256": "s", "count": 50},
        "training": {"run": config, "recipe": {"batch": 8, "total_kimg": 6.0}, "provenance": stamp},
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    runs = tuple(
        StudyRun(key=c, config=c, dataset="d", seed=1, total_kimg=6, threads=1, evaluation={"metrics": [METRIC]})
        for c in CURVES
    )
    for config, values in CURVES.items():
        path = tmp_path / "smoke/d" / config / "seed1/convergence.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record(config, values)))
    converging = Convergence(snapshot_kimg=2, evaluation={"metrics": [METRIC]}, runs=runs)
    return Study(
        scale="smoke", datasets=("d",), classifiers=(), launch={}, tables=(), runs=(), convergence=converging
    )  # fmt: skip


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
    path = tmp_path / "smoke/d/projected-fastgan/seed1/convergence.json"
    path.write_text(json.dumps(record("projected-fastgan", CURVES["projected-fastgan"], device="another")))
    row = written(tmp_path, study)["projected-fastgan"]
    assert row["speedup_images"] == "3.0"
    assert row["speedup_train_time"] == ""


def test_without_records_the_published_numbers_stand_alone(tmp_path: Path) -> None:
    write_convergence_table("table4", TABLE4, [], tmp_path)
    assert "Not run." in (tmp_path / "table4.md").read_text()
    assert not list(tmp_path.glob("*.png"))
