"""Snakemake for real, on a copy of the tree with a tiny study: nothing twice, only what changed, taken over by DVC."""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.registry import TABLES
from tests.conftest import TINY_STUDY, copy_tree, run_in
from tests.helpers import folder_of, jobs, picture
from tests.pipeline.engines import (
    DVC,
    HANDED_OVER,
    SNAKEMAKE,
    STUDY,
    at_work,
    code_changed,
    dvc_stages,
    stages_said,
    succeed,
    without_comments_changed,
)

TABLE1 = TABLES["table1"]
assert isinstance(TABLE1, QualityTable)


@pytest.fixture(scope="module")
def snakemake_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which Snakemake has written Table 1 once."""
    tree = copy_tree(tmp_path_factory.mktemp("snakemake"))
    done = run_in(tree, *SNAKEMAKE, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


def test_a_fresh_copy_measures_everything_even_where_results_are_committed(snakemake_tree: Path) -> None:
    record = json.loads((snakemake_tree / "results/smoke/stackedmnist5k-16/A/seed0/metrics.json").read_text())
    assert record["training"]["images_seen"] == 128  # the tiny study's, not a committed record
    table = (snakemake_tree / "results/table1.md").read_text()
    assert "0.128 kimg at batch" in table
    assert table.count(" exact ") == 8
    for name in ("smoke-samples.png", "smoke-curves.png", "smoke-curves.svg"):
        assert (snakemake_tree / "results/table1" / name).stat().st_size > 10_000


def test_a_second_snakemake_does_nothing(snakemake_tree: Path) -> None:
    done = run_in(snakemake_tree, *SNAKEMAKE)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_snakemake_s_own_report_holds_tables_and_pictures_and_its_dag_can_be_drawn(snakemake_tree: Path) -> None:
    succeed(snakemake_tree, "snakemake", "--report", "work/snakemake.zip", "results/table1.md")
    with zipfile.ZipFile(snakemake_tree / "work/snakemake.zip") as report:
        held = {Path(name).name for name in report.namelist()}
    pictures = {path.name for path in (snakemake_tree / "results/table1").glob("*.png")}
    assert held == {"report.html", "table1.md", *pictures}
    assert pictures >= {"smoke-samples.png", "smoke-curves.png"}
    dag = succeed(snakemake_tree, "snakemake", "--dag", "dot", "results/table1.md").stdout
    assert dag.startswith("digraph") and "config: E-inverted" in dag


def test_the_tour_goes_as_written(snakemake_tree: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(snakemake_tree, tmp_path / "tree", symlinks=True)
    for setting in ("user.name", "user.email"):
        succeed(tree, "git", "config", setting, "test@localhost")
    blocks = re.findall(r"^```\n(.*?)^```", (tree / "docs/tour.md").read_text(), flags=re.M | re.S)
    said = {line: run_in(tree, "bash", "-c", line) for block in blocks for line in block.splitlines()}
    assert [line for line, done in said.items() if done.returncode] == []
    assert jobs(next(done for line, done in said.items() if " -n " in line)) == [
        "evaluate E-inverted",
        "table",
        "train E-inverted",
    ]
    moved = next(done.stdout for line, done in said.items() if "--baseline" in line)
    assert "E + Inverted bottleneck" in moved
    changed = re.findall(
        r"smoke\.(\S.*?)\.digit-frechet", next(d.stdout for c, d in said.items() if "dvc metrics" in c)
    )
    assert changed == ["E + Inverted bottleneck"]
    assert succeed(tree, "git", "status", "--porcelain", "--untracked-files=no").stdout == ""


def test_snakemake_reruns_what_an_edit_can_change_and_nothing_else(snakemake_tree: Path) -> None:
    dry = (*SNAKEMAKE, "-n")
    without_comments_changed(snakemake_tree / "r3gan/losses.py")
    assert jobs(run_in(snakemake_tree, *dry)) == []

    loss = snakemake_tree / "r3gan/losses.py"
    code_changed(loss, "softplus(fake - real)", "softplus(fake - real + 0.0)")
    everything_trained = ["evaluate A", "evaluate E-inverted", "table", "train A", "train E-inverted"]
    assert jobs(run_in(snakemake_tree, *dry)) == everything_trained
    code_changed(loss, "softplus(fake - real + 0.0)", "softplus(fake - real)")

    study = snakemake_tree / STUDY
    code_changed(
        study,
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 0",
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 1",
    )
    assert jobs(run_in(snakemake_tree, *dry)) == ["evaluate A", "table", "train A"]
    study.write_text(TINY_STUDY)
    assert jobs(run_in(snakemake_tree, *dry)) == []


def test_another_scale_asks_for_its_own_runs(snakemake_tree: Path) -> None:
    planned = jobs(run_in(snakemake_tree, *SNAKEMAKE, "-n", "--config", "scale=paper"))
    os.utime(snakemake_tree / "work/first-use-paper", (0, 0))  # as if it had been planned before the table was there
    assert jobs(run_in(snakemake_tree, *SNAKEMAKE, "-n")) == []  # the scale of before is still measured
    assert jobs(run_in(snakemake_tree, *SNAKEMAKE, "-n", "--config", "scale=paper")) == planned
    assert [job for job in planned if job.startswith("train")] == [f"train {c}" for c in sorted(TABLE1.rows)]
    assert planned.count("prepare") == 1
    assert "fit" not in planned


def test_dvc_takes_over_the_part_that_snakemake_made(snakemake_tree: Path) -> None:
    done = succeed(snakemake_tree, "r3gan", "hand-over", "dvc")
    taken, left = map(stages_said, done.stdout.splitlines())
    assert taken == HANDED_OVER
    # Git brought these two, and Snakemake would leave them as they are; it did not make them.
    assert {"table@table6", "table@propositions", "train_converging@E-converging"} <= left
    assert jobs(run_in(snakemake_tree, *SNAKEMAKE, "-n")) == []
    assert dvc_stages(run_in(snakemake_tree, *DVC)) == set()
    status = succeed(snakemake_tree, "dvc", "status", "--json", "--with-deps", DVC[-1])
    assert json.loads(status.stdout) == {}
    # Both engines train the same weights.
    weights = snakemake_tree / "runs/smoke/stackedmnist5k-16/E-inverted/seed0/generator.safetensors"
    trained = weights.read_bytes()
    weights.unlink()
    assert dvc_stages(run_in(snakemake_tree, "dvc", "repro", "--single-item", "--force", "train@E-inverted"))
    assert weights.read_bytes() == trained


def test_dvc_refuses_while_snakemake_works_and_not_after_it_was_killed(snakemake_tree: Path) -> None:
    tree = snakemake_tree
    fit = ("snakemake", "--cores", "1", "--forcerun", "fit", "--", "runs/classifier/mnist5k-16/classifier.safetensors")
    lock, table = (tree / "dvc.lock").read_bytes(), (tree / "results/table1.md").read_bytes()
    with at_work(tree, *fit, sign="rule fit:") as engine:
        refused = run_in(tree, "dvc", "repro", "--force", DVC[-1])
        assert refused.returncode != 0
        assert f"(PID {engine.pid}): " in refused.stderr and "snakemake --cores 1 --forcerun fit" in refused.stderr
        assert "Traceback" not in refused.stderr and "Running stage" not in refused.stdout
        refused = run_in(tree, "r3gan", "hand-over", "snakemake")
        assert refused.returncode == 2
        said = f"`{' '.join(fit)}` (process {engine.pid}) is at work on this tree; wait until it has ended"
        assert refused.stderr == f"r3gan hand-over: {said}\n"
        assert run_in(tree, "dvc", "status", DVC[-1]).returncode == 0
        assert ((tree / "dvc.lock").read_bytes(), (tree / "results/table1.md").read_bytes()) == (lock, table)
        engine.kill()
        engine.wait()
        forced = dvc_stages(run_in(tree, "dvc", "repro", "--force", "table@table6"))
        assert forced == {"fingerprint", "inputs_table6", "table@table6"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--config", "scale=nano"), "nano.yaml does not exist; there are: "), ((), "unknown configuration 'Q'")],
)
def test_snakemake_refuses_a_wrong_study_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    tree = copy_tree(tmp_path)
    (tree / STUDY).write_text(TINY_STUDY.replace("config: A,", "config: Q,"))
    done = run_in(tree, *SNAKEMAKE, "-n", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


OWN_STUDY = """\
scale: mine
datasets: []
sources:
  shapes: {kind: pictures, path: my shapes, resolution: 8}
