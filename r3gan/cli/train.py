"""`train`: one run, in this process or as several ranks."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.cli.arguments import (
    AddCommand,
    Parser,
    add_device,
    add_extractor_paths,
    check_classifier,
    check_device,
    choose_device,
    extractor_paths,
    open_data,
    positive,
    scale_name,
    seed_number,
)
from r3gan.errors import UserError, unknown
from r3gan.training import KEPT_CHECKPOINTS

if TYPE_CHECKING:
    import torch

    from r3gan.data.loader import Dataset
    from r3gan.distributed import World
    from r3gan.metrics.evaluate import Plan
    from r3gan.training.best import KeepBest
    from r3gan.training.loop import Options
    from r3gan.training.run import Run
    from r3gan.training.signals import StopRequests

OUTCOME = "outcome.json"  # file in the work folder, by the ranks for the process that started them


def add_commands(command: AddCommand) -> None:
    sub = command("train", run_train, "train one configuration on one data set with one seed")
    sub.add_argument("--config", required=True, help="a name from `r3gan list configs`")
    sub.add_argument("--dataset", required=True, help="a data set the configuration has a recipe for")
    sub.add_argument("--seed", type=seed_number, default=0, help="of weights, z and data order (default: 0)")
    sub.add_argument("--scale", type=scale_name, default="own", help="folder the run is filed under (default: own)")
    sub.add_argument(
        "--total-kimg", type=positive(float), help="thousands of reals to train on (default: the recipe's)"
    )
    sub.add_argument("--data", type=Path, metavar="DIR", help="prepared data set (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="default: runs/SCALE/DATASET/CONFIG/seedK")
    sub.add_argument("--tensorboard", action="store_true", help="also write the curve to work/RUN/tensorboard")
    sub.add_argument(
        "--snapshot-kimg", type=positive(float), metavar="KIMG", help="store G this often, for `r3gan converge`"
    )
    sub.add_argument(
        "--init-from", metavar="WHAT", help="fine-tune: a RUN below runs/, a .safetensors file of G, or `released`"
    )
    sub.add_argument(
        "--overwrite", action="store_true", help="replace a finished run of another recipe, data set, code or length"
    )
    sub.add_argument(
        "--discard-final", action="store_true", help="do not keep the last state, from which a longer run can go on"
    )
    add_best(sub)
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration as JSON and stop")
    sub.add_argument(
        "--check-determinism",
        type=positive(int),
        metavar="N",
        help="train N steps twice and compare; write nothing (exit code 1 if they differ)",
    )
    add_device(sub)
    add_execution(sub)


def add_best(sub: Parser) -> None:
    """Options that keep the best G; they do not change what is trained."""
    best = sub.add_argument_group("keeping the best G in addition to the last, for `r3gan evaluate --snapshot best`")
    best.add_argument("--keep-best", metavar="METRIC", help="measure every snapshot, keep only the best")
    best.add_argument("--best-samples", type=positive(int), default=10_000, metavar="N", help="images (default: 10000)")
    add_extractor_paths(best)


def add_execution(sub: Parser) -> None:
    """Options that do not change what is trained."""
    kept = sub.add_argument_group("stopping and resuming: the same command continues from the newest checkpoint")
    kept.add_argument("--checkpoint-seconds", type=positive(float), default=600.0, metavar="S", help="default: 600")
    kept.add_argument(
        "--keep-checkpoints", type=positive(int), default=KEPT_CHECKPOINTS, metavar="K", help="default: %(default)s"
    )
    ranks = sub.add_argument_group("several processes (the global batch does not change)")
    ranks.add_argument("--launcher", default="local", help="local, torchrun, deepspeed or srun (default: local)")
    ranks.add_argument("--ranks", type=positive(int), default=1, metavar="N", help="one process per GPU (default: 1)")
    ranks.add_argument("--hostfile", type=Path, metavar="FILE", help="hosts of several machines, for deepspeed")
    ranks.add_argument("--engine", default="auto", help="torch or deepspeed (default: deepspeed for several ranks)")
    ranks.add_argument("--zero", type=int, default=0, metavar="STAGE", help="DeepSpeed ZeRO 0, 1 or 2 (default: 0)")
    ranks.add_argument(
        "--micro-batch", type=positive(int), metavar="M", help="images per pass (default: as many as fit into memory)"
    )
    ranks.add_argument("--rank-of", help=argparse.SUPPRESS)
    speed = sub.add_argument_group("how it is computed (defaults depend on the device)")
    speed.add_argument("--layout", help="nchw or channels-last")
    speed.add_argument("--precision", help="fp32, or bf16 at the resolutions of the paper")
    speed.add_argument("--compile", help="on, off, or graphs (CUDA graphs)")
    speed.add_argument("--adam", help="foreach or fused")


def run_train(arguments: argparse.Namespace) -> int:
    from r3gan.configs import find_config
    from r3gan.training import launch
    from r3gan.training.batching import share_of
    from r3gan.training.run import Run

    config = find_config(arguments.config)
    recipe = config.recipe(arguments.dataset)
    if arguments.total_kimg:
        recipe = replace(recipe, total_kimg=arguments.total_kimg)
    run = Run(
        scale=arguments.scale,
        config_name=arguments.config,
        config=config,
        recipe=recipe,
        dataset=arguments.dataset,
        seed=arguments.seed,
    )
    if arguments.dry_run:
        print(json.dumps(run.describe(), indent=1))
        return 0
    check_choices(arguments)
    ranks = launch.Launch(launcher=arguments.launcher, ranks=arguments.ranks, hostfile=arguments.hostfile)
    launch.check(ranks)
    dataset = open_data(arguments.data, arguments.dataset)
    share_of(recipe.batch, arguments.ranks, micro=arguments.micro_batch)  # refused here, before any rank is started
    outcome = work_folder(run) / OUTCOME
    if arguments.rank_of == "srun":
        launch.adopt_slurm_rank()
    if arguments.rank_of:
        return launch.as_rank(outcome, lambda: train_rank(arguments, run, dataset))
    if arguments.launcher == "local":
        return train_rank(arguments, run, dataset)
    refuse_missing_gpus(arguments)
    if is_done(arguments, run, dataset):
        return 0
    open_best(arguments)
    outcome.parent.mkdir(parents=True, exist_ok=True)
    return launch.run_ranks(ranks, sys.argv[1:], outcome)


def work_folder(run: Run) -> Path:
    return Path("work") / run.id


def is_done(arguments: argparse.Namespace, run: Run, dataset: Dataset) -> bool:
    """Whether nothing is left to train, which is found out before ranks are started, and before what they need."""
    from r3gan.training.loop import already_trained

    options = plain_options(arguments, run, choose_device(arguments))
    return already_trained(run, dataset, options, arguments.keep_best) is not None


def plain_options(arguments: argparse.Namespace, run: Run, device: torch.device) -> Options:
    """How this process trains the run, if alone."""
    from r3gan.pipeline.code import code_of_stage
    from r3gan.training.execution import CHOICES
    from r3gan.training.loop import Options
    from r3gan.training.start import open_start

    return Options(
        out=arguments.out or Path("runs") / run.id,
        work=work_folder(run),
        device=device,
        wanted={name: getattr(arguments, name) for name in CHOICES},
        micro_batch=arguments.micro_batch,
        checkpoint_seconds=arguments.checkpoint_seconds,
        keep_checkpoints=arguments.keep_checkpoints,
        snapshot_kimg=arguments.snapshot_kimg,
        tensorboard=arguments.tensorboard,
        start=open_start(arguments.init_from, run) if arguments.init_from else None,
        overwrite=arguments.overwrite,
        discard_final=arguments.discard_final,
        code=code_of_stage("train"),
        launch=os.environ.get("R3GAN_LAUNCH", ""),
    )


def check_choices(arguments: argparse.Namespace) -> None:
    """UserError where options are not possible, as far as can be checked without torch."""
    check_device(arguments)
    if arguments.engine not in ("auto", "torch", "deepspeed"):
        raise unknown("--engine", arguments.engine, ("torch", "deepspeed", "auto"))
    if arguments.zero not in (0, 1, 2):
        reason = " (3 shards the parameters that the penalties' extra passes need)" if arguments.zero == 3 else ""
        raise UserError(f"--zero {arguments.zero} is not possible{reason}; allowed: 0, 1, 2")
    if arguments.keep_best:
        if not arguments.snapshot_kimg:
            raise UserError("--keep-best needs --snapshot-kimg KIMG, how often G is measured")
        check_classifier("--keep-best", [arguments.keep_best], arguments.classifier)


def refuse_missing_gpus(arguments: argparse.Namespace) -> None:
    """UserError where this machine has fewer GPUs than ranks to start."""
    elsewhere = arguments.launcher == "srun" or arguments.hostfile
    if not elsewhere and choose_device(arguments).type == "cuda":
        import torch

        if torch.cuda.device_count() < arguments.ranks:
            raise UserError(f"--ranks {arguments.ranks}: this machine has {torch.cuda.device_count()} GPUs")


def plan_of_best(arguments: argparse.Namespace) -> Plan:
    """How snapshots are measured."""
    from r3gan.metrics.evaluate import Plan

    return Plan(metrics=(arguments.keep_best,), samples=arguments.best_samples, paths=extractor_paths(arguments))


def open_best(arguments: argparse.Namespace) -> None:
    """Fetch what measuring needs, or refuse it, before any rank is started."""
    if arguments.keep_best:
        import torch

        from r3gan.metrics.evaluate import open_networks

        open_networks(plan_of_best(arguments), torch.device("cpu"))


def best_of(arguments: argparse.Namespace, dataset: Dataset, device: torch.device, world: World) -> KeepBest | None:
    """What measures this run's snapshots, as `converge` would on its first draw; None without --keep-best."""
    if not arguments.keep_best:
        return None
    from r3gan.metrics import find_metric
    from r3gan.metrics.evaluate import Measurement
    from r3gan.training.best import KeepBest

    metric = arguments.keep_best
    measurement = Measurement.prepare(plan_of_best(arguments), dataset, device, world)
    return KeepBest(
        metric=metric,
        sort_key=find_metric(metric).sort_key,
        samples=arguments.best_samples,
        score=lambda generator: measurement.score(generator, 0, metric)[metric],
    )


