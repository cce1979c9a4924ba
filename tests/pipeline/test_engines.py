"""Both engines for real, on a copy of the tree with a tiny study: same commands, nothing twice, only what changed."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from r3gan.pipeline.dvc import DVC_FILE, dvc_file
from r3gan.study import read_study
from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.registry import TABLES
from tests.conftest import REPOSITORY, TINY_STUDY, copy_tree, environment, run_in
from tests.helpers import jobs

SNAKEMAKE = ("snakemake", "--cores", "2", "results/table1.md")
DVC = ("dvc", "repro", "table@table1")
TABLE1 = TABLES["table1"]
assert isinstance(TABLE1, QualityTable)
STUDY = "pipelines/study/smoke.yaml"
HANDED_OVER = {
    *("prepare@mnist5k-16", "prepare@stackedmnist5k-16", "fit@mnist5k-16", DVC[-1]),
    *("train@A", "train@E-inverted", "evaluate@A", "evaluate@E-inverted"),
}
RULES = ("prepare", "fit", "train", "evaluate", "table")
DVCS_OWN = ("fingerprint", "inputs_table1")
# What the stages of DVC are as commands; its own prepare nothing but its inputs.
STAGES = """
import json
import networkx
from dvc.repo import Repo
from r3gan.pipeline.dvc import HASH_COMMAND
from r3gan.pipeline.engines import is_dvcs_own
index = Repo(".").index
def commands(stages):
    found = [command for stage in stages if not is_dvcs_own(stage) for command in commands_of(stage)]
    return sorted(command for command in found if not command.startswith(HASH_COMMAND))
