"""Verdicts, bands, and what `r3gan compare` says of two trees, as a real command with its exit codes."""

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from r3gan.cli import main
from r3gan.compare import ELSEWHERE, GONE, IMPROVED, OTHERWISE, REGRESSED, WITHIN, change_of, scatter_of_seeds
from r3gan.compare import compare as compare_trees
from r3gan.configs import CONFIGS
from r3gan.errors import UserError
from r3gan.losses import OBJECTIVES
from r3gan.metrics import METRICS
from r3gan.records.schema import Evaluation
from r3gan.study import read_study
from r3gan.tables.bands import BANDS, DRIFT, PUBLISHED_SAMPLES, Band, find_band, find_drift
from r3gan.tables.cell import Cell, read_table_file, write_table_file
from r3gan.tables.intervals import interval_of
from r3gan.tables.kinds.comparison import ComparisonTable
from r3gan.tables.kinds.variants import VariantTable
from r3gan.tables.measure import Against, evaluated, measured
from r3gan.tables.published import read_published
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import VERDICTS, judge_count, judge_failure, judge_value
from tests.conftest import REPOSITORY, run_in
from tests.helpers import SMOKE, evaluation_of, json_file, study_of, write_files


@pytest.mark.parametrize(
    ("value", "interval", "better", "said"),
    [
        (2.0, None, "lower", "consistent (n = 1)"),
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
    verdict = judge_value(value, interval, (1.9, 2.1), better, 1 if interval is None else 3)  # type: ignore[arg-type]
    assert verdict.word == said
    assert (verdict.reason == "single run") == (interval is None and said in ("better", "worse"))


def test_fewer_than_three_seeds_reproduce_nothing() -> None:
    said = {n: judge_value(2.0, (1.95, 2.05) if n > 1 else None, (1.9, 2.1), "lower", n) for n in (1, 2, 3)}
    assert [said[n].word for n in (1, 2, 3)] == ["consistent (n = 1)", "inconclusive", "reproduced"]
    assert said[2].reason == "2 seeds, 3 are needed"
    assert judge_failure(True, 1, 1).word == "consistent (n = 1)"


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
    tables = [table for table in TABLES.values() if isinstance(table, ComparisonTable)]
    sections = [section for table in tables for section in table.sections]
    assert len(sections) == 7
    for section in sections:
        for quantity in section.metrics:
            assert find_band(quantity, section.published).reason, section.title
            assert PUBLISHED_SAMPLES[quantity] >= 26_000
    assert set(DRIFT) <= {*METRICS, "ms"}
    assert BANDS["recall"].around(0.5) == pytest.approx((0.48, 0.52))


def test_a_smoke_metric_may_drift_further_than_rounding_alone_has_moved_it() -> None:
    seen = {name: re.search(r"up to x ([\d.]+) apart", band.reason) for name, band in DRIFT.items()}
    widths = {name: float(width[1]) for name, width in seen.items() if width}
    assert widths.keys() == {"digit-frechet", "lite1-frechet-64px", "modes", "kl"}
    for name, width in widths.items():
        assert 1 < width < DRIFT[name].factor < 1.25 * width


def test_the_bands_reasons_are_facts() -> None:
    """The widths quoted in the reasons are those of published.csv and of the committed tables' history."""
    reruns = read_published("table4-reruns")
    checkpoint = float(reruns["FFHQ public checkpoint", "fid"].text)
    published = float(read_published("table4")["Projected GAN* / FFHQ", "fid"].text)
    assert 1.25 < checkpoint / published < BANDS["fid", "table4"].factor
    assert find_band("fid", "table3").around(1.97)[1] >= 2.07  # EDM, as others measured it


def test_the_papers_scale_is_measured_under_the_published_conditions() -> None:
    study = read_study(REPOSITORY / "pipelines/study/paper.yaml")
    for run in study.runs:
        assert run.total_kimg >= CONFIGS[run.config].recipe(run.dataset).total_kimg, run.key
        for metric in run.metrics:
            assert run.evaluation["samples"] >= PUBLISHED_SAMPLES[metric], run.key


def record(
    value: float | None = None,
    *,
    seed: int = 0,
    dataset: str = "cifar10",
    kimg: float = 250_000.0,
    samples: int = 50_000,
) -> Evaluation:
    """Of Config E on CIFAR-10, under the published conditions; without a value the FID was not measured."""
    run = f"paper/{dataset}/E/seed{seed}"
    return evaluation_of(run, {} if value is None else {"fid": value}, kimg=kimg, samples=samples)


CELL = Cell(table="table3", row="R3GAN Config E", config="E", quantity="fid", published="1.96", scale="paper")
AGAINST = Against(table="table3", metric="fid", dataset="cifar10")


def judged(*records: Evaluation) -> Cell:
    return measured(CELL, "fid", [evaluated(each, "fid") for each in records], AGAINST)


def of_seeds(*values: float) -> Cell:
    """The cell of as many seeds as values."""
    return judged(*(record(value, seed=seed) for seed, value in enumerate(values)))


def test_seeds_give_an_interval_and_the_interval_decides() -> None:
    near = of_seeds(1.95, 1.97, 1.96)
    assert (near.said, near.n, near.seeds) == ("reproduced", 3, (0, 1, 2))
    assert near.interval == pytest.approx(interval_of("fid", [1.95, 1.97, 1.96]))
    assert of_seeds(1.8, 1.96, 2.2).verdict == "inconclusive"
    assert of_seeds(2.5, 2.52, 2.51).said == "worse"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (record(1.96, dataset="stackedmnist5k-16"), "another data set"),
        (record(1.96, kimg=500), "500 of 250,000 kimg"),
        (record(2.0, samples=10_000), "10,000 of 50,000 samples"),
    ],
    ids=["data set", "length", "samples"],
)
def test_other_conditions_are_not_comparable_and_the_reason_is_said(found: Evaluation, reason: str) -> None:
    cell = judged(found)
    assert (cell.verdict, cell.reason, cell.band) == ("not comparable", reason, None)