classifiers: []
launch: {launcher: local, ranks: 1}
evaluations: {lite: &lite {metrics: [lite1-frechet-64px], samples: 16}}
runs:
  E: {config: E, dataset: shapes, seed: 0, total_kimg: 0.016, width: 0.0625, threads: 1, evaluation: *lite}
"""
OWN_TABLE = ("snakemake", "--cores", "1", "results/mine/own-pictures.md")


def test_own_pictures_are_prepared_trained_and_shown_and_a_new_one_reruns_it(snakemake_tree: Path) -> None:
    generator = np.random.default_rng(0)
    colours = [tuple(map(int, generator.integers(256, size=3))) for _ in range(9)]
    files = {f"{i}.png": picture(colour, (9, 8)) for i, colour in enumerate(colours)}
    folder_of(snakemake_tree / "my shapes", files)
    (snakemake_tree / "pipelines/study/mine.yaml").write_text(OWN_STUDY)
    try:
        succeed(snakemake_tree, *OWN_TABLE)
        text = (snakemake_tree / "results/mine/own-pictures.md").read_text()
        assert "## shapes, mine scale" in text and "9 images" in text
        assert (snakemake_tree / "results/mine/own-pictures/mine-shapes-samples.png").exists()
        assert jobs(run_in(snakemake_tree, *OWN_TABLE, "-n")) == []
        folder_of(snakemake_tree / "my shapes", {"new.png": picture("red", (8, 8))})
        again = jobs(run_in(snakemake_tree, *OWN_TABLE, "-n"))
        assert [job.split()[0] for job in again] == ["evaluate", "prepare", "table_of_scale", "train"]
    finally:
        (snakemake_tree / "pipelines/study/mine.yaml").unlink()
