"""Verdicts, bands, and what `r3gan compare` says of two trees, as a real command with its exit codes."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from r3gan.compare import GONE, IMPROVED, OTHERWISE, REGRESSED, WITHIN, change_of
from r3gan.configs import CONFIGS
from r3gan.errors import UserError
from r3gan.metrics import METRICS
from r3gan.study import read_study
from r3gan.tables import TABLES, ComparisonTable, tables_of_cells
from r3gan.tables.bands import BANDS, DRIFT, PUBLISHED_SAMPLES, Band, find_band
from r3gan.tables.cells import Against, Cell, measured, read_cells, t_interval, write_cells
from r3gan.tables.records import read_published
from r3gan.tables.verdict import VERDICTS, judge_count, judge_failure, judge_value
from tests.helpers import REPOSITORY, Command, run_in


@pytest.mark.parametrize(
    ("value", "interval", "better", "said"),
    [
        (2.0, None, "lower", "reproduced"),
        (2.2, None, "lower", "worse"),
        (1.7, None, "lower", "better"),
        (2.2, None, "higher", "better"),
        (1.7, None, "higher", "worse"),
        (2.0, (1.95, 2.05), "lower", "reproduced"),
        (2.0, (1.5, 2.5), "lower", "inconclusive"),  # a mean inside, but seeds too far apart to say so
        (2.2, (2.05, 2.35), "lower", "inconclusive"),
        (2.5, (2.4, 2.6), "lower", "worse"),
        (1.5, (1.4, 1.6), "lower", "better"),
    ],
)
def test_a_value_is_judged_by_its_interval_and_the_band(
    value: float, interval: tuple[float, float] | None, better: str, said: str
) -> None:
    verdict = judge_value(value, interval, (1.9, 2.1), better)  # type: ignore[arg-type]
    assert verdict.word == said
    assert (verdict.reason == "single run") == (interval is None)


def test_failing_is_judged_by_whether_the_published_run_fails() -> None:
    assert judge_failure(True, 3, 3).word == "reproduced"
    assert judge_failure(False, 1, 1).word == "worse"
    assert (judge_failure(True, 1, 3).word, judge_failure(True, 1, 3).reason) == ("inconclusive", "1 of 3 runs fail")


def test_a_count_is_exact_or_differs() -> None:
    assert judge_count("23.058", 23_057_952).word == "exact"
    assert judge_count("23.058", 23_059_952).word == "differs"


def test_a_band_is_a_ratio_and_at_least_so_much() -> None:
    band = Band(factor=1.1, least=0.5, reason="r")
    assert band.around(1.0) == (0.5, 1.5)
    assert band.around(22.0) == pytest.approx((20.0, 24.2))
    assert str(band) == "a factor of 1.1 or 0.5 either way: r"


def test_every_compared_metric_has_a_band_with_its_reason_and_a_published_sample_count() -> None:
    for name, table in TABLES.items():
        if isinstance(table, ComparisonTable):
            for section in table.sections:
                for quantity in section.metrics:
                    assert find_band(quantity, section.published).reason, name
                    assert PUBLISHED_SAMPLES[quantity] >= 26_000
    assert BANDS["recall"].around(0.5) == pytest.approx((0.48, 0.52))
    assert set(DRIFT) <= {*METRICS, "ms"}


def test_a_smoke_metric_may_drift_further_than_rounding_alone_has_moved_it() -> None:
    seen = {name: re.search(r"up to x ([\d.]+) apart", band.reason) for name, band in DRIFT.items()}
    widths = {name: float(width[1]) for name, width in seen.items() if width}
    assert widths.keys() == {"digit-frechet", "lite1-frechet-64px", "modes", "kl"}
    for name, width in widths.items():
        assert 1 < width < DRIFT[name].factor < 1.25 * width


def test_the_bands_reasons_are_facts() -> None:
    """The widths quoted in the reasons are those of published.csv and of the committed tables' history."""
    reruns = read_published("table4-reruns")
    checkpoint, published = (
        reruns["FFHQ public checkpoint", "fid"],
        read_published("table4")["Projected GAN* / FFHQ", "fid"],
    )
    assert checkpoint.value is not None
    assert published.value is not None
    assert 1.25 < checkpoint.value / published.value < BANDS["fid", "table4"].factor
    assert find_band("fid", "table3").around(1.97)[1] >= 2.08  # EDM, as others measured it