def test_nothing_measured_gets_no_verdict_that_sounds_like_it() -> None:
    assert judged().said == "not run"
    assert judged(record()).said == "not measured"


MEASURED = replace(
    CELL, quantity="modes", metric="modes", reproduced=600.0, n=1, outcome="trained", conditions="c", weights=("a",),
    devices=("one",),
)  # fmt: skip


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


DISTANCE = replace(MEASURED, quantity="digit-frechet", metric="digit-frechet", reproduced=4.0, untrained=50.0)


@pytest.mark.parametrize(
    ("earlier", "now", "word"),
    [
        (DISTANCE, {"reproduced": 13.0}, ELSEWHERE),  # a single run elsewhere is never a regression
        (replace(DISTANCE, reproduced=24.0, untrained=35.0), {"reproduced": 36.0}, ELSEWHERE),  # it never learned much
        (MEASURED, {"reproduced": 10.0}, ELSEWHERE),
        (DISTANCE, {"reproduced": 16.0}, REGRESSED),  # unless most of what was learned is lost
        (DISTANCE, {"reproduced": None, "outcome": "Fail"}, REGRESSED),
        (replace(DISTANCE, published="Fail"), {"reproduced": None, "outcome": "Fail"}, ELSEWHERE),
        (DISTANCE, {"reproduced": 30.0, "n": 3, "devices": ("one",)}, REGRESSED),
    ],
)
def test_a_single_run_of_another_processor_is_judged_by_whether_it_learned(
    earlier: Cell, now: dict[str, object], word: str
) -> None:
    changed = {"weights": ("b",), "devices": ("another",), **now}
    assert change_of(earlier, replace(earlier, **changed)).word == word  # type: ignore[arg-type]


def test_with_seeds_the_band_of_a_drift_comes_from_their_scatter() -> None:
    rows = [replace(DISTANCE, row=str(i), n=5, spread=0.4, weights=(str(i),)) for i in range(4)]
    scatter = scatter_of_seeds({"table1": [*rows, replace(DISTANCE, spread=3.0, n=2)]})
    assert scatter == {"digit-frechet": (pytest.approx(0.1), 16)}
    moved = [change_of(rows[0], replace(rows[0], reproduced=v, weights=("b",)), scatter) for v in (5.0, 5.5, 2.0)]
    assert [change.word for change in moved] == [WITHIN, REGRESSED, IMPROVED]
    assert moved[0].band is not None and "16 degrees of freedom" in moved[0].band.reason
    assert find_drift("digit-frechet", {"digit-frechet": (0.1, 7)}) == DRIFT["digit-frechet"]


