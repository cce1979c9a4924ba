"""Both engines for real, on a copy of the tree with a tiny study: same commands, nothing twice, only what changed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from r3gan.study import read_study
from r3gan.tables import TABLES
from tests.conftest import REPOSITORY, TINY_STUDY, copy_tree, run_in

SNAKEMAKE = ("snakemake", "--cores", "2", "results/table1.md")
DVC = ("dvc", "repro", "table@table1")
RULES = ("prepare", "fit", "train", "evaluate", "table")
# Records lie in one folder a scale, on which DVC's tables depend as a whole.
CONVERGING = ("train_converging", "converge")
STANDING = (
    "speed_table",
    "proposition_table",
    "preset_table",
    "comparison_table",
    "convergence_table",
    "figure",
    "report",
)


def jobs(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The rules of a (dry) run's jobs with their wildcards, sorted; fails if it failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, flags=re.M)
    names = []
    for rule, body in found:
        wildcards = re.search(r"wildcards: (.*)", body)
        config = re.search(r"config=([\w-]+)", wildcards[1]) if wildcards else None
        names.append(f"{rule} {config[1]}" if config else rule)
    return sorted(names)


def dvc_stages(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr))


def without_comments_changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n# a comment\n")


def code_changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def snakemake_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which Snakemake has written Table 1 once."""
    tree = copy_tree(tmp_path_factory.mktemp("snakemake"))
    done = run_in(tree, *SNAKEMAKE, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


@pytest.fixture(scope="module")
def dvc_tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A copy in which DVC has made Table 1 once, and what it printed."""
    tree = copy_tree(tmp_path_factory.mktemp("dvc"))
    done = run_in(tree, *DVC, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree, done


def test_a_fresh_copy_measures_everything_even_where_results_are_committed(snakemake_tree: Path) -> None:
    record = json.loads((snakemake_tree / "results/smoke/stackedmnist5k-16/A/seed0/metrics.json").read_text())
    assert record["training"]["images_seen"] == 128  # the tiny study's, not a committed record
    table = (snakemake_tree / "results/table1.md").read_text()
    assert "0.128 kimg at batch" in table
    assert table.count(" exact ") == 8
    for picture in ("table1-smoke-samples.png", "table1-smoke-curves.png"):
        assert (snakemake_tree / "results" / picture).stat().st_size > 10_000


def test_a_second_snakemake_does_nothing(snakemake_tree: Path) -> None:
    done = run_in(snakemake_tree, *SNAKEMAKE)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_snakemake_reruns_what_an_edit_can_change_and_nothing_else(snakemake_tree: Path) -> None:
    dry = (*SNAKEMAKE, "-n")
    without_comments_changed(snakemake_tree / "r3gan/losses.py")
    assert jobs(run_in(snakemake_tree, *dry)) == []

    loss = snakemake_tree / "r3gan/losses.py"
    code_changed(loss, "softplus(fake - real)", "softplus(fake - real + 0.0)")
    everything_trained = ["evaluate A", "evaluate E-inverted", "table", "train A", "train E-inverted"]
    assert jobs(run_in(snakemake_tree, *dry)) == everything_trained
    code_changed(loss, "softplus(fake - real + 0.0)", "softplus(fake - real)")

    study = snakemake_tree / "pipelines/study/smoke.yaml"
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
    assert [job for job in planned if job.startswith("train")] == [
        f"train {c}" for c in sorted(TABLES["table1"].configs)
    ]
    assert planned.count("prepare") == 1
    assert "fit" not in planned


def test_a_second_dvc_repro_does_nothing(dvc_tree: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tree, first = dvc_tree
    assert {name.split("@")[0] for name in dvc_stages(first)} == {"fingerprint", *RULES, *CONVERGING}
    whole = run_in(tree, "dvc", "repro")  # the tables that need no run are left to do
    assert {name.split("@")[0] for name in dvc_stages(whole)} == set(STANDING)
    again = run_in(tree, "dvc", "repro")
    assert dvc_stages(again) == set()
    assert "up to date" in again.stdout + again.stderr


def test_dvc_reruns_what_an_edit_can_change_and_nothing_else(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, _ = dvc_tree
    without_comments_changed(tree / "r3gan/losses.py")
    assert dvc_stages(run_in(tree, *DVC)) <= {"fingerprint"}

    # Code that all evaluation imports: training stays.
    code_changed(tree / "r3gan/metrics/modes.py", "MODES = 1000", "MODES = 10 * 100")
    ran = dvc_stages(run_in(tree, *DVC))
    measured = {"evaluate@A", "evaluate@E-inverted", "converge@E-converging"}
    assert ran == {"fingerprint", *measured, "table@table1"}

    code_changed(
        tree / "pipelines/study/smoke.yaml",
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 0",
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 1",
    )
    assert dvc_stages(run_in(tree, *DVC)) == {"fingerprint", "train@A", "evaluate@A", "table@table1"}


def test_both_engines_run_the_same_commands(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    shutil.copyfile(REPOSITORY / "pipelines/study/smoke.yaml", tree / "pipelines/study/smoke.yaml")
    done = run_in(tree, "snakemake", "--cores", "2", "-n", "-p", "-F")
    assert done.returncode == 0, done.stderr
    shell = re.findall(r"^(?:Shell command: |\s*)(r3gan .*?) 2>&1 \| tee ", done.stdout + done.stderr, flags=re.M)
    code = (
        "import json; from dvc.repo import Repo; "
        "print(json.dumps([s.cmd for s in Repo('.').index.stages if s.name != 'fingerprint']))"
    )
    listed = run_in(tree, "python", "-c", code)
    assert listed.returncode == 0, listed.stderr
    assert sorted(json.loads(listed.stdout)) == sorted(shell)
    study = read_study(REPOSITORY / "pipelines/study/smoke.yaml", REPOSITORY / "pipelines/study.schema.yaml")
    assert len(shell) == len(set(shell)) == 2 + 1 + 2 * len(study.all_runs) + len(TABLES) + 1


def test_the_report_depends_on_every_table() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    needed = {Path(path).stem for path in stages["report"]["deps"]}
    assert needed == set(TABLES)


def test_both_engines_train_the_same_weights(
    snakemake_tree: Path, dvc_tree: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    run = "runs/smoke/stackedmnist5k-16/E-inverted/seed0/generator.safetensors"
    assert (snakemake_tree / run).read_bytes() == (dvc_tree[0] / run).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--config", "scale=nano"), "nano.yaml does not exist; there are: "), ((), "unknown configuration 'Q'")],
)
def test_snakemake_refuses_a_wrong_study_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    tree = copy_tree(tmp_path)
    (tree / "pipelines/study/smoke.yaml").write_text(TINY_STUDY.replace("config: A,", "config: Q,"))
    done = run_in(tree, *SNAKEMAKE, "-n", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