def commands_of(stage):
    return [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd
found = {"": commands(index.stages)}
for stage in index.stages:
    if stage.addressing.startswith("table@"):
        needed = networkx.descendants(index.graph, stage) | {stage}
        found[stage.addressing.removeprefix("table@")] = commands(needed)
print(json.dumps(found))
"""


def dvc_stages(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr))


def without_comments_changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n# a comment\n")


def code_changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def succeed(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    done = run_in(tree, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def committed(tree: Path) -> None:
    succeed(tree, "git", "add", "-A")
    succeed(tree, "git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "results")


def stages_said(line: str) -> set[str]:
    return set(line.partition(": ")[2].split(", "))


@contextmanager
def at_work(tree: Path, *command: str, sign: str) -> Iterator[subprocess.Popen[bytes]]:
    """An engine in the middle of its work, which its log shows by `sign`: stopped there, killed in the end."""
    output = tree / "work/engine.log"
    with output.open("wb") as log:
        engine = subprocess.Popen(
            command, cwd=tree, env=environment(tree), stdout=log, stderr=log, start_new_session=True
        )
    try:
        while sign not in output.read_text():
            assert engine.poll() is None, output.read_text()
            time.sleep(0.1)
        os.killpg(engine.pid, signal.SIGSTOP)
        yield engine
    finally:
        with suppress(ProcessLookupError):
            os.killpg(engine.pid, signal.SIGKILL)
        engine.wait()


@pytest.fixture(scope="module")
def snakemake_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which Snakemake has written Table 1 once."""
    tree = copy_tree(tmp_path_factory.mktemp("snakemake"))
    done = run_in(tree, *SNAKEMAKE, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


@pytest.fixture(scope="module")
def dvc_tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A copy in which DVC has made Table 1 once, and what it printed; other studies would only take time."""
    tree = copy_tree(tmp_path_factory.mktemp("dvc"))
    for scale in ("mini", "paper"):
        (tree / f"pipelines/study/{scale}.yaml").unlink()
    done = run_in(tree, *DVC, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree, done


def test_a_fresh_copy_measures_everything_even_where_results_are_committed(snakemake_tree: Path) -> None:
    record = json.loads((snakemake_tree / "results/smoke/stackedmnist5k-16/A/seed0/metrics.json").read_text())
    assert record["training"]["images_seen"] == 128  # the tiny study's, not a committed record
    table = (snakemake_tree / "results/table1.md").read_text()
    assert "0.128 kimg at batch" in table
    assert table.count(" exact ") == 8
    for picture in ("smoke-samples.png", "smoke-curves.png", "smoke-curves.svg"):
        assert (snakemake_tree / "results/table1" / picture).stat().st_size > 10_000


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
    made = {"train_converging", "converge", "evaluate_at_end", "table", "costs", "report"}
    assert {name.split("@")[0] for name in whole if not name.startswith("inputs_")} == made
    assert not {"train@A", "evaluate@A", "table@table1"} & whole
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

    diff = run_in(tree, "dvc", "metrics", "diff", "--md")
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


def test_snakemake_takes_over_what_dvc_made(dvc_tree: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tree, _ = dvc_tree
    assert "left to run: " in succeed(tree, "r3gan", "hand-over", "snakemake").stdout  # the records of modes changed
    succeed(tree, "dvc", "repro")
    done = succeed(tree, "r3gan", "hand-over", "snakemake").stdout.splitlines()
    taken = stages_said(done[0])
    assert len(done) == 1
    assert taken >= HANDED_OVER | {"converge@E-converging", "table@table4", "costs", "report"}
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


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("dvc", "Snakemake has made nothing here that is up to date; start it with `snakemake --cores all`"),
        ("snakemake", "DVC has made nothing here that is up to date; start it with `dvc repro`"),
        ("airflow", "unknown engine 'airflow'; allowed: dvc, snakemake"),
    ],
)
def test_nothing_is_handed_over_where_nothing_was_made(tmp_path: Path, engine: str, said: str) -> None:
    done = run_in(copy_tree(tmp_path), "r3gan", "hand-over", engine)
    assert (done.returncode, done.stderr) == (2, f"r3gan hand-over: {said}\n")


@pytest.fixture(scope="module")
def real_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the real study of the smoke scale, in which nothing is made."""
    tree = copy_tree(tmp_path_factory.mktemp("real"))
    shutil.copyfile(REPOSITORY / STUDY, tree / STUDY)
    shutil.copyfile(REPOSITORY / "dvc.yaml", tree / "dvc.yaml")
    return tree


def test_both_engines_run_the_same_commands_for_every_table(real_tree: Path) -> None:
    stages = json.loads(succeed(real_tree, "python", "-c", STAGES).stdout)
    study = read_study(REPOSITORY / STUDY, REPOSITORY / "pipelines/study.schema.yaml")
    runs = 2 * len(study.trained) + len(study.at_end)
    assert len(stages[""]) == len(set(stages[""])) == 2 + 1 + runs + len(TABLES) + 2
    assert sorted(stages) == ["", *sorted(TABLES)]
    of_runs = [name for name in TABLES if TABLES[name].records(study)]
    assert of_runs == ["table1", "table2", "figure1", "table4", "table4-ablation"]
    others = [name for name in TABLES if name not in of_runs]
    assert [stages[name] for name in others] == [[f"r3gan table {name}"] for name in others]
    for tables in ([], *([name] for name in of_runs), others):
        expected = sorted(command for name in tables or [""] for command in stages[name])
        targets = [f"results/{name}.md" for name in tables]
        done = succeed(real_tree, "snakemake", "--cores", "2", "-n", "-p", "-F", *targets)
        shell = re.findall(r"^(?:Shell command: |\s*)(r3gan .*?) 2>&1 \| tee ", done.stdout + done.stderr, flags=re.M)
        assert sorted(shell) == expected, tables
    trained = [command for command in stages["table1"] if command.startswith("r3gan train ")]
    evaluated = [command for command in stages["table1"] if command.startswith("r3gan evaluate ")]
    assert (len(trained), len(evaluated)) == (8, 8)


def test_the_written_part_of_dvc_yaml_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert dvc_file(read_study(Path(STUDY))) == DVC_FILE.read_text()
    stages = yaml.safe_load(DVC_FILE.read_text())["stages"]
    params = [file for entry in stages["report"]["params"] for file in entry]
    needed = {Path(file).stem for file in params if file.startswith("runs/hashes/")}
    assert needed == {*TABLES, "costs"}


def test_dvc_refuses_a_dvc_yaml_that_is_older_than_the_study(real_tree: Path) -> None:
    study = real_tree / STUDY
    text = study.read_text()
    study.write_text(text.replace("  dcgan: {<<: *run, config: dcgan", "  dcgan-again: {<<: *run, config: dcgan"))
    done = run_in(real_tree, "r3gan", "fingerprint", STUDY, "--out", "runs/fingerprints")
    said = "r3gan fingerprint: dvc.yaml is older than the study file or the tables: run `r3gan dvc-file`\n"
    assert (done.returncode, done.stderr) == (2, said)
    assert not (real_tree / "runs").exists()
    succeed(real_tree, "r3gan", "dvc-file")
    assert "runs/hashes/evaluate/dcgan-again.json" in (real_tree / "dvc.yaml").read_text()
    study.write_text(text)
    succeed(real_tree, "r3gan", "dvc-file")
    assert (real_tree / "dvc.yaml").read_text() == (REPOSITORY / "dvc.yaml").read_text()


def test_a_dry_run_of_a_clean_clone_names_every_command(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    plain = succeed(tree, "dvc", "repro", "--dry").stdout
    moved = succeed(tree, "dvc", "exp", "run", "--dry", "-S", f"{STUDY}:runs.E-inverted.seed=3").stdout
    stages = json.loads(succeed(tree, "python", "-c", STAGES).stdout)
    before, after = (
        {
            c
            for c in re.findall(r"^> (r3gan .*)$", text, flags=re.M)
            if not c.startswith(("r3gan hashes", "r3gan finger"))
        }
        for text in (plain, moved)
    )
    assert before == set(stages[""])
    run, options = "E-inverted --dataset stackedmnist5k-16 --seed", " --total-kimg 0.128 --threads 1 --launcher local"
    evaluation = "r3gan evaluate smoke/stackedmnist5k-16/E-inverted/seed"
    assert [command for command in sorted(before - after) if not command.startswith(evaluation + "0 ")] == [
        f"r3gan train --scale smoke --config {run} 0{options} --ranks 1"
    ]
    assert [command for command in sorted(after - before) if not command.startswith(evaluation + "3 ")] == [
        f"r3gan train --scale smoke --config {run} 3{options} --ranks 1"
    ]
    assert (len(before - after), len(after - before)) == (2, 2)
    assert not (tree / "runs").exists()


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
    (tree / STUDY).write_text(TINY_STUDY.replace("config: A,", "config: Q,"))
    done = run_in(tree, *SNAKEMAKE, "-n", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_study_costs_its_own_scale_alone(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    (tree / "pipelines/study/paper.yaml").write_text("scale: paper\nruns: [\n")
    for command in (("snakemake", "-n", "--cores", "1", "results/table6.md"), ("r3gan", "table", "table6")):
        done = succeed(tree, *command)
        assert "warning: study file pipelines/study/paper.yaml is not valid YAML" in done.stderr
        assert "its scale is left out" in done.stderr
    done = run_in(tree, "snakemake", "-n", "--cores", "1", "results/table1.md", "--config", "scale=paper")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("study file pipelines/study/paper.yaml is not valid YAML at line 3")
    assert "Traceback" not in done.stderr