def test_the_papers_scale_is_measured_under_the_published_conditions() -> None:
    study = read_study(REPOSITORY / "pipelines/study/paper.yaml", REPOSITORY / "pipelines/study.schema.yaml")
    for run in study.runs:
        assert run.total_kimg >= CONFIGS[run.config].recipe(run.dataset).total_kimg, run.key
        for metric in run.metrics:
            assert run.evaluation["samples"] >= PUBLISHED_SAMPLES[metric], run.key


def record(value: float, seed: int = 0, **changed: object) -> dict[str, object]:
    """Of Config E on CIFAR-10, under the published conditions."""
    metric = {"value": value, "n_fake": 50_000, "protocol": "p", "draws": [value], "untrained": 300.0}
    training = {"run": f"paper/cifar10/E/seed{seed}", "recipe": {"total_kimg": 250_000.0, "batch": 512}}
    found = {
        "schema": 2, "scale": "paper", "dataset": "cifar10", "config": "E", "seed": seed, "outcome": "trained",
        "metrics": {"fid": metric}, "training": training, "data": {"dataset": "cifar10", "sha256": "d" * 64},
        "generator_sha256": "f" * 64,
    }  # fmt: skip
    return found | changed


CELL = Cell(table="table3", row="R3GAN Config E", config="E", quantity="fid", published="1.96", scale="paper")
AGAINST = Against(table="table3", metric="fid", dataset="cifar10")


def test_seeds_give_an_interval_and_the_interval_decides() -> None:
    near = measured(CELL, "fid", [record(v, s) for s, v in enumerate((1.95, 1.97, 1.96))], AGAINST)
    assert (near.said, near.n, near.seeds) == ("reproduced", 3, (0, 1, 2))
    assert near.interval == pytest.approx(t_interval([1.95, 1.97, 1.96]))
    far = measured(CELL, "fid", [record(v, s) for s, v in enumerate((1.8, 1.96, 2.2))], AGAINST)
    assert far.verdict == "inconclusive"
    worse = measured(CELL, "fid", [record(v, s) for s, v in enumerate((2.5, 2.52, 2.51))], AGAINST)
    assert worse.said == "worse"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dataset": "stackedmnist5k-16"}, "another data set"),
        ({"training": {"run": "r", "recipe": {"total_kimg": 500.0, "batch": 512}}}, "500 of 250,000 kimg"),
        (
            {"metrics": {"fid": {"value": 2.0, "n_fake": 10_000, "protocol": "p"}}},
            "10,000 of 50,000 samples",
        ),
    ],
)
def test_other_conditions_are_not_comparable_and_the_reason_is_said(changed: dict[str, object], reason: str) -> None:
    cell = measured(CELL, "fid", [record(1.96, **changed)], AGAINST)
    assert (cell.verdict, cell.reason, cell.band) == ("not comparable", reason, None)


def test_nothing_measured_gets_no_verdict_that_sounds_like_it() -> None:
    assert measured(CELL, "fid", [], AGAINST).said == "not run"
    assert measured(CELL, "fid", [record(1.0, metrics={})], AGAINST).said == "not measured"


MEASURED = replace(
    CELL, quantity="modes", metric="modes", reproduced=600.0, n=1, outcome="trained", conditions="c", weights=("a",)
)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, WITHIN),
        ({"reproduced": 590.0}, REGRESSED),  # the same weights: what measures has changed
        ({"reproduced": 590.0, "weights": ("b",)}, WITHIN),
        ({"reproduced": 350.0, "weights": ("b",)}, REGRESSED),
        ({"reproduced": 950.0, "weights": ("b",)}, IMPROVED),
        ({"reproduced": 350.0, "conditions": "other"}, OTHERWISE),
        ({"reproduced": None, "outcome": "not run"}, GONE),
        ({"reproduced": None, "outcome": "Fail"}, REGRESSED),
    ],
)
def test_an_earlier_number_is_compared_only_where_it_was_measured_alike(changed: dict[str, object], word: str) -> None:
    assert change_of(MEASURED, replace(MEASURED, **changed)).word == word  # type: ignore[arg-type]
    assert change_of(MEASURED, None).word == GONE


