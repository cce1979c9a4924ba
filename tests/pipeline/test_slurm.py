"""The profile for Slurm: what it plans; on a cluster of one, started here, a job stopped, requeued and finished."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from r3gan.files import read_json
from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.registry import TABLES
from tests.conftest import PATIENCE_S, REPOSITORY, copy_tree, environment, need, paused
from tests.helpers import SMOKE, jobs, same, training_words

PROFILE = "pipelines/profiles/slurm"
# The plugin asks Slurm every 40 s, then ever more slowly; there is no accounting here for it to ask.
IN_A_HURRY = (
    *("--slurm-init-seconds-before-status-checks", "7", "--slurm-status-command", "squeue"),
    *("--slurm-keep-successful-logs", "--latency-wait", "5"),
)
RUN = f"smoke/{SMOKE}/E-inverted/seed0"
BROKEN = f"smoke/{SMOKE}/A/seed0"
KIMG, GRID = "0.4", "samples-000000k.png"
# A machine as the profile expects it, whatever this one has; a GPU is a file as good as any until something opens it.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser={user}
SlurmdUser={user}
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 RealMemory=64000 Gres=gpu:2
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def told(*command: str) -> str:
    """What a Slurm command says; empty while it cannot reach the daemons."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S).stdout


def field_of(job: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S*)", told("scontrol", "show", "job", job))
    return found[1] if found else ""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Slurm with one node on this machine, in a folder of its own; SLURM_CONF names it."""
    need("slurmctld", "slurmd", "munged", "sbatch")
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # munged refuses to listen where nobody else comes in
        for part in ("state", "spool"):
            (folder / part).mkdir()
        (folder / "munge.key").touch(mode=0o600)
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "slurm.conf").write_text(
            SLURM_CONF.format(folder=folder, host=socket.gethostname(), ports=free_ports(2), user=getpass.getuser())
        )
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLURM_CONF", f"{folder}/slurm.conf")
        # The plugin takes SLURM_CONF from srun, which needs none where slurm.conf lies in its usual place.
        srun = folder / "bin/srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        patch.setenv("PATH", f"{srun.parent}:{os.environ['PATH']}:/usr/sbin")
        munge = [f"--{n}-file={folder}/munge.{n}" for n in ("key", "pid", "log", "seed")]
        run_daemon(stack, folder, "munged", "--foreground", f"--socket={folder}/munge.socket", *munge)
        wait_until((folder / "munge.socket").exists, "munged listens")
        run_daemon(stack, folder, "slurmctld", "-D", "-i")
        run_daemon(stack, folder, "slurmd", "-D")
        wait_until(lambda: "idle" in told("sinfo", "--noheader"), "the node is there")
        yield folder
        told("scancel", "--user", getpass.getuser())
        wait_until(lambda: not told("squeue", "--noheader"), "the queue is empty")


def run_daemon(stack: ExitStack, folder: Path, *command: str) -> None:
    """Start a daemon that ends with the stack."""
    said = stack.enter_context((folder / f"{command[0]}.out").open("w"))
    daemon = subprocess.Popen(command, stdout=said, stderr=said)
    stack.callback(daemon.wait, timeout=PATIENCE_S)
    stack.callback(daemon.terminate)


@pytest.mark.parametrize("selected", [(), ("--config", "scale=paper")])
def test_the_plan_for_the_paper_needs_neither_slurm_nor_gpu(selected: tuple[str, ...], tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    if selected:  # a login node may have a GPU; that is no reason for anything
        selection = tree / "r3gan/pipeline/selection.py"
        code = selection.read_text()
        assert "return any(Path(" in code
        selection.write_text(code.replace("return any(Path(", "return True or any(Path("))
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "git", "sh", "which"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    planned = subprocess.run(
        (sys.executable, "-m", "snakemake", "--profile", PROFILE, "-n", "results/paper/table1.md", *selected),
        cwd=tree,
        env=environment(tree) | {"PATH": f"{Path(sys.executable).parent}:{tools}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    table1 = TABLES["table1"]
    assert isinstance(table1, QualityTable)
    rows = sorted(table1.rows)
    expected = ["prepare", *(f"{stage} {row}" for stage in ("evaluate", "train") for row in rows), "table_of_scale"]
    assert jobs(planned) == sorted(expected)
    asked = re.findall(r"--launcher torchrun --ranks 8|runtime=1440, .*gpu=8|gpu=1$", planned.stdout, flags=re.M)
    assert len(asked) == 8 * 3
    assert planned.stdout.count("slurm_extra=--signal=TERM@120") == 18


def start(folder: Path, code: Path, *command: str, pause: bool = False) -> "subprocess.Popen[bytes]":
    """A command in `folder` with the code that lies in `code`; what it says is in said.txt.

    With `pause`, training waits at its first sample grid until it is stopped.
    """
    known = paused(code, "after", GRID) if pause else environment(code)
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(command, cwd=folder, env=known, stdout=said, stderr=said)


def test_a_stopped_training_is_requeued_and_ends_with_the_same_weights_a_failed_one_is_not(
    cluster: Path, prepared: Path, tmp_path: Path
) -> None:
    tree, alone = copy_tree(tmp_path / "tree"), tmp_path / "alone"
    alone.mkdir()
    study = tree / "pipelines/study/smoke.yaml"
    study.write_text(
        study.read_text().replace("config: E-inverted, seed: 0", f"config: E-inverted, total_kimg: {KIMG}")
    )
    for folder in (tree, alone):
        (folder / "data").symlink_to(prepared / "data")
    (tree / "work" / Path(BROKEN).parent).mkdir(parents=True)
    (tree / "work" / BROKEN).touch()  # where training makes a folder
    targets = (f"runs/{RUN}/train.json", f"runs/{BROKEN}/train.json")
    train = (
        *("r3gan", "train", "--scale", "smoke", "--config", "E-inverted", "--dataset", SMOKE, "--seed", "0"),
        *("--total-kimg", KIMG, "--threads", "1", "--launcher", "local", "--ranks", "1"),
    )
    snakemake = start(tree, tree, "snakemake", "--profile", PROFILE, *IN_A_HURRY, *targets, pause=True)
    try:
        wait_until((tree / "work" / RUN / GRID).exists, "training has written its first samples")
        jobs = dict(re.findall(r"(.+)\|(.+)", told("squeue", "--format", "%i|%k")))
        (job,) = (number for number, comment in jobs.items() if "E-inverted" in comment)
        assert field_of(job, "TresPerJob") == "gres:gpu:1"
        # What `--signal=TERM@120` does as the time limit comes near.
        told("scancel", "--signal", "TERM", job)
        wait_until(lambda: field_of(job, "Restarts") == "1", "the job is requeued")
        assert start(alone, tree, *train).wait(timeout=PATIENCE_S) == 0, (alone / "said.txt").read_text()
        snakemake.wait(timeout=PATIENCE_S)
    finally:
        snakemake.terminate()
        snakemake.wait(timeout=PATIENCE_S)
    (kept,) = (tree / ".snakemake/slurm_logs/rule_train").glob(f"*/{job}.log")
    in_order = r"trains .* stopped at .* requeueing job .* continues at .* trained after"
    assert re.search(in_order, kept.read_text(), flags=re.S), kept.read_text()
    cut, whole = (load_file(folder / "runs" / RUN / "generator.safetensors") for folder in (tree, alone))
    assert same(cut, whole)

    assert snakemake.returncode == 1, (tree / "said.txt").read_text()
    others = [number for number in told("squeue", "--noheader", "--states=all", "--format=%i").split() if number != job]
    assert [(field_of(number, "JobState"), field_of(number, "Restarts")) for number in others] == [("FAILED", "0")]
    assert field_of(job, "JobState") == "COMPLETED"


def test_two_runs_of_two_ranks_each_share_a_node(
    cluster: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third launcher; the others are in tests/training/test_processes.py."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "4000")  # else a job takes all of it, and the other one waits
    command = ("r3gan", *training_words("0.032"), "--threads", "1")
    data = ("--data", str(prepared / "data" / SMOKE))
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runs.append(start(tmp_path / name, REPOSITORY, *command, *data, "--launcher", "srun", "--ranks", "2"))
    for name, run in zip(("one", "two"), runs, strict=True):
        assert run.wait(timeout=PATIENCE_S) == 0, (tmp_path / name / "said.txt").read_text()
        record = read_json(tmp_path / name / f"runs/own/{SMOKE}/E-inverted/seed0/train.json", "")
        assert record["execution"]["ranks"] == 2