def test_a_broken_objective_is_found_on_any_processor(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real runs: as it is, and with G's objective upside down, each set against the former from another processor."""
    config = "dcgan.base"  # it has learned something after a few seconds
    study = study_of("smoke", f"{SMOKE}/{config}/seed0", metrics=("digit-frechet",))
    table = VariantTable(title="T", scale="smoke", variants="", families=(("dcgan",),), metrics=("digit-frechet",))
    whole = OBJECTIVES["classic"]
    upside_down = dataclasses.replace(whole, generator=lambda real, fake: -whole.generator(real, fake))
    for name, objective in {"sound": whole, "broken": upside_down}.items():
        monkeypatch.setitem(OBJECTIVES, "classic", objective)  # type: ignore[arg-type]
        (tmp_path / name / "runs").mkdir(parents=True)
        (tmp_path / name / "data").symlink_to(fitted / "data")
        (tmp_path / name / "runs/classifier").symlink_to(fitted / "runs/classifier")
        monkeypatch.chdir(tmp_path / name)
        run = f"--config {config} --dataset {SMOKE} --total-kimg 15 --threads 1"
        assert main(f"train --scale smoke {run}".split()) == 0
        measure = f"evaluate smoke/{SMOKE}/{config}/seed0 --classifier mnist5k-16 --metrics digit-frechet"
        assert main(f"{measure} --samples 1000 --threads 1".split()) == 0
        content = write_files(table, "recipes", Path("results"), [study])
        if name == "sound":
            cells = [replace(cell, devices=("another",)) for cell in content.cells]
            write_table_file(tmp_path / "elsewhere/recipes.json", "recipes", "T", cells, [])
    for name, code in (("sound", 0), ("broken", 1)):
        compared = compare_trees(tmp_path / name / "results", ["recipes"], str(tmp_path / "elsewhere"))
        assert compared.exit_code(strict=False) == code, [change.as_json() for change in compared.changes]


def test_cells_survive_json(tmp_path: Path) -> None:
    full = of_seeds(1.95, 1.97)
    assert full.band == pytest.approx((1.86, 2.06))
    path = tmp_path / "table3.json"
    write_table_file(path, "table3", "T", [full, CELL], remarks=["r"])
    found = read_table_file(path)
    assert found.cells == (full, CELL)
    assert (found.schema, found.table, found.title, found.remarks) == (2, "table3", "T", ("r",))
    assert found.values == {"paper": {"R3GAN Config E": {"fid": pytest.approx(1.96)}}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with this tree's tables, committed once."""
    (tmp_path / "results").mkdir()
    for path in (path for name in TABLES if (path := REPOSITORY / f"results/{name}.json").exists()):
        shutil.copyfile(path, tmp_path / "results" / path.name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "tables"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def edit(tree: Path, table: str, quantity: str, **changed: object) -> float:
    """Change the first measured cell of a quantity; returns what its number was."""
    path = tree / f"results/{table}.json"
    content = json.loads(path.read_text())
    cell = next(cell for cell in content["cells"] if quantity in cell["quantity"].split() and "reproduced" in cell)
    before = float(cell["reproduced"])
    cell.update(changed)
    path.write_text(json.dumps(content))
    return before


def compare(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_in(tree, "r3gan", "compare", *arguments, code=REPOSITORY)


def test_the_committed_tables_are_within_their_bands_and_strictly_incomplete(tree: Path) -> None:
    done = compare(tree)
    assert done.returncode == 0, done.stderr
    assert "Status: " in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    strict = compare(tree, "--strict")
    assert strict.returncode == 3
    assert "--strict: not there: " in strict.stdout


def test_a_number_measured_under_other_conditions_does_not_stand_for_the_published_one(tree: Path) -> None:
    """Unless that has been measured too."""
    said = "table2: GAN+R1+R2, 693 as published (another data set)"
    assert said in json.loads(compare(tree, "--json").stdout)["incomplete"]
    content = json.loads((tree / "results/table2.json").read_text())
    cell = next(c for c in content["cells"] if c["row"] == "GAN+R1+R2" and c["quantity"] == "modes")
    content["cells"].append(cell | {"scale": "paper", "verdict": "consistent (n = 1)", "reason": ""})
    (tree / "results/table2.json").write_text(json.dumps(content))
    incomplete = json.loads(compare(tree, "--json").stdout)["incomplete"]
    assert said not in incomplete
    assert "table2: GAN+R1+R2, 0.9270 as published (another data set)" in incomplete


def test_a_number_outside_its_band_is_named_and_ends_with_1(tree: Path) -> None:
    edit(tree, "table1", "g_params", verdict="differs", reproduced=1.0)
    done = compare(tree, "--strict")
    assert done.returncode == 1
    assert "Status: 1 number lies outside the band (" in done.stdout
    assert "A StyleGAN2" in done.stdout
    assert compare(tree, "--table", "table6").returncode == 0


def test_a_regression_against_a_revision_or_a_folder_ends_with_1(tree: Path, tmp_path: Path) -> None:
    assert compare(tree, "--baseline", "HEAD").returncode == 0
    shutil.copytree(tree / "results", tree / "earlier")
    before = edit(tree, "table1", "digit-frechet", reproduced=99.0, weights=["other"])
    edit(tree, "table7", "ms", reproduced=0.001)
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
        (("--table", "tabel1"), "unknown --table 'tabel1' (did you mean table1?); allowed: claims, "),
        (("--table", "smoke"), "unknown --table 'smoke'; allowed: claims, "),
        (("--baseline", "nowhere"), "--baseline nowhere is neither a folder nor a revision of this repository"),
        (("--results", "nowhere"), "--results nowhere: none of these tables is there: claims"),
        (("--baseline", "work"), "--baseline work: none of these tables is there: claims"),
    ],
)
def test_a_mistake_is_one_sentence(tree: Path, arguments: tuple[str, ...], said: str) -> None:
    (tree / "work").mkdir()
    done = compare(tree, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_versions_table_is_refused(tree: Path) -> None:
    json_file(tree / "results/table1.json", {"table": "table1", "cells": []})
    done = compare(tree)
    assert done.returncode == 2
    assert "results/table1.json is a table of schema None, this version reads 2" in done.stderr


@pytest.mark.parametrize("cells", [[{"table": "table1", "row": "A", "quantity": "fid", "nonsense": 1}], [{}], [3], 3])
def test_a_damaged_table_is_refused(tmp_path: Path, cells: object) -> None:
    content = {"schema": 1, "table": "table1", "title": "T", "values": {}, "cells": cells}
    path = json_file(tmp_path / "table1.json", content)
    with pytest.raises(UserError, match=r"table1.json does not hold a table's cells \(.+\$.cells.*\): run "):
        read_table_file(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "does not hold a JSON object"),
        ("", "cannot be read as JSON"),
        (
            '{"schema": 2, "table": "t", "title": "T", "values": {}, "cells": [{"a": NaN}]}',
            "not finite at $.cells.0.a",
        ),
        ('{"schema": 3}', "is a table of schema 3, this version reads 2"),
        ('{"schema": ' + 100_000 * "[", "cannot be read as JSON"),
    ],
    ids=["list", "empty", "NaN", "schema", "deep"],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table1.json"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        read_table_file(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)
    assert str(refused.value).endswith(": run `r3gan table` again")


# As commit 88272d0 wrote it into results/table4.json, with a cell of table7.json; what followed is cut.
OF_SCHEMA_1 = """
{"schema": 1, "table": "table4", "title": "Table 4: convergence speed of Projected GAN",
 "values": {"smoke": {"Ours: A StyleGAN2": {"best digit-frechet": 16.380959591443297}}},
 "cells": [{"table": "table4", "section": "Ours", "row": "A StyleGAN2", "config": "A", "quantity": "best digit-frechet",
  "scale": "smoke", "reproduced": 16.380959591443297, "n": 1, "seeds": [1], "outcome": "trained",
  "metric": "digit-frechet", "conditions": "stackedmnist5k-16 5ac5b6be60a1, 10 kimg at batch 8, 5,000 samples",
  "records": ["smoke/stackedmnist5k-16/A/seed1/convergence.json"]},
  {"table": "table7", "section": "amd-epyc-2-cores", "row": "A, stackedmnist5k-16, batch 8", "quantity": "D step ms",
  "reproduced": 27.303, "n": 7, "outcome": "measured", "metric": "ms", "conditions": "amd-epyc-2-cores"}],
 "rows": [{"scale": "smoke", "row": "Projected GAN*", "best": 13.495813692461283, "reached": true}]}
"""


def test_tables_of_schema_1_hold_the_same_cells(tmp_path: Path) -> None:
    """What was called Ours is called Reproduced, a timed step is part of its row; all else is as it was written."""
    (tmp_path / "table4.json").write_text(OF_SCHEMA_1)
    found = read_table_file(tmp_path / "table4.json")
    assert found.cells == (
        Cell(
            table="table4", section="Reproduced", row="A StyleGAN2", config="A", quantity="best digit-frechet",
            scale="smoke", reproduced=16.380959591443297, n=1, seeds=(1,), outcome="trained", metric="digit-frechet",
            conditions="stackedmnist5k-16 5ac5b6be60a1, 10 kimg at batch 8, 5,000 samples",
            records=("smoke/stackedmnist5k-16/A/seed1/convergence.json",),
        ),
        Cell(
            table="table7", section="amd-epyc-2-cores", row="A, stackedmnist5k-16, batch 8, D step", quantity="ms",
            reproduced=27.303, n=7, outcome="measured", metric="ms", conditions="amd-epyc-2-cores",
        ),
    )  # fmt: skip


def test_every_verdict_is_explained() -> None:
    schema = json.loads((REPOSITORY / "r3gan/report/report.schema.json").read_text())
    assert schema["$defs"]["verdict"]["enum"] == list(VERDICTS)