def test_cells_survive_json(tmp_path: Path) -> None:
    full = measured(CELL, "fid", [record(v, s) for s, v in enumerate((1.95, 1.97))], AGAINST)
    write_cells(tmp_path, "table3", "T", [full, CELL])
    assert read_cells(tmp_path / "table3.json") == [full, CELL]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with this tree's tables, committed once."""
    (tmp_path / "results").mkdir()
    for name in tables_of_cells():
        shutil.copyfile(REPOSITORY / f"results/{name}.json", tmp_path / f"results/{name}.json")
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "tables"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def edit(tree: Path, table: str, quantity: str, **changed: object) -> float:
    """Change the first measured cell of a quantity; returns what its number was."""
    path = tree / f"results/{table}.json"
    content = json.loads(path.read_text())
    cell = next(cell for cell in content["cells"] if cell["quantity"] == quantity and "reproduced" in cell)
    before = float(cell["reproduced"])
    cell.update(changed)
    path.write_text(json.dumps(content))
    return before


def compare(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_in(tree, "r3gan", "compare", *arguments, code=REPOSITORY)


def test_the_committed_tables_are_within_their_bands_and_strictly_incomplete(tree: Path) -> None:
    done = compare(tree)
    assert done.returncode == 0, done.stderr
    assert "Status: nothing is outside its band (" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    strict = compare(tree, "--strict")
    assert strict.returncode == 3
    assert "--strict: not there: " in strict.stdout


def test_a_number_outside_its_band_is_named_and_ends_with_1(tree: Path) -> None:
    edit(tree, "table1", "g_params", verdict="differs", reproduced=1.0)
    done = compare(tree, "--strict")
    assert done.returncode == 1
    assert "Status: 1 outside their bands (" in done.stdout
    assert "A StyleGAN2" in done.stdout
    assert compare(tree, "--table", "table6").returncode == 0


def test_a_regression_against_a_revision_or_a_folder_ends_with_1(tree: Path, tmp_path: Path) -> None:
    assert compare(tree, "--baseline", "HEAD").returncode == 0
    shutil.copytree(tree / "results", tree / "earlier")
    before = edit(tree, "table1", "digit-frechet", reproduced=99.0, weights=["other"])
    edit(tree, "table7", "D step ms", reproduced=0.001)
    for baseline in ("HEAD", "earlier"):
        done = compare(tree, "--baseline", baseline)
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"Against {baseline}: 1 regressed, 1 improved, " in done.stdout
        assert f" {before:.4g} " in done.stdout
        assert " 99 " in done.stdout
    found = json.loads(compare(tree, "--baseline", "HEAD", "--table", "table1", "--json").stdout)
    assert (found["exit_code"], [c["change"] for c in found["changes"]].count("regressed")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--table", "tabel1"), "unknown --table 'tabel1' (did you mean table1?); allowed: table1, "),
        (("--table", "figure1"), "unknown --table 'figure1'; allowed: table1, "),
        (("--baseline", "nowhere"), "--baseline nowhere is neither a folder nor a revision of this repository"),
        (("--results", "nowhere"), "--results nowhere: none of these tables is there: table1"),
        (("--baseline", "work"), "--baseline work: none of these tables is there: table1"),
    ],
)
def test_a_mistake_is_one_sentence(tree: Path, arguments: tuple[str, ...], said: str) -> None:
    (tree / "work").mkdir()
    done = compare(tree, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_versions_table_is_refused(tree: Path, r3gan: Command) -> None:
    path = tree / "results/table1.json"
    path.write_text(json.dumps({"table": "table1", "cells": []}))
    done = compare(tree)
    assert done.returncode == 2
    assert "results/table1.json is a table of schema None, this version reads 1" in done.stderr


@pytest.mark.parametrize("cells", [[{"table": "table1", "row": "A", "quantity": "fid", "nonsense": 1}], [{}], [3], 3])
def test_a_damaged_table_is_refused(tmp_path: Path, cells: object) -> None:
    path = tmp_path / "table1.json"
    path.write_text(json.dumps({"schema": 1, "cells": cells}))
    with pytest.raises(UserError, match=r"table1.json does not hold a table's cells: run `r3gan table` again"):
        read_cells(path)


def test_every_verdict_is_explained() -> None:
    schema = json.loads((REPOSITORY / "r3gan/report/report.schema.json").read_text())
    assert schema["$defs"]["verdict"]["enum"] == list(VERDICTS)
