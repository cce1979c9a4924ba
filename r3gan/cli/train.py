"""`train`: one run, in this process or as several ranks."""

from __future__ import annotations

import argparse
import hashlib
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

    from r3gan.configs import Config, Recipe
    from r3gan.configs.derive import PreparedSet
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
    sub.add_argument("--dataset", required=True, help="a prepared data set; without a preset a recipe is derived")
    sub.add_argument("--seed", type=seed_number, default=0, help="of weights, z and data order (default: 0)")
    sub.add_argument("--scale", type=scale_name, default="own", help="folder the run is filed under (default: own)")
    sub.add_argument(
        "--total-kimg", type=positive(float), help="thousands of reals to train on (default: the recipe's)"
    )
    sub.add_argument(
        "--set", nargs="+", type=setting, default=[], dest="settings", metavar="NAME=VALUE",
        help="change fields of the recipe or of the networks: --set gamma=10 lr=0.004,0.0003 penalty_interval=8; "
        "what follows a dot in --config names such a variant",
    )  # fmt: skip
    add_recipe(sub)
    sub.add_argument("--data", type=Path, metavar="DIR", help="prepared data set (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="default: runs/SCALE/DATASET/CONFIG/seedK")
    sub.add_argument(
        "--track", nargs="+", default=os.environ.get("R3GAN_TRACK", "").split(), metavar="NAME",
        help="show the curve while it trains: tensorboard, dvclive, mlflow, wandb (default: $R3GAN_TRACK)",
    )  # fmt: skip
    sub.add_argument(
        "--snapshot-kimg", type=positive(float), metavar="KIMG", help="store G this often, to be measured later"
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


def setting(text: str) -> tuple[str, object]:
    """NAME=VALUE, or NAME=FIRST,LAST of a schedule; each value as JSON or else as a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError
    values = [json_or_word(word) for word in value.split(",")]
    return name, values if len(values) > 1 else values[0]


def json_or_word(word: str) -> object:
    try:
        return json.loads(word)
    except json.JSONDecodeError:
        return word


setting.__name__ = "setting (NAME=VALUE)"


def add_recipe(sub: Parser) -> None:
    """Options that replace values of the preset, or of what is derived from the presets (r3gan/configs/derive.py)."""
    recipe = sub.add_argument_group("values in place of the preset's or the derived ones (docs/own.md)")
    recipe.add_argument("--width", type=positive(float), metavar="W", help="all widths times W, such as 0.125")
    recipe.add_argument("--batch", type=positive(int), metavar="N", help="images of a step, over all ranks")
    recipe.add_argument("--gamma", type=positive(float), metavar="G", help="first weight of the gradient penalties")
    recipe.add_argument("--lr", type=positive(float), help="first learning rate")
    recipe.add_argument("--burn-in-kimg", type=positive(float), metavar="KIMG", help="length of the schedules")
    recipe.add_argument("--augment-p", type=probability, metavar="P", help="last probability of an augmentation")
    recipe.add_argument("--xflip", action=argparse.BooleanOptionalAction, help="mirrored pictures too")
    recipe.add_argument("--unconditional", action="store_true", help="ignore the labels")


OPTIONS_OF_RECIPE = ("batch", "gamma", "lr", "burn_in_kimg", "augment_p", "xflip")


def probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


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
    from r3gan.training import launch
    from r3gan.training.batching import share_of
    from r3gan.training.run import Run

    config, recipe = resolve(arguments)
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
    outcome = work_folder(run, arguments.out) / OUTCOME
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


def resolve(arguments: argparse.Namespace) -> tuple[Config, Recipe]:
    """The configuration and the recipe that the arguments ask for; what is derived for a data set is printed."""
    from r3gan.configs import derive, find_config

    config, name = find_config(arguments.config), arguments.dataset
    data = None
    if name not in config.recipes:
        data = prepared_set(open_data(arguments.data, name))
        given = derive.Given(
            width=arguments.width or 1.0,
            batch=arguments.batch,
            burn_in_kimg=arguments.burn_in_kimg,
            unconditional=arguments.unconditional,
        )
        config = derive.derived(config, data, given)
    config = derive.resized(config, name, width=arguments.width, unconditional=arguments.unconditional)
    options = {option: getattr(arguments, option) for option in OPTIONS_OF_RECIPE}
    settings = derive.settings_of(config, name, options) | dict(arguments.settings)
    config, recipe = config.changed(name, settings)
    if arguments.total_kimg:
        recipe = replace(recipe, total_kimg=arguments.total_kimg)
    if data and not arguments.dry_run and not arguments.rank_of:
        print(derive.explain(config, recipe, data), flush=True)
    return config, recipe


def prepared_set(dataset: Dataset) -> PreparedSet:
    """What the manifest says of a data set, for derive.py; UserError where there are too few images to train on."""
    from r3gan.configs.derive import LEAST_COUNT, PreparedSet

    manifest = dataset.manifest
    if manifest["count"] < LEAST_COUNT:
        raise UserError(f"data set {dataset.name} has {manifest['count']} images, and training needs {LEAST_COUNT}")
    channels, resolution, _ = manifest["shape"]
    classes = manifest["classes"] if manifest["classes"] > 1 else 0
    return PreparedSet(
        name=dataset.name, resolution=resolution, channels=channels, classes=classes, count=manifest["count"]
    )


def work_folder(run: Run, out: Path | None) -> Path:
    """Where checkpoints lie: a run with --out has its own, else it would go on from the state of the run elsewhere."""
    return Path("work") / name_of(run, out)


def name_of(run: Run, out: Path | None) -> str:
    """The run's id, with more after it where --out keeps it elsewhere."""
    return f"{run.id}/out-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:8]}" if out else run.id


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
        work=work_folder(run, arguments.out),
        device=device,
        wanted={name: getattr(arguments, name) for name in CHOICES},
        micro_batch=arguments.micro_batch,
        checkpoint_seconds=arguments.checkpoint_seconds,
        keep_checkpoints=arguments.keep_checkpoints,
        snapshot_kimg=arguments.snapshot_kimg,
        track=tuple(dict.fromkeys(arguments.track)),
        track_as=name_of(run, arguments.out),
        start=open_start(arguments.init_from, run) if arguments.init_from else None,
        overwrite=arguments.overwrite,
        discard_final=arguments.discard_final,
        code=code_of_stage("train"),
        launch=os.environ.get("R3GAN_LAUNCH", ""),
    )


def check_choices(arguments: argparse.Namespace) -> None:
    """UserError where options are not possible, as far as can be checked without torch."""
    from r3gan.training import trackers

    check_device(arguments)
    trackers.check(arguments.track)
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
    """What measures this run's snapshots, as `evaluate-snapshots` would on its first draw; None without --keep-best."""
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
