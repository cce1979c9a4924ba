"""Tables from made-up records: what is shown, what is not claimed, what aligns."""

import csv
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from r3gan.configs import CONFIGS
from r3gan.errors import UserError
from r3gan.study import Study
from r3gan.tables.cell import read_table_file
from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.markdown import number
from r3gan.tables.published import PUBLISHED_CSV, read_published
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import judge_count
from r3gan.tables.write import in_brief, write_table
from tests.conftest import REPOSITORY
from tests.helpers import evaluation_of, study_of, write_files, write_run

TABLE1 = TABLES["table1"]
assert isinstance(TABLE1, QualityTable)
DATASET = "stackedmnist5k-16"
FULL = study_of("smoke", *(f"{DATASET}/{config}/seed0" for config in TABLE1.rows))


def write_all(results: Path, study: Study, values: Mapping[str, float]) -> None:
    """The same values for every run of a study."""
    for run in study.evaluated:
        write_run(results, evaluation_of(str(run), values, kimg=1.0, samples=100))


def rendered(results: Path, study: Study) -> str:
    write_files(TABLE1, "table1", results, [study])
    return (results / "table1.md").read_text()


def test_every_published_number_of_table1_comes_from_published_csv_and_is_shown(tmp_path: Path) -> None:
    published = read_published("table1")
    assert len(published) == 24
    text = rendered(tmp_path, FULL)
    for (row, metric), entry in published.items():
        assert row in {CONFIGS[c].title for c in TABLE1.rows}
        if metric != "fid":
            assert f"{entry.text} M" in text
    assert text.count(" exact ") == 8
    assert "No run has been recorded yet." in text


