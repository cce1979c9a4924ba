"""Published comparisons: every number is shown as printed, ours only where it was measured, no point is invented."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from r3gan.study import Study, StudyRun
from r3gan.tables import TABLES, ComparisonTable, ParameterFigure
from r3gan.tables.comparison import cells, parameters_against_fid, write_comparison, write_parameter_figure
from r3gan.tables.records import read_published

TABLE3, TABLE5, FIGURE6 = TABLES["table3"], TABLES["table5"], TABLES["figure6"]
assert isinstance(TABLE3, ComparisonTable)
assert isinstance(TABLE5, ComparisonTable)
assert isinstance(FIGURE6, ParameterFigure)


def study(scale: str) -> Study:
    run = StudyRun(key="E", config="E", dataset="cifar10", seed=0, total_kimg=1, threads=1)
    return Study(
        scale=scale, datasets=("cifar10",), classifiers=(), classifier=None, metrics=(), samples=100, launch={},
        tables=("table3",), runs=(run,),
    )  # fmt: skip


def write_fid(results: Path, scale: str, value: float) -> None:
    folder = results / scale / "cifar10/E/seed0"
    folder.mkdir(parents=True)
    record = {"dataset": "cifar10", "metrics": {"fid": {"value": value}}}
    (folder / "metrics.json").write_text(json.dumps(record))


@pytest.mark.parametrize("name", ["table3", "table5"])
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
    assert text.count("FID not run") == len(table.sections)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") == lines[0].count("|") for line in lines[:3])


def test_counted_parameters_get_a_verdict(tmp_path: Path) -> None:
    write_comparison("table3", TABLE3, [], tmp_path)
    assert "FID not run; parameters exact" in (tmp_path / "table3.md").read_text()


def test_a_measured_fid_is_shown_at_its_scale(tmp_path: Path) -> None:
    write_fid(tmp_path, "smoke", 123.4)
    write_comparison("table3", TABLE3, [study("smoke")], tmp_path)
    assert "not comparable: smoke scale" in (tmp_path / "table3.md").read_text()
    write_fid(tmp_path, "paper", 2.01)
    found = {
        (c["row"], c["quantity"]): c for c in cells(TABLE3.sections[0], [study("smoke"), study("paper")], tmp_path)
    }
    ours = found["R3GAN Config E", "fid"]
    assert (ours["reproduced"], ours["scale"], ours["n"]) == (2.01, "paper", 1)


def test_the_figure_draws_what_is_known_and_names_the_rest(tmp_path: Path) -> None:
    points, missing = parameters_against_fid(cells(FIGURE6.of, [], tmp_path))
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


def test_a_row_without_parameters_has_no_point(tmp_path: Path) -> None:
    nothing = replace(FIGURE6.of, published="table5-ffhq256")
    points, missing = parameters_against_fid(cells(nothing, [], tmp_path))
    assert points == {}
    assert "StyleGAN2" in missing
