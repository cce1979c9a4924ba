"""DVC for real, on a copy of the tree with a tiny study: nothing twice, only what changed, taken over by Snakemake."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import copy_tree, run_in
from tests.helpers import jobs
from tests.pipeline.engines import (
    DVC,
    HANDED_OVER,
    RULES,
    SNAKEMAKE,
    STUDY,
    at_work,
    code_changed,
    dvc_stages,
    seeds_moved,
    stages_said,
    succeed,
    without_comments_changed,
)

DVCS_OWN = ("fingerprint", "inputs_table1")


def committed(tree: Path) -> None:
    succeed(tree, "git", "add", "-A")
    succeed(tree, "git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "results")


@pytest.fixture(scope="module")
def dvc_tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A copy in which DVC has made Table 1 once, and what it printed; other studies would only take time."""
    tree = copy_tree(tmp_path_factory.mktemp("dvc"))
    for study in (tree / "pipelines/study").glob("*.yaml"):
        if study.name != "smoke.yaml":
            study.unlink()
    done = run_in(tree, *DVC, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree, done


def test_dvc_makes_of_a_table_what_the_table_shows_and_nothing_twice(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, first = dvc_tree
    assert {name.split("@")[0] for name in dvc_stages(first)} == {*DVCS_OWN, *RULES}
    trained = {name for name in dvc_stages(first) if name.startswith(("train", "evaluate"))}
    assert trained == {"train@A", "train@E-inverted", "evaluate@A", "evaluate@E-inverted"}
    again = run_in(tree, *DVC)
    assert dvc_stages(again) == set()
    assert "up to date" in again.stdout + again.stderr


def test_snakemake_takes_over_the_one_table_that_dvc_made(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    tree = shutil.copytree(dvc_tree[0], tmp_path / "tree", symlinks=True)
    taken, left = map(stages_said, succeed(tree, "r3gan", "hand-over", "snakemake").stdout.splitlines())
    assert taken == HANDED_OVER
    assert {"table@table4", "train_converging@E-converging", "report"} <= left
    assert jobs(run_in(tree, *SNAKEMAKE, "-n")) == []


def test_dvc_makes_the_rest_and_nothing_twice(dvc_tree: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tree, _ = dvc_tree
    whole = dvc_stages(run_in(tree, "dvc", "repro"))
    made = {"train_converging", "evaluate_snapshots", "evaluate_at_end", "table", "costs", "report"}
    assert {name.split("@")[0] for name in whole if not name.startswith("inputs_")} == made
    assert not {"train@A", "evaluate@A", "table@table1"} & whole
    again = run_in(tree, "dvc", "repro")
    assert dvc_stages(again) == set()
    assert "up to date" in again.stdout + again.stderr


def test_snakemake_takes_over_what_dvc_made(dvc_tree: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tree, _ = dvc_tree
    done = succeed(tree, "r3gan", "hand-over", "snakemake").stdout.splitlines()
    taken = stages_said(done[0])
    assert len(done) == 1
    assert taken >= HANDED_OVER | {"evaluate_snapshots@E-converging", "table@table4", "costs", "report"}
    assert jobs(run_in(tree, "snakemake", "-n", "--cores", "2")) == []
    # What was handed over has code and parameters to compare with.
    code_changed(tree / "r3gan/losses.py", "softplus(fake - real)", "softplus(fake - real + 0.0)")
    trained = ["evaluate A", "evaluate E-inverted", "table", "train A", "train E-inverted"]
    assert jobs(run_in(tree, *SNAKEMAKE, "-n")) == trained
    code_changed(tree / "r3gan/losses.py", "softplus(fake - real + 0.0)", "softplus(fake - real)")

    # And back, with nothing left of what DVC knew.
    (tree / "dvc.lock").unlink()
    assert stages_said(succeed(tree, "r3gan", "hand-over", "dvc").stdout.splitlines()[0]) == taken
    assert json.loads(succeed(tree, "dvc", "status", "--json").stdout) == {}
    assert dvc_stages(run_in(tree, "dvc", "repro")) == set()


def test_dvc_reruns_what_an_edit_can_change_and_nothing_else(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, _ = dvc_tree
    without_comments_changed(tree / "r3gan/losses.py")
    assert dvc_stages(run_in(tree, *DVC)) <= {"fingerprint"}

    # Code that all evaluation imports: training stays.
    code_changed(tree / "r3gan/metrics/modes.py", "MODES = 1000", "MODES = 10 * 100")
    ran = dvc_stages(run_in(tree, *DVC))
    # Tables name their metrics, and so import the code of modes.
    assert ran == {*DVCS_OWN, "evaluate@A", "evaluate@E-inverted", "table@table1"}


def test_dvc_diffs_name_what_a_changed_seed_changed(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, _ = dvc_tree
    committed(tree)
    code_changed(
        tree / STUDY,
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 0",
        "A: &run {config: A, dataset: stackedmnist5k-16, seed: 1",
    )
    assert dvc_stages(run_in(tree, *DVC)) == {*DVCS_OWN, "train@A", "evaluate@A", "table@table1"}
    # DVC keeps what the run with the other seed made: it is not trained a second time.
    for old, new in ((1, 0), (0, 1)):
        code_changed(tree / STUDY, f"stackedmnist5k-16, seed: {old}", f"stackedmnist5k-16, seed: {new}")
        ran = run_in(tree, "dvc", "repro", "train@A")
        assert dvc_stages(ran) <= {"fingerprint"}
        assert "'train@A' is cached - skipping run" in ran.stdout
    succeed(tree, *DVC)

    brief = json.loads(succeed(tree, "dvc", "metrics", "show", "--json").stdout)[""]["data"]
    values = brief["results/metrics/table1.json"]["data"]
    assert set(values["best"]["smoke"]) == {"digit-frechet", "kl", "modes"}
    assert values["verdicts"]["exact"] >= 16
    diff = run_in(tree, "dvc", "metrics", "diff", "--md", "--targets", "results/table1.json")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in diff.stdout.strip().splitlines()[2:]]
    prefix = "values.smoke.A StyleGAN2."
    assert [line[:2] for line in lines] == [
        ["results/table1.json", prefix + metric] for metric in ("digit-frechet", "kl", "modes")
    ]
    new = json.loads((tree / "results/smoke/stackedmnist5k-16/A/seed1/metrics.json").read_text())["metrics"]
    old = json.loads((tree / "results/smoke/stackedmnist5k-16/A/seed0/metrics.json").read_text())["metrics"]
    for _, name, before, after, change in lines:
        metric = name.removeprefix(prefix)
        assert float(before) == pytest.approx(old[metric]["value"], abs=1e-4)
        assert float(after) == pytest.approx(new[metric]["value"], abs=1e-4)
        assert float(change) == pytest.approx(new[metric]["value"] - old[metric]["value"], abs=1e-4)

    plots = json.loads(run_in(tree, "dvc", "plots", "diff", "--json").stdout)["data"]
    folder = "results/smoke/stackedmnist5k-16"
    shown = {name: {rev for plot in found for rev in plot["revisions"]} for name, found in plots.items()}
    assert shown[f"{folder}/A/seed0/loss.csv"] == {"HEAD"}
    assert shown[f"{folder}/A/seed1/loss.csv"] == {"workspace"}
    for file in ("seed0/loss.csv", "seed0/samples.png", "seed1/convergence.csv"):
        assert shown[f"{folder}/E-inverted/{file}"] == {"HEAD", "workspace"}
    losses = plots[f"{folder}/A/seed1/loss.csv"][0]["content"]
    assert [step["as"] for step in losses["transform"]] == ["D", "G", ["network", "loss"]]
    assert {"kimg", "loss_d", "loss_g", "rev"} <= losses["data"]["values"][0].keys()
    curve = plots[f"{folder}/E-inverted/seed1/convergence.csv"][0]["content"]
    lines = (tree / folder / "E-inverted/seed1/convergence.csv").read_text().splitlines()
    assert {point["kimg"] for point in curve["data"]["values"]} == {line.split(",")[0] for line in lines[1:]}


def test_an_experiment_changes_one_seed_and_leaves_the_study_as_it_is(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, _ = dvc_tree
    seeds_moved(tree, seed=1)
    succeed(tree, *DVC)
    committed(tree)
    study = (tree / STUDY).read_text()
    done = succeed(tree, "dvc", "exp", "run", "-S", "runs.A.seed=2", DVC[-1])
    assert dvc_stages(done) - {"fingerprint"} == {"inputs_table1", "train@A", "evaluate@A", "table@table1"}
    assert (tree / STUDY).read_text() == study
    assert (tree / "params.yaml").read_text() == "# a comment\nruns:\n  A: {seed: 2}\n  E-inverted: {seed: 0}\n"
    table = json.loads((tree / "results/table1.json").read_text())
    assert [2] in [cell.get("seeds") for cell in table["cells"] if cell["row"] == "A StyleGAN2"]
    succeed(tree, "git", "checkout", "-q", ".")
    succeed(tree, *DVC)


def test_what_was_pushed_is_pulled_and_dvc_does_nothing(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    tree, _ = dvc_tree
    weights = tree / "runs/smoke/stackedmnist5k-16/A/seed1/generator.safetensors"
    trained = weights.read_bytes()
    target = DVC[-1]
    succeed(tree, "dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    succeed(tree, "dvc", "push", "--with-deps", target)
    for folder in ("data", "runs", ".dvc/cache"):
        shutil.rmtree(tree / folder)
    succeed(tree, "dvc", "pull", "--with-deps", target)
    assert weights.read_bytes() == trained
    assert dvc_stages(run_in(tree, *DVC)) == set()


def test_snakemake_refuses_while_dvc_works_and_not_after_it_was_killed(
    dvc_tree: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    tree, _ = dvc_tree
    presets = ("snakemake", "results/table6.md", "--cores", "1", "--forcerun", "table")
    before = (tree / "results/table6.md").stat().st_mtime_ns
    fit = ("dvc", "repro", "--single-item", "--force", "fit@mnist5k-16")
    with at_work(tree, *fit, sign="> r3gan fit") as engine:
        refused = run_in(tree, *presets)
        assert refused.returncode == 2
        said = f"`{' '.join(fit)}` (process {engine.pid}) is at work on this tree; wait until it has ended"
        assert refused.stderr.splitlines()[-1] == f"snakemake: {said}"
        assert "Traceback" not in refused.stderr
        assert jobs(run_in(tree, *presets, "-n")) == ["table"]
        assert (tree / "results/table6.md").stat().st_mtime_ns == before
        engine.kill()
        engine.wait()
        succeed(tree, *presets)
    assert (tree / "results/table6.md").stat().st_mtime_ns > before