def train_rank(arguments: argparse.Namespace, run: Run, dataset: Dataset) -> int:
    """Train as one rank of a run, or alone."""
    from r3gan.training.signals import REQUEUE, Stopped, StopRequests

    with StopRequests(follow_parent=bool(arguments.rank_of)) as requests:
        try:
            return train_until_asked(arguments, run, dataset, requests)
        except Stopped as stopped:
            if arguments.rank_of:
                raise
            print(f"r3gan train: {stopped} (exit code {REQUEUE})", file=sys.stderr, flush=True)
            return REQUEUE


def train_until_asked(arguments: argparse.Namespace, run: Run, dataset: Dataset, requests: StopRequests) -> int:
    from r3gan.distributed import ALONE
    from r3gan.training.determinism import check_determinism
    from r3gan.training.engine import choose_zero_stage, join_deepspeed
    from r3gan.training.loop import already_trained, train
    from r3gan.training.signals import Stopped

    device = choose_device(arguments)
    options = plain_options(arguments, run, device)
    if steps := arguments.check_determinism:
        difference = check_determinism(run, dataset, device, options.wanted, steps)
        print(difference or f"{run.id}: {steps} steps trained twice are bit for bit the same")
        return 1 if difference else 0
    if not arguments.rank_of and already_trained(run, dataset, options, arguments.keep_best):
        return 0
    zero_stage = choose_zero_stage(arguments.engine, arguments.zero)
    world = ALONE if zero_stage is None else join_deepspeed(device)
    best = best_of(arguments, dataset, device, world)
    options = replace(options, world=world, zero_stage=zero_stage, keep_best=best, requests=requests)
    try:
        train(run, dataset, options)
    except Stopped:
        world.leave()
        raise
    world.leave()
    return 0
