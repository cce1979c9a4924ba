"""What a borrowed GPU does first: pieces in order of value, each resumable, so that twenty minutes of it are enough.

`python -m benchmarks.gpu --minutes 9 --official CLONE` does what fits and can be called again until all is done:
finished pieces are skipped, a training goes on from its checkpoint, and cases that were timed are kept. `--piece NAME`
does one alone. `--dry-run` rehearses all of it on the CPU. Commit results/ afterwards. StackedMNIST is prepared before,
since it is downloaded, and so is its classifier, whose fit takes minutes on a CPU: `r3gan prepare stackedmnist`,
`r3gan prepare mnist-32`, `r3gan fit mnist-32`.
"""

import argparse
import contextlib
import copy
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from unittest import mock

import torch
from torch import Tensor

from r3gan.configs import CONFIGS, SIZES
from r3gan.errors import UserError
from r3gan.models import stylegan2
from r3gan.records.provenance import hardware_name, stamp
from r3gan.records.run_id import RunId
from r3gan.records.schema import Benchmark
from r3gan.records.store import made, write
from r3gan.study import read_study
from r3gan.training.execution import choose_execution
from r3gan.training.losses import Batch, Losses
from r3gan.training.state import build_networks

SIZE = "stackedmnist5k-16"
# Relative, of all gradients together. "tf32" is float32 as PyTorch multiplies it in a GPU's convolutions by default.
# Through a frozen feature network rounding moves values across the kinks of its activations: 3e-3 on a CPU in float32.
LIMITS = {"fp32": 1e-3, "tf32": 0.1, "bf16": 0.25}
LIMITS_THROUGH_FEATURES = {"fp32": 1e-2, "tf32": 0.25, "bf16": 0.25}
BATCH = 8
SECONDS_APART = 60  # seeds of the ablation; the first ones compile, the later ones find what was compiled
PYTHON = shlex.quote(sys.executable)
DONE = Path("work/gpu")
SPEED = "cifar10 and not narrowed and not NCHW and not penalties"


@dataclass(frozen=True)
class Piece:
    """A command, the one that rehearses it on a CPU, and the signal at which it ends and keeps what it has."""

    name: str
    command: str
    rehearsal: str
    stop: signal.Signals = signal.SIGTERM


def pieces() -> tuple[Piece, ...]:
    """Correctness, then the speed of the CIFAR-10 preset, then the loss ablation of the mini scale."""
    module, steps = f"{PYTHON} -m benchmarks.gpu", f"{PYTHON} -m pytest benchmarks/test_steps.py --benchmark-only -n0"
    check, ablated = f"{module} --correctness", f"{module} --ablation"
    rehearsed = f'{steps} --collect-only -q -k "E and narrowed"'
    return (
        Piece("correctness", f"{check} cuda", f"{check} cpu"),
        Piece("speed", f'{steps} --keep-rows -W default -k "{SPEED}"', rehearsed, signal.SIGINT),
        Piece("ablation", ablated, f"{ablated} --dry-run"),
    )


def do_pieces(minutes: float, rehearse: bool, only: str | None) -> int:
    """Run what fits into `minutes`; the exit code is 1 if a piece failed."""
    deadline, failed = time.monotonic() + 60 * minutes, list[str]()
    for piece in pieces():
        mark = DONE / piece.name
        left = deadline - time.monotonic()
        if only not in (None, piece.name) or (mark.exists() and not rehearse):
            continue
        if left < 30:
            print(f"gpu: out of time before {piece.name}; call again")
            break
        command = piece.rehearsal if rehearse else piece.command
        print(f"gpu: {left:.0f} s left, {command}", flush=True)
        code = run_for(command, left - 20, piece.stop)
        if code == 0 and not rehearse:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        if code is None:
            print(f"gpu: {piece.name} goes on at the next call")
            break
        if code:
            failed.append(piece.name)
    print(f"gpu: failed: {', '.join(failed)}" if failed else "gpu: nothing failed")
    return 1 if failed else 0


def run_for(command: str, seconds: float, stop: signal.Signals = signal.SIGTERM) -> int | None:
    """The command's exit code; None where it was told to stop after `seconds`, which it survives."""
    process = subprocess.Popen(shlex.split(command))
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return None


def ablation(how: str) -> dict[RunId, tuple[str, str]]:
    """What trains and what measures each run of the mini scale's loss ablation, all of one seed before the next."""
    study = read_study(Path("pipelines/study/mini.yaml"))
    found = {}
    for key, run in sorted(study.evaluated.items(), key=lambda item: item[0].seed):
        if key.config.startswith("loss-"):
            train = (
                f"r3gan train --scale mini --config {key.config} --dataset {key.dataset} --seed {key.seed} "
                f"--total-kimg {run.total_kimg:g} --checkpoint-seconds 60 --threads 1{run.train_options} {how}"
            )
            found[key] = train, f"r3gan evaluate {key} {run.evaluation_options}"
    return found


def train_ablation(rehearse: bool) -> int:
    """The loss ablation, all runs at the same time: one alone leaves most of a large GPU idle. 1 if a run failed.

    Each is trained as CUDA graphs and then measured. SIGTERM stops all of them at checkpoints. In a rehearsal each
    command is only checked.
    """
    commands = ablation("--dry-run" if rehearse else "--compile graphs")
    first, begun = min(key.seed for key in commands), time.monotonic()
    processes: list[subprocess.Popen[bytes]] = []

    def stop(number: int, frame: object) -> NoReturn:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait()
        sys.exit(75)

    signal.signal(signal.SIGTERM, stop)
    for key, (train, evaluate) in commands.items():
        if not rehearse:
            time.sleep(max(0.0, begun + SECONDS_APART * (key.seed - first) - time.monotonic()))
        command = f"{train} > /dev/null" if rehearse else f"{train} && {evaluate}"
        processes.append(subprocess.Popen(["bash", "-c", command], start_new_session=True))
    codes = [process.wait() for process in processes]
    return int(any(codes))


