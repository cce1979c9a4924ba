"""What both engines plan: the same commands for every table, a current dvc.yaml, one sentence for a wrong study."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from r3gan.pipeline.dvc import DVC_FILE, dvc_file
from r3gan.study import read_study
from r3gan.tables.registry import TABLES
from tests.conftest import REPOSITORY, copy_tree, run_in
from tests.pipeline.engines import (
    STUDY,
    seeds_moved,
    succeed,
)

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


@pytest.fixture(scope="module")
def real_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the real study of the smoke scale, in which nothing is made."""
    tree = copy_tree(tmp_path_factory.mktemp("real"))
    for name in (STUDY, "params.yaml", "dvc.yaml"):
        shutil.copyfile(REPOSITORY / name, tree / name)
    return tree


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


def test_both_engines_run_the_same_commands_for_every_table(real_tree: Path) -> None:
    stages = json.loads(succeed(real_tree, "python", "-c", STAGES).stdout)
    study = read_study(REPOSITORY / STUDY)
    runs = 2 * len(study.trained) + len(study.at_end)
    assert len(stages[""]) == len(set(stages[""])) == 2 + 1 + runs + 1 + len(TABLES) + 2
    assert sorted(stages) == ["", *sorted(TABLES)]
    of_runs = [name for name in TABLES if TABLES[name].records(study)]
    assert of_runs == ["table1", "table2", "figure1", "table4", "table4-ablation", "toys"]
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
    seeds_moved(tree)
    succeed(tree, "git", "add", "-A")
    plain = succeed(tree, "dvc", "repro", "--dry").stdout
    moved = succeed(tree, "dvc", "exp", "run", "--dry", "-S", "runs.E-inverted.seed=3").stdout
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
    run, options = (
        "E-inverted --dataset stackedmnist5k-16 --seed",
        " --total-kimg 0.128 --overwrite --threads 1 --launcher local",
    )
    evaluation = "r3gan evaluate smoke/stackedmnist5k-16/E-inverted/seed"
    assert [command for command in sorted(before - after) if not command.startswith(evaluation + "0 ")] == [
        f"r3gan train --scale smoke --config {run} 0{options} --ranks 1"
    ]
    assert [command for command in sorted(after - before) if not command.startswith(evaluation + "3 ")] == [
        f"r3gan train --scale smoke --config {run} 3{options} --ranks 1"
    ]
    assert (len(before - after), len(after - before)) == (2, 2)
    assert not (tree / "runs").exists()


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
