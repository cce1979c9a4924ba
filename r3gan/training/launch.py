"""LAUNCHERS: how the ranks of a run are started; each builds the command that starts `r3gan train --rank-of NAME`."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from r3gan.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How many ranks to start, on this machine, on the hosts of a file, or in the scheduler's allocation."""

    launcher: str
    ranks: int
    hostfile: Path | None = None


def torchrun(launch: Launch) -> list[str]:
    """One machine, one process per GPU."""
    return ["torchrun", "--standalone", "--nproc-per-node", str(launch.ranks), "-m"]


def deepspeed(launch: Launch) -> list[str]:
    """One machine, or several over ssh with a hostfile (a line "host slots=8" for each)."""
    where = ["--hostfile", str(launch.hostfile)] if launch.hostfile else ["--num_gpus", str(launch.ranks)]
    return ["deepspeed", "--no_local_rank", *where, "--module"]


def srun(launch: Launch) -> list[str]:
    """The nodes of a Slurm allocation, one task per GPU."""
    return ["srun", "--ntasks", str(launch.ranks), "--kill-on-bad-exit=1", sys.executable, "-m"]


# local: one rank, this process itself.
LAUNCHERS: Mapping[str, Callable[[Launch], list[str]] | None] = {
    "local": None,
    "torchrun": torchrun,
    "deepspeed": deepspeed,
    "srun": srun,
}


def check(launch: Launch) -> None:
    """UserError where the launcher does not exist or does not support the options."""
    if launch.launcher not in LAUNCHERS:
        raise unknown("--launcher", launch.launcher, LAUNCHERS)
    if launch.launcher == "local" and launch.ranks > 1:
        raise UserError(f"--ranks {launch.ranks} needs --launcher torchrun, deepspeed or srun; local is one process")
    if launch.hostfile and launch.launcher != "deepspeed":
        raise UserError("--hostfile goes with --launcher deepspeed")
    if launch.hostfile and not launch.hostfile.is_file():
        raise UserError(f"--hostfile {launch.hostfile} does not exist; a line is `host slots=8`")


def run_ranks(launch: Launch, arguments: Sequence[str], outcome: Path) -> int:
    """Start the ranks, pass SIGTERM and SIGINT on to them, wait; returns rank 0's exit code if it wrote one.

    Launchers turn every failure of a rank into 1, so rank 0 writes its code into the file `outcome`.
    """
    build = LAUNCHERS[launch.launcher]
    assert build is not None
    kept = [argument for argument in arguments if not argument.startswith("--rank-of")]
    command = [*build(launch), "r3gan", *kept, f"--rank-of={launch.launcher}"]
    outcome.unlink(missing_ok=True)
    print(f"starting {launch.ranks} ranks: {shlex.join(command)}", flush=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        process = subprocess.Popen(command, env=environment | {"R3GAN_LAUNCH": shlex.join(command)})
    except FileNotFoundError:
        raise UserError(f"--launcher {launch.launcher}: there is no {command[0]} on PATH") from None

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    code = process.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    try:
        return int(outcome.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return code if code >= 0 else 128 - code


def adopt_slurm_rank() -> None:
    """Translate Slurm's variables of a task into those of torch's launchers."""
    missing = [name for name in ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID") if name not in os.environ]
    if missing:
        raise UserError(f"--launcher srun: {missing[0]} is not set; start it inside a Slurm job")
    os.environ |= {
        "RANK": os.environ["SLURM_PROCID"],
        "WORLD_SIZE": os.environ["SLURM_NTASKS"],
        "LOCAL_RANK": os.environ["SLURM_LOCALID"],
    }
    os.environ.setdefault("MASTER_ADDR", os.environ.get("SLURM_LAUNCH_NODE_IPADDR", "127.0.0.1"))
    # The same for all tasks of a job, different for jobs that share a node.
    os.environ.setdefault("MASTER_PORT", str(20000 + int(os.environ.get("SLURM_JOB_ID", "0")) % 20000))