def test_reproduced_numbers_stand_next_to_published_ones_with_n_seed_and_verdict(tmp_path: Path) -> None:
    for i, run in enumerate(FULL.evaluated):
        values = {"digit-frechet": 800.0 - i, "modes": 500.0 + i, "kl": 1.5}
        write_run(tmp_path, evaluation_of(str(run), values, samples=100))
    text = rendered(tmp_path, FULL)
    line = next(line for line in text.splitlines() if line.startswith("| A StyleGAN2") and "not comparable" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "A StyleGAN2", "7.516", "800", "8,000", "500", "1.5", "1 (single run)", "0", "not comparable: another metric"
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
    assert write_table("table1", tmp_path, "smoke") == tmp_path / "smoke/table1.md"
    text = (tmp_path / "smoke/table1.md").read_text()
    assert text.count("## Quality") == 1
    shown = re.findall(r"\]\((.+?)\)", text)
    assert shown == ["table1/smoke-samples.png", "table1/smoke-curves.png"]
    assert all((tmp_path / "smoke" / picture).stat().st_size > 10_000 for picture in shown)
    write_table("table1", tmp_path, "paper")
    assert "No run has been recorded yet." in (tmp_path / "paper/table1.md").read_text()
    assert not list(tmp_path.glob("*.md"))
    with pytest.raises(UserError, match=r"study/huge.yaml does not exist; there are: .*mini, paper,.* smoke"):
        write_table("table5", tmp_path, "huge")
    with pytest.raises(UserError, match=r"unknown table 'tabel1' \(did you mean table1\?\)"):
        write_table("tabel1", tmp_path, "smoke")
    assert not (tmp_path / "huge").exists()


def test_seeds_give_mean_and_standard_deviation_and_strays_are_left_out(tmp_path: Path) -> None:
    study = study_of("smoke", *(f"{DATASET}/B/seed{seed}" for seed in (0, 1)))
    for run, value in zip(study.evaluated, (90.0, 110.0), strict=True):
        write_run(tmp_path, evaluation_of(str(run), {"digit-frechet": value}))
    write_run(tmp_path, evaluation_of(f"smoke/{DATASET}/B/seed7", {"digit-frechet": 1.0}))
    content = write_files(TABLE1, "table1", tmp_path, [study])
    cell = next(c for c in content.cells if c.quantity == "digit-frechet" and c.config == "B")
    assert (cell.reproduced, cell.n, cell.seeds) == (100.0, 2, (0, 1))
    assert cell.spread == pytest.approx(200**0.5)
    assert "100 +- 14" in (tmp_path / "table1.md").read_text()


def test_a_diverged_run_shows_fail_and_a_missing_one_not_run(tmp_path: Path) -> None:
    study = study_of("smoke", *(f"{DATASET}/{config}/seed0" for config in ("A", "B", "C-r2")))
    write_run(tmp_path, evaluation_of(f"smoke/{DATASET}/B/seed0", {}, outcome="Fail"))
    write_run(tmp_path, evaluation_of(f"smoke/{DATASET}/C-r2/seed0", {"digit-frechet": 5.0, "modes": 3.0, "kl": 1.0}))
    text = rendered(tmp_path, study)
    b = next(line for line in text.splitlines() if line.startswith("| B Stripped") and "12.46" in line)
    assert b.count("Fail") == 3
    a = next(line for line in text.splitlines() if line.startswith("| A StyleGAN2") and "7.516" in line)
    assert a.count("not run") == 4


def test_csv_and_json_carry_every_cell(tmp_path: Path) -> None:
    write_all(tmp_path, FULL, {"digit-frechet": 5.0, "modes": 3.0, "kl": 1.0})
    rendered(tmp_path, FULL)
    lines = list(csv.DictReader((tmp_path / "table1.csv").read_text().splitlines()))
    content = json.loads((tmp_path / "table1.json").read_text())
    assert len(lines) == len(content["cells"]) == 8 * 2 + 8 * 3
    first = lines[0]
    assert (first["row"], first["quantity"], first["reproduced"], first["verdict"]) == (
        "A StyleGAN2", "g_params", "24767458", "exact",
    )  # fmt: skip
    assert content["cells"][16]["records"] == [f"smoke/{DATASET}/A/seed0/metrics.json"]
    assert content["cells"][16]["conditions"].startswith(f"{DATASET} dddddddddddd, 1 kimg at batch 8, 100 samples")
    assert content["values"]["smoke"]["A StyleGAN2"] == {"digit-frechet": 5.0, "modes": 3.0, "kl": 1.0}


def test_rendering_is_a_function_of_the_records(tmp_path: Path) -> None:
    write_all(tmp_path, FULL, {"digit-frechet": 5.0, "modes": 3.0, "kl": 1.0})
    first = rendered(tmp_path, FULL), (tmp_path / "table1/smoke-curves.png").read_bytes()
    assert (rendered(tmp_path, FULL), (tmp_path / "table1/smoke-curves.png").read_bytes()) == first


def test_pictures_that_a_table_no_longer_shows_are_gone(tmp_path: Path) -> None:
    write_all(tmp_path, FULL, {"digit-frechet": 5.0})
    rendered(tmp_path, FULL)
    assert (tmp_path / "table1/smoke-curves.svg").exists()
    write_files(TABLE1, "table1", tmp_path, [])
    assert [path.name for path in (tmp_path / "table1").iterdir()] == [".gitkeep"]


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


def test_a_spread_of_two_digits_has_no_exponent() -> None:
    assert [number(value, 2) for value in (204.3, 99.7, 0.664, 1994.4)] == ["200", "100", "0.66", "2,000"]


def test_published_csv_is_well_formed() -> None:
    with PUBLISHED_CSV.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["status"] for line in lines} <= {"paper", "derived", "secondary", "conflict"}
    keys = [(line["table"], line["row"], line["metric"]) for line in lines]
    assert len(keys) == len(set(keys))
    assert all(line["value"] and line["source"] for line in lines)


@pytest.mark.parametrize("name", TABLES)
def test_the_values_that_dvc_shows_are_those_of_the_table(name: str) -> None:
    cells = read_table_file(REPOSITORY / f"results/{name}.json").cells
    brief = json.loads((REPOSITORY / f"results/metrics/{name}.json").read_text())
    assert brief == in_brief(cells)
    assert sum(brief["verdicts"].values()) == sum(cell.verdict != "" for cell in cells)
    assert len(brief["verdicts"]) + sum(len(metrics) for metrics in brief["best"].values()) < 20