def same_noise(*size: int, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
    """Instead of torch.randn inside a network: the same numbers on every device and in every precision."""
    source = torch.Generator().manual_seed(math.prod(size))
    return torch.normal(0.0, 1.0, size, generator=source).to(device, dtype)


def gradients(losses: Losses, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Of D's loss with its penalties and of G's on the same batch: all parameters in one float64 vector on the CPU."""
    torch.manual_seed(0)  # where FastGAN's reconstructions are cropped
    source, size = torch.Generator().manual_seed(2), SIZES[SIZE]
    shape = (BATCH, size.image_channels, size.resolution, size.resolution)
    reals = torch.rand(*shape, generator=source, dtype=torch.float64) * 2 - 1
    z = torch.normal(0.0, 1.0, (BATCH, losses.networks[0].z_dim), generator=source)
    batch = Batch(reals=reals.to(device, dtype), z=z.to(device, dtype), labels=None)
    generator, discriminator = losses.networks
    total, _ = losses.discriminator(batch, torch.tensor(0.7, device=device, dtype=dtype))
    if losses.lazy:
        total = total + losses.lazy_penalty(batch, 0.7)[0]
    total.backward()
    discriminator.requires_grad_(False)
    losses.generator(batch)[0].backward()
    parameters = [*discriminator.parameters(), *generator.parameters()]
    return torch.cat([p.grad.double().cpu().flatten() for p in parameters if p.grad is not None])


def executions(name: str, mixed_precision: bool, device: torch.device) -> Iterator[tuple[str, str]]:
    """The precisions of a configuration on a device, and whether it is compiled: one is, since that takes a minute."""
    on_gpu = device.type == "cuda"
    for precision in ("fp32", *(["tf32"] if on_gpu else []), *(["bf16"] if mixed_precision else [])):
        yield precision, "off"
        if on_gpu and name == "E" and precision != "tf32":
            yield precision, "on"


def check_correctness(device: torch.device) -> int:
    """Every network, penalty and precision on `device` against float64 on the CPU; 1 if one is off."""
    measured, is_off = [], False
    for name in [name for name, config in CONFIGS.items() if SIZE in config.recipes]:
        config = CONFIGS[name]
        try:
            networks = build_networks(config, SIZE, 0)
        except UserError as missing:  # weights of a frozen feature network that are not installed
            print(f"not checked: {name}: {missing}", flush=True)
            continue
        for key, parameter in [item for network in networks for item in network.named_parameters()]:
            if "conv3" in key:  # zero at the start, which would hide a block's first layers
                torch.nn.init.normal_(parameter, std=0.1)
        for module in networks[0].modules():
            if isinstance(module, stylegan2.Generator):
                module.style_mixing_prob = 0.0  # which styles are mixed would differ
        limits = LIMITS_THROUGH_FEATURES if networks[1].frozen else LIMITS
        twins = [copy.deepcopy(network).double() for network in networks]
        with mock.patch.object(torch, "randn", same_noise):
            expected = gradients(Losses(config, *twins), torch.float64, torch.device("cpu"))
        for precision, compile_as in executions(name, networks[0].mixed_precision, device):
            torch.backends.cudnn.allow_tf32 = precision != "fp32"
            wanted = {"precision": "bf16" if precision == "bf16" else "fp32", "compile": compile_as}
            execution = choose_execution(config, networks[0], device, wanted)
            placed = [copy.deepcopy(network).to(device) for network in networks]
            for network in placed:
                execution.prepare(network, SIZES[SIZE])
                execution.set_layout(network)
            with mock.patch.object(torch, "randn", same_noise):
                found = gradients(Losses(config, *placed, compile_as=compile_as), torch.float32, device)
            error = float((found - expected).norm() / expected.norm())
            line = {"config": name, "precision": precision, "compile": compile_as, "relative_error": error}
            print("ok " if error < limits[precision] else "OFF", line, flush=True)
            is_off |= not error < limits[precision]  # also where it is not a number
            measured.append(line)
        if device.type == "cuda":  # after each, so that a run that is ended has written what it found
            content = {"measured": measured, "provenance": stamp(device.type, torch.get_num_threads())}
            write(
                Path("results/benchmarks") / hardware_name(device.type) / "correctness.json", made(Benchmark, content)
            )
    return int(is_off)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="stop before so many are over (default: 9)")
    parser.add_argument("--official", type=Path, metavar="CLONE", help="a clone of github.com/brownvc/R3GAN, timed too")
    parser.add_argument("--piece", choices=[piece.name for piece in pieces()], help="only this one")
    parser.add_argument("--dry-run", action="store_true", help="rehearse every piece on the CPU")
    parser.add_argument("--correctness", metavar="DEVICE", help="only compare gradients on cuda or cpu with float64")
    parser.add_argument("--ablation", action="store_true", help="only train and measure the loss ablation")
    arguments = parser.parse_args()
    if arguments.correctness:
        return check_correctness(torch.device(arguments.correctness))
    if arguments.ablation:
        return train_ablation(arguments.dry_run)
    if arguments.official:
        os.environ["OFFICIAL"] = str(arguments.official.resolve())
    return do_pieces(arguments.minutes, arguments.dry_run, arguments.piece)


if __name__ == "__main__":
    sys.exit(main())
