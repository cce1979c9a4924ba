"""LAUNCHERS: how the ranks of a run are started; each builds the command that starts `r3gan train --rank-of NAME`."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from r3gan.errors import UserError, unknown
from r3gan.training.signals import REQUEUE, Stopped

LEFT_BEHIND_S = 35.0  # more than a launcher gives its ranks to end


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How many ranks to start, on this machine, on the hosts of a file, or in the scheduler's allocation."""

    launcher: str
    ranks: int
    hostfile: Path | None = None


def torchrun(launch: Launch) -> list[str]:
    """One machine, one process per GPU; it chooses a free port itself."""
    return ["torchrun", "--standalone", "--nproc-per-node", str(launch.ranks), "-m"]


def deepspeed(launch: Launch) -> list[str]:
    """One machine, or several over ssh with a hostfile (a line "host slots=8" for each)."""
    where = ["--hostfile", str(launch.hostfile)] if launch.hostfile else ["--num_gpus", str(launch.ranks)]
    return ["deepspeed", "--no_local_rank", "--master_port", str(free_port()), *where, "--module"]


def srun(launch: Launch) -> list[str]:
    """The nodes of a Slurm allocation, one task per GPU; the tasks get the port in MASTER_PORT."""
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
    """Start the ranks, pass SIGTERM and SIGINT on to them, wait until all have ended; returns the run's exit code.

    Launchers turn every failure of a rank into 1, so the first rank that does not end well writes its code and its
    reason into the file `outcome` (`as_rank`).
    """
    build = LAUNCHERS[launch.launcher]
    assert build is not None
    kept = [argument for argument in arguments if not argument.startswith("--rank-of")]
    command = [*build(launch), "r3gan", *kept, f"--rank-of={launch.launcher}"]
    outcome.unlink(missing_ok=True)
    print(f"starting {launch.ranks} ranks: {shlex.join(command)}", flush=True)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MASTER_PORT": str(free_port()),
        "R3GAN_LAUNCH": shlex.join(command),
    }
    requests: list[int] = []
    group: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        requests.append(number)
        for leader in group:
            signal_group(leader, number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        # A group of its own, since DeepSpeed's launcher does not pass signals on.
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        group.append(process.pid)
        for number in requests[:1]:
            signal_group(process.pid, number)
        code = process.wait()
        end_group(process.pid)
    except FileNotFoundError:
        raise UserError(f"--launcher {launch.launcher}: there is no {command[0]} on PATH") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code, reason = read_outcome(outcome) or (REQUEUE if requests else code and 1, "")
    if code and not reason:
        reason = (
            "stopped before a step had ended" if requests else "a rank was ended from outside; its launcher says how"
        )
    if reason:
        print(f"r3gan train: {reason}", file=sys.stderr, flush=True)
    return code


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to a process group (0: none); whether it still has members."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    return True


def end_group(leader: int) -> None:
    """Wait for what the launcher has left behind, and end it after a while."""
    deadline = time.monotonic() + LEFT_BEHIND_S
    while signal_group(leader, 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    signal_group(leader, signal.SIGKILL)


def as_rank(outcome: Path, work: Callable[[], int]) -> int:
    """One rank's work, its exit code; if it fails, this process ends at once and leaves why in the file `outcome`.

    Whatever is left of a process group whose member has failed may wait for ever, so nothing is tidied up.
    """
    try:
        return work()
    except Stopped as stopped:
        leave_outcome(outcome, REQUEUE, f"{stopped} (exit code {REQUEUE})")
        return REQUEUE
    except UserError as error:
        code, reason = 2, str(error)
    except Exception as error:
        traceback.print_exc()
        code, reason = 1, f"rank {os.environ.get('RANK', '?')} has failed: {type(error).__name__}: {error}"
    leave_outcome(outcome, code, reason)
    sys.stdout.flush()
    os._exit(code)


def leave_outcome(path: Path, code: int, reason: str) -> None:
    """Write it for the process that started the ranks, unless another rank has done so before."""
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        json.dump([code, reason], file)


def read_outcome(path: Path) -> tuple[int, str] | None:
    try:
        code, reason = json.loads(path.read_text(encoding="utf-8"))
        return int(code), str(reason)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def free_port() -> int:
    """A port of this machine that nothing uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
