"""Published comparisons: every number is shown as printed, ours only where it was measured, no point is invented."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from r3gan.study import Study, StudyRun
from r3gan.tables import TABLES, ComparisonTable, LossFigure, ParameterFigure
from r3gan.tables.comparison import cells, read_everything, write_comparison
from r3gan.tables.drawn import parameters_against_fid, write_loss_figure, write_parameter_figure
from r3gan.tables.records import read_published
from r3gan.tables.render import reproduced

TABLE2, TABLE3, TABLE5 = TABLES["table2"], TABLES["table3"], TABLES["table5"]
FIGURE1, FIGURE6 = TABLES["figure1"], TABLES["figure6"]
assert isinstance(TABLE2, ComparisonTable)
assert isinstance(TABLE3, ComparisonTable)
assert isinstance(TABLE5, ComparisonTable)
assert isinstance(FIGURE1, LossFigure)
assert isinstance(FIGURE6, ParameterFigure)


def study(scale: str, *runs: tuple[str, str]) -> Study:
    """A study of runs (configuration, data set)."""
    lines = tuple(
        StudyRun(
            key=config, config=config, dataset=dataset, seed=0, total_kimg=1, threads=1, evaluation={"metrics": []}
        )
        for config, dataset in runs or (("E", "cifar10"),)
    )
    return Study(scale=scale, datasets=("cifar10",), classifiers=(), launch={}, tables=("table3",), runs=lines)


def write_record(
    results: Path, run: str, outcome: str = "trained", kimg: float = 2.0, samples: int = 50_000, **values: float
) -> None:
    """A record as `r3gan evaluate` writes it, with a loss curve."""
    scale, dataset, config, seed = run.split("/")
    folder = results / run
    folder.mkdir(parents=True)
    fail = {"fail_step": 7, "fail_reason": "loss_g is nan"} if outcome == "Fail" else {}
    stamp = {"device": {"name": "a processor", "count": 1}, "code": {"commit": "c" * 40, "dirty": False}}
    training = {"run": run, "images_seen": 2000, "provenance": stamp} | fail
    training["recipe"] = {"batch": 8, "total_kimg": kimg}
    metrics = {
        name: {
            "value": value, "n_fake": samples, "protocol": "p", "snapshot": "last", "features": "pool3",
            "extractor": {"name": "a network", "sha256": "e" * 64},
        }
        for name, value in values.items()
    }  # fmt: skip
    record = {
        "schema": 2,
        "scale": scale,
        "dataset": dataset,
        "config": config,
        "seed": int(seed[4:]),
        "outcome": outcome,
    }
    record |= {"metrics": metrics, "training": training, "provenance": stamp}
    record["data"] = {"dataset": dataset, "count": 50, "digit_pool": 7, "protocol": "padded", "sha256": "d" * 64}
    (folder / "metrics.json").write_text(json.dumps(record))
    (folder / "loss.csv").write_text("kimg,loss_g\n1,0.5\n2,50\n")


def write_fid(results: Path, scale: str, value: float, kimg: float = 2.0) -> None:
    write_record(results, f"{scale}/cifar10/E/seed0", kimg=kimg, fid=value)


@pytest.mark.parametrize("name", ["table2", "table3", "table5"])
def test_every_published_number_is_shown_and_ours_is_not_run(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    assert isinstance(table, ComparisonTable)
    write_comparison(name, table, [], tmp_path)
    text = (tmp_path / f"{name}.md").read_text()
    for section in table.sections:
        for (row, _), printed in read_published(section.published).items():
            line = next(
                part for part in text.split(f"## {section.title}")[1].splitlines() if part.startswith(f"| {row} ")
            )
            assert printed.text in line
    assert text.count("| not run") == sum(len(section.ours) for section in table.sections)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") == lines[0].count("|") for line in lines[:3])


def test_counted_parameters_get_a_verdict(tmp_path: Path) -> None:
    write_comparison("table3", TABLE3, [], tmp_path)
    assert "not run; parameters exact" in (tmp_path / "table3.md").read_text()


def test_a_measured_fid_is_shown_at_its_scale(tmp_path: Path) -> None:
    write_fid(tmp_path, "mini", 12.3)
    write_comparison("table3", TABLE3, [study("mini")], tmp_path)
    text = (tmp_path / "table3.md").read_text()
    assert "FID not comparable: 2 of 250,000 kimg, Recall not measured; parameters exact" in text
    assert "Reproduced fid: within a factor of 1.06 or 0.1 either way: EDM's" in text
    write_fid(tmp_path, "paper", 2.01, kimg=250_000)
    records = read_everything([study("mini"), study("paper")], tmp_path)
    ours = [c for c in cells("table3", TABLE3.sections[0], records) if (c.row, c.quantity) == ("R3GAN Config E", "fid")]
    assert [(c.scale, c.reproduced, c.n, c.said) for c in ours] == [
        ("mini", 12.3, 1, "not comparable: 2 of 250,000 kimg"),
        ("paper", 2.01, 1, "reproduced: single run"),
    ]
    assert ours[1].band == pytest.approx((1.96 / 1.06, 1.96 * 1.06))  # either is more than 0.1
    assert ours[1].records == ("paper/cifar10/E/seed0/metrics.json",)


def test_the_authors_checkpoint_has_a_column_of_its_own(tmp_path: Path) -> None:
    write_record(tmp_path, "released/cifar10/E/seed0", "imported", fid=1.97, recall=0.56)
    write_comparison("table3", TABLE3, [], tmp_path)
    lines = (tmp_path / "table3.md").read_text().splitlines()
    header = next(line for line in lines if line.startswith("| Method"))
    row = next(line for line in lines if line.startswith("| R3GAN Config E"))
    columns = [cell.strip() for cell in header.split("|")]
    shown = dict(zip(columns, (cell.strip() for cell in row.split("|")), strict=True))
    assert (shown["FID"], shown["FID released"], shown["Recall released"]) == ("1.96", "1.97", "0.56")
    assert shown["Verdict"] == "reproduced: the authors' checkpoint, single run; parameters exact"


def test_fail_stands_where_a_run_failed_and_only_there(tmp_path: Path) -> None:
    section = TABLE2.sections[0]
    runs = [(config, "stackedmnist5k-16") for config in section.ours.values()]
    for config, dataset in runs[:3]:
        write_record(tmp_path, f"smoke/{dataset}/{config}/seed0", modes=900.0, kl=0.5)
    write_record(tmp_path, "smoke/stackedmnist5k-16/loss-gan-r1/seed0", "Fail")
    write_comparison("table2", TABLE2, [study("smoke", *runs)], tmp_path)
    text = (tmp_path / "table2.md").read_text()
    assert "published 1000 / 693 / Fail / Fail, failing: RpGAN+R1, GAN+R1;" in text
    assert "smoke 900 / 900 / 900 / Fail, failing: GAN+R1." in text
    assert "2 kimg, Fail at step 7: loss_g is nan" in text
    assert f"- data: stackedmnist5k-16, 50 images, from 7 digits; padded; sha256 {'d' * 64}" in text
    assert text.count("- feature network: a network: pool3") == 1
    rows = {c.row: c for c in cells("table2", section, read_everything([study("smoke", *runs)], tmp_path)) if c.scale}
    assert {row for row, c in rows.items() if reproduced(c) == "Fail"} == {"GAN+R1"}


def test_a_run_at_the_papers_scale_is_judged_by_whether_it_fails(tmp_path: Path) -> None:
    section = TABLE2.sections[0]
    runs = [(config, "stackedmnist") for config in section.ours.values()]
    for (config, dataset), outcome in zip(runs, ("trained", "Fail", "trained", "Fail"), strict=True):
        values = {} if outcome == "Fail" else {"modes": 1000.0, "kl": 0.1}
        write_record(tmp_path, f"paper/{dataset}/{config}/seed0", outcome, kimg=10_000, **values)
    found = cells("table2", section, read_everything([study("paper", *runs)], tmp_path))
    assert {c.row: c.said for c in found if c.quantity == "modes"} == {
        "RpGAN+R1+R2": "reproduced: single run",
        "GAN+R1+R2": "worse: fails, published does not",
        "RpGAN+R1": "better: published fails, ours does not",
        "GAN+R1": "reproduced: fails as published",
    }
    assert {c.said for c in found if c.quantity == "kl" and c.row == "RpGAN+R1+R2"} == {"worse: single run"}


def test_the_loss_figure_draws_every_objective_and_marks_what_failed(tmp_path: Path) -> None:
    runs = [(config, "stackedmnist5k-16") for config in FIGURE1.of.ours.values()]
    for i, (config, dataset) in enumerate(runs):
        write_record(tmp_path, f"smoke/{dataset}/{config}/seed0", "Fail" if i == 3 else "trained")
    write_loss_figure("figure1", FIGURE1, [study("smoke", *runs)], tmp_path)
    text = (tmp_path / "figure1.md").read_text()
    assert text.count(", smoke") == 4
    svg = (tmp_path / "figure1.svg").read_text()
    assert "GAN+R1 (Fail)" in svg
    assert "RpGAN+R1 (Fail)" not in svg


def test_the_figure_draws_what_is_known_and_names_the_rest(tmp_path: Path) -> None:
    points, missing = parameters_against_fid(cells("figure6", FIGURE6.of, {}))
    assert points["R3GAN Config E"] == (pytest.approx(20.782 + 21.281), 1.96)
    assert points["StyleGAN-XL*"] == (18 + 125, 1.85)
    assert "BigGAN" in missing
    assert not set(points) & set(missing)
    write_fid(tmp_path, "paper", 2.01)
    write_parameter_figure("figure6", FIGURE6, [study("paper")], tmp_path)
    text = (tmp_path / "figure6.md").read_text()
    assert "ours, paper" in text
    assert "BigGAN" in text
    first = (tmp_path / "figure6.svg").read_bytes()
    write_parameter_figure("figure6", FIGURE6, [study("paper")], tmp_path)
    assert (tmp_path / "figure6.svg").read_bytes() == first  # the same numbers give the same file
    assert (tmp_path / "figure6.png").stat().st_size > 5_000


def test_a_row_without_parameters_has_no_point() -> None:
    nothing = replace(FIGURE6.of, published="table5-ffhq256")
    points, missing = parameters_against_fid(cells("figure6", nothing, {}))
    assert points == {}
    assert "StyleGAN2" in missing
