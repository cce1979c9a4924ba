"""Tables from made-up records: what is shown, what is not claimed, what aligns."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from r3gan.configs import CONFIGS
from r3gan.errors import UserError
from r3gan.study import Study, StudyRun
from r3gan.tables import TABLES
from r3gan.tables.build import build
from r3gan.tables.records import PUBLISHED_CSV, read_published
from r3gan.tables.render import number, write_table
from r3gan.tables.verdict import judge_count
from r3gan.tables.write import WRITERS, write
from tests.helpers import REPOSITORY

ROWS = TABLES["table1"].configs


def test_every_kind_of_table_has_a_writer() -> None:
    assert {type(table) for table in TABLES.values()} == set(WRITERS)


def make_study(seeds: tuple[int, ...] = (0,), configs: tuple[str, ...] = ROWS) -> Study:
    runs = [
        StudyRun(key=f"{c}-{s}", config=c, dataset="stackedmnist5k-16", seed=s, total_kimg=1, threads=1, evaluation={})
        for c in configs
        for s in seeds
    ]
    return Study(
        scale="smoke", datasets=("stackedmnist5k-16",), classifiers=(), launch={}, tables=("table1",), runs=tuple(runs),
    )  # fmt: skip


def write_record(results: Path, study: Study, folder: str, values: dict[str, float], outcome: str = "trained") -> None:
    run = study.folders[folder]
    stamp: dict[str, Any] = {
        "command": "r3gan train", "date": "2026-01-02T03:04:05+00:00", "code": {"commit": "c" * 40, "dirty": False},
        "versions": {"python": "3.11", "torch": "2", "numpy": "2", "scipy": "1"},
        "device": {"type": "cpu", "name": "a processor", "count": 1, "threads": 1},
    }  # fmt: skip
    metrics = {
        name: {
            "value": v,
            "draws": [v],
            "untrained": 10 * v,
            "n_fake": 100,
            "n_real": 50,
            "snapshot": "last",
            "protocol": "p",
            "features": "last convolution",
            "extractor": {"name": "digits", "dataset": "mnist5k-16", "sha256": "e" * 64, "test_accuracy": 0.97},
        }
        for name, v in values.items()
    }
    record = {
        "schema": 2, "scale": "smoke", "dataset": run.dataset, "config": run.config, "seed": run.seed,
        "outcome": outcome,
        "metrics": metrics, "data": {"dataset": run.dataset, "sha256": "d" * 64, "count": 50},
        "training": {"run": folder, "images_seen": 1000, "seconds": 10.0, "provenance": stamp,
                     "recipe": {"batch": 8, "total_kimg": 1.0}},
        "provenance": stamp,
    }  # fmt: skip
    (results / folder).mkdir(parents=True)
    (results / folder / "metrics.json").write_text(json.dumps(record))
    (results / folder / "loss.csv").write_text("kimg,loss_d,loss_g\n0.5,0.7,0.7\n1,0.6,0.8\n")
    Image.new("RGB", (32, 16)).save(results / folder / "samples.png")


def rendered(results: Path, study: Study) -> str:
    write_table(build("table1", TABLES["table1"], [study], results), results, results)
    return (results / "table1.md").read_text()


def test_every_published_number_of_table1_comes_from_published_csv_and_is_shown(tmp_path: Path) -> None:
    published = read_published("table1")
    assert len(published) == 24
    text = rendered(tmp_path, make_study())
    for (row, metric), entry in published.items():
        assert row in {CONFIGS[c].title for c in ROWS}
        if metric != "fid":
            assert f"{entry.text}M" in text
    assert text.count(" exact ") == 8
    assert "No run has been recorded yet." in text


def test_reproduced_numbers_stand_beside_published_ones_with_n_seed_and_verdict(tmp_path: Path) -> None:
    study = make_study()
    for i, folder in enumerate(study.folders):
        write_record(tmp_path, study, folder, {"digit-frechet": 800.0 - i, "modes": 500 + i, "kl": 1.5})
    text = rendered(tmp_path, study)
    line = next(line for line in text.splitlines() if line.startswith("| A StyleGAN2") and "not comparable" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "A StyleGAN2", "7.516", "8,000", "800", "500", "1.5", "1 (single run)", "0", "not comparable: another metric"
    ]  # fmt: skip
    assert "Spearman rank correlation" in text
    assert "sha256 " + "d" * 64 in text
    assert "commit cccccccccccc" in text
    assert "2026-01-02" in text
    widths = {len(line) for line in text.splitlines() if line.startswith("|") and "FID" not in line}
    assert len(widths) <= 2  # two tables, each aligned


def test_a_scale_alone_lies_in_the_scales_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    shutil.copytree("results/smoke", tmp_path / "smoke")
    assert write("table1", tmp_path, "smoke") == tmp_path / "smoke"
    text = (tmp_path / "smoke/table1.md").read_text()
    assert text.count("## Quality") == 1
    shown = re.findall(r"\]\((.+?)\)", text)
    assert len(shown) == 2
    assert all((tmp_path / "smoke" / picture).stat().st_size > 10_000 for picture in shown)
    write("table1", tmp_path, "paper")
    assert "No run has been recorded yet." in (tmp_path / "paper/table1.md").read_text()
    assert not list(tmp_path.glob("*.md"))
    with pytest.raises(UserError, match="--scale is not possible with table5; it goes with: table1"):
        write("table5", tmp_path, "smoke")


def test_seeds_give_mean_and_standard_deviation_and_strays_are_left_out(tmp_path: Path) -> None:
    study, stray = make_study(seeds=(0, 1), configs=("B",)), make_study(seeds=(7,), configs=("B",))
    for folder, value in zip(study.folders, (90.0, 110.0), strict=True):
        write_record(tmp_path, study, folder, {"digit-frechet": value})
    write_record(tmp_path, stray, next(iter(stray.folders)), {"digit-frechet": 1.0})
    content = build("table1", TABLES["table1"], [study], tmp_path)
    cell = next(c for c in content.cells if c.quantity == "digit-frechet" and c.config == "B")
    assert (cell.reproduced, cell.n, cell.seeds) == (100.0, 2, (0, 1))
    assert cell.spread == pytest.approx(200**0.5)
    assert "100 +- 14" in rendered(tmp_path, study)


def test_a_diverged_run_shows_fail_and_a_missing_one_not_run(tmp_path: Path) -> None:
    study = make_study(configs=("A", "B", "C-r2"))
    write_record(tmp_path, study, "smoke/stackedmnist5k-16/B/seed0", {}, outcome="Fail")
    write_record(tmp_path, study, "smoke/stackedmnist5k-16/C-r2/seed0", {"digit-frechet": 5.0, "modes": 3, "kl": 1.0})
    text = rendered(tmp_path, study)
    b = next(line for line in text.splitlines() if line.startswith("| B Stripped") and "12.46" in line)
    assert b.count("Fail") == 3
    a = next(line for line in text.splitlines() if line.startswith("| A StyleGAN2") and "7.516" in line)
    assert a.count("not run") == 4


def test_csv_and_json_carry_every_cell(tmp_path: Path) -> None:
    study = make_study()
    for folder in study.folders:
        write_record(tmp_path, study, folder, {"digit-frechet": 5.0, "modes": 3, "kl": 1.0})
    rendered(tmp_path, study)
    lines = list(csv.DictReader((tmp_path / "table1.csv").read_text().splitlines()))
    content = json.loads((tmp_path / "table1.json").read_text())
    assert len(lines) == len(content["cells"]) == 8 * 2 + 8 * 3
    first = lines[0]
    assert (first["row"], first["quantity"], first["reproduced"], first["verdict"]) == (
        "A StyleGAN2", "g_params", "24767458", "exact",
    )  # fmt: skip
    assert content["scales"][0]["records"][0]["data_sha256"] == "d" * 64


def test_rendering_is_a_function_of_the_records(tmp_path: Path) -> None:
    study = make_study()
    for folder in study.folders:
        write_record(tmp_path, study, folder, {"digit-frechet": 5.0, "modes": 3, "kl": 1.0})
    first = rendered(tmp_path, study), (tmp_path / "table1-smoke-curves.png").read_bytes()
    assert (rendered(tmp_path, study), (tmp_path / "table1-smoke-curves.png").read_bytes()) == first


@pytest.mark.parametrize(
    ("printed", "counted", "verdict"),
    [("24.767", 24_767_458, "exact"), ("18.890", 18_890_453, "exact"), ("24.767", 24_767_600, "differs")],
)
def test_counts_are_exact_at_the_printed_digits(printed: str, counted: int, verdict: str) -> None:
    assert judge_count(printed, counted).word == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1000.0, "1,000"),
        (2977.79, "2,978"),
        (0.01923, "0.01923"),
        (12.3456, "12.35"),
        (123456.7, "123,500"),
    ],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert number(value) == text


def test_published_csv_is_well_formed() -> None:
    with PUBLISHED_CSV.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["status"] for line in lines} <= {"paper", "derived", "secondary", "conflict"}
    keys = [(line["table"], line["row"], line["metric"]) for line in lines]
    assert len(keys) == len(set(keys))
    assert all(line["value"] and line["source"] for line in lines)
