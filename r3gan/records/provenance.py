"""What a number carries: code version, packages, device, command, time."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from r3gan.records.hardware import folder_name
from r3gan.records.schema import Code, Device, Provenance

RECORDED_PACKAGES = ("r3gan", "torch", "torchvision", "numpy", "scipy", "deepspeed", "clean-fid", "snakemake", "dvc")
REPOSITORY = Path(__file__).resolve().parents[2]
BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "svebf16", "bf16")  # widest first; the last two are Arm's
# Files that decide a number; the tables and records themselves do not make a tree dirty.
CODE_PATHS = ("r3gan", "pipelines", "Snakefile", "dvc.yaml", "requirements.lock", "pyproject.toml")


def _git(*arguments: str) -> tuple[str | None, str]:
    """What git says, or None and why it says nothing."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=20,
            env=os.environ | {"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, "git is not installed" if isinstance(error, FileNotFoundError) else "git does not answer"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    if "dubious ownership" in done.stderr:
        return None, "the folder belongs to another user, whom git's safe.directory does not allow"
    return None, "not a git checkout" if "not a git repository" in done.stderr else "git has failed"


def code_version() -> Code:
    """Commit of this tree and whether its code differs from it; None and the reason where git does not say."""
    commit, reason = _git("rev-parse", "HEAD")
    changes, _ = _git("status", "--porcelain", "--", *CODE_PATHS)
    return Code(commit=commit, dirty=None if changes is None else bool(changes), reason=reason or None)


def package_versions() -> dict[str, str]:
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version()} | found


def _cpuinfo(*keys: str) -> str:
    """The first line of /proc/cpuinfo with one of `keys`, its value; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split("\t")[0].strip() in keys), "")


def processor_name() -> str:
    """The processor's model as the system names it; virtual machines hide the number, not the family it stands for."""
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    family, model = _cpuinfo("cpu family", "CPU implementer"), _cpuinfo("model", "CPU part")
    return name if any(map(str.isdigit, name)) or not family else f"{name} (family {family}, model {model})"


def bf16_instructions() -> str | None:
    """The processor's widest instruction set that multiplies bfloat16; None where it is emulated or not known."""
    flags = _cpuinfo("flags", "Features").split()  # of x86 and of Arm
    return next((name for name in BF16_INSTRUCTIONS if name in flags), None)


def hardware_name(device: str) -> str:
    """A folder's name for what computes: the GPU's name, or the processor's and its cores."""
    if device.startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name()
    else:
        name = f"{processor_name()} {os.cpu_count()} cores"
    return folder_name(name)


def device_description(device: str, threads: int, count: int = 1) -> Device:
    """Name and count of what computed: GPUs, or processes of so many threads on one processor."""
    if device.startswith("cuda"):
        import torch

        return Device(type="cuda", name=torch.cuda.get_device_name(), count=count)
    name = f"{processor_name()}, {os.cpu_count()} cores"
    return Device(type="cpu", name=name, count=count, threads=threads, bf16=bf16_instructions())


def stamp(device: str, threads: int, count: int = 1) -> Provenance:
    """Everything above at this moment, and the command that is running."""
    return Provenance(
        command=shlex.join(["r3gan", *sys.argv[1:]]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        code=code_version(),
        versions=package_versions(),
        device=device_description(device, threads, count),
    )
