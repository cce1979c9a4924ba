"""The workflows and the container are thin: every command in them is a target of the Makefile, or makes a release."""

import re
import subprocess

import pytest
import yaml

from tests.conftest import REPOSITORY, environment

WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
}
WORKFLOW = WORKFLOWS["ci"]
STEPS = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job["steps"]]
RELEASE = 'gh release create "$GITHUB_REF_NAME" --verify-tag --notes-from-tag work/dist/*'
DOCKERFILE = [
    line.split(maxsplit=1)
    for line in (REPOSITORY / "Dockerfile").read_text().splitlines()
    if line and not line.startswith("#")
]
TARGETS = set(re.findall(r"^([a-z0-9]+):", (REPOSITORY / "Makefile").read_text(), flags=re.M))


def targets_of(command: str) -> list[str]:
    """The targets a command makes; fails if it does anything else."""
    program, *words = command.split()
    assert program == "make", command
    targets = [word for word in words if not re.fullmatch(r"[A-Z]+=\S+", word)]
    assert set(targets) <= TARGETS, command
    return targets


def test_the_workflow_runs_make_targets_and_nothing_else() -> None:
    assert all(step.keys() <= {"uses", "with", "if"} for step in STEPS if "uses" in step)
    run = [step for step in STEPS if "uses" not in step]
    assert [step for step in run if step.keys() != {"run"}] == [
        {"run": RELEASE, "env": {"GH_TOKEN": "${{ github.token }}"}}
    ]
    made = [target for step in run if step["run"] != RELEASE for target in targets_of(step["run"])]
    assert {"lint", "test", "oldest", "tables", "report", "compare", "docs", "dist"} <= set(made)


def test_actions_are_pinned_to_commits() -> None:
    for step in STEPS:
        if "uses" in step:
            name, commit = step["uses"].split("@")
            allowed = ("checkout", "cache", "upload-artifact", "upload-pages-artifact", "deploy-pages")
            assert name in {f"actions/{each}" for each in allowed}
            assert re.fullmatch("[0-9a-f]{40}", commit)


def test_a_workflow_may_write_only_what_it_publishes() -> None:
    assert {name: workflow["permissions"] for name, workflow in WORKFLOWS.items()} == {
        "ci": {"contents": "read"},
        "docs": {"contents": "read"},
        "release": {"contents": "write"},
    }
    given = {key: job for w in WORKFLOWS.values() for key, job in w["jobs"].items() if "permissions" in job}
    assert {key: job["permissions"] for key, job in given.items()} == {
        "publish": {"pages": "write", "id-token": "write"}
    }
    assert given["publish"]["if"] == "github.ref == 'refs/heads/main'"
    assert given["publish"]["needs"] == "build"
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as true


def test_the_report_is_uploaded_whatever_the_comparison_says() -> None:
    steps = WORKFLOW["jobs"]["results"]["steps"]
    (upload,) = (step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert {"results/report.html", "results/report.xml"} <= set(upload["with"]["path"].split())
    assert steps.index(upload) == len(steps) - 1


def test_the_container_installs_what_make_setup_does() -> None:
    assert [instruction for instruction, _ in DOCKERFILE] == ["FROM", "WORKDIR", "COPY", "RUN", "ENV", "CMD"]
    values = dict(DOCKERFILE)  # type: ignore[arg-type]
    assert targets_of(values["RUN"]) == ["setup"]
    folder = re.search(r"VENV=(\S+)", values["RUN"])
    assert folder is not None
    assert values["ENV"] == f"PATH={folder[1]}/bin:$PATH"
    assert values["FROM"] in {f"{job['container']}" for job in WORKFLOW["jobs"].values()}
    dry = subprocess.run(
        ["make", "-n", "-B", "setup", "VENV=/opt/r3gan"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert dry.returncode == 0, dry.stderr
    assert "uv pip sync --quiet --require-hashes requirements.lock" in dry.stdout
    assert "/opt/r3gan/bin/python" in dry.stdout


@pytest.mark.parametrize("allowed", [False, True])
def test_the_workflow_lets_git_read_a_tree_of_another_user(allowed: bool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    ours = environment(REPOSITORY) | {"HOME": str(tmp_path)}
    subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], env=ours, check=True)
    # What git does itself where the owner differs.
    strict = ours | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    known = {key: str(value) for key, value in WORKFLOW["env"].items()} if allowed else {}
    done = subprocess.run(["git", "status"], cwd=tmp_path / "tree", env=strict | known, capture_output=True, text=True)
    assert ("dubious ownership" in done.stderr) is not allowed
