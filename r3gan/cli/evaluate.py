"""`evaluate`, `evaluate-snapshots`, `time-to-reach`: metrics of runs; alone, or as one of torchrun's ranks."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from r3gan.cli.arguments import (
    AddCommand,
    Parser,
    add_device,
    add_extractor_paths,
    check_classifier,
    choose_device,
    extractor_paths,
    open_data,
    positive,
)
from r3gan.errors import UserError, unknown
from r3gan.records.run_id import RunId


def add_commands(command: AddCommand) -> None:
    sub = command("evaluate", run_evaluate, "measure a trained run and write its record")
    add_plan(sub)
    words = "last, or best of a run trained with --keep-best (default: last)"
    sub.add_argument("--snapshot", default="last", metavar="WHICH", help=words)
    summary = "measure every snapshot of a run, and write its convergence curve"
    add_plan(command("evaluate-snapshots", run_evaluate_snapshots, summary))

    summary = "when a run first reaches the best of another, in images and in time"
    sub = command("time-to-reach", run_time_to_reach, summary)
    sub.add_argument("run", metavar="RUN", help="a run that `r3gan evaluate-snapshots` has measured")
    sub.add_argument("baseline", metavar="BASELINE", help="another, on the same data; its best is the target")
    sub.add_argument("--metric", required=True, metavar="NAME", help="one that both were measured with")
    sub.add_argument("--json", action="store_true", help="print JSON")


def add_plan(sub: Parser) -> None:
    """What is measured, and the paths of what that needs."""
    sub.add_argument("run", metavar="RUN", help="SCALE/DATASET/CONFIG/seedK, as below runs/")
    sub.add_argument("--data", type=Path, metavar="DIR", help="prepared data set (default: data/DATASET)")
    names = "from `r3gan list metrics` (default: none, samples only)"
    sub.add_argument("--metrics", nargs="+", default=[], metavar="NAME", help=names)
    sub.add_argument("--samples", type=positive(int), default=10_000, help="images per draw (default: 10000)")
    sub.add_argument("--draws", type=positive(int), default=1, help="number of draws, each with its seed (default: 1)")
    add_extractor_paths(sub)
    sub.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="METRIC=FILE[@SHA256]",
        help="statistics of the reals from an .npz file with mu and sigma instead of the data set",
    )
    add_device(sub)


def reference_file(text: str, metrics: list[str]) -> tuple[str, tuple[Path, str | None]]:
    """METRIC=FILE[@SHA256] as (metric, (file, sha256)); UserError where the metric cannot use it."""
    from r3gan.metrics import find_metric

    metric, equals, rest = text.partition("=")
    file, _, sha256 = rest.partition("@")
    if not equals or not file:
        raise UserError(f"--reference {text!r} is not of the form METRIC=FILE[@SHA256]")
    if metric not in metrics:
        raise UserError(f"--reference {metric}: not among --metrics {' '.join(metrics)}")
    if find_metric(metric).reals != "statistics":
        raise UserError(f"--reference {metric}: it is not computed from a mean and a covariance of reals")
    return metric, (Path(file), sha256 or None)


def run_evaluate(arguments: argparse.Namespace) -> None:
    from r3gan.metrics.evaluate import SNAPSHOTS, evaluate

    if arguments.snapshot not in SNAPSHOTS:
        raise unknown("--snapshot", arguments.snapshot, SNAPSHOTS)
    measure(arguments, evaluate)


def run_evaluate_snapshots(arguments: argparse.Namespace) -> None:
    from r3gan.metrics.convergence import evaluate_snapshots

    if not arguments.metrics:
        raise UserError("--metrics: name at least one, from `r3gan list metrics`")
    measure(arguments, evaluate_snapshots)


def measure(arguments: argparse.Namespace, how: Callable[..., object]) -> None:
    """Measure a run as the arguments say, as one of the ranks there are."""
    from r3gan.distributed import join_on_cpu
    from r3gan.metrics import find_metric
    from r3gan.metrics.evaluate import Plan
    from r3gan.training.memory import keep_freed_memory

    keep_freed_memory()
    _, name, *_ = run_parts(arguments.run)
    check_classifier("--metrics", arguments.metrics, arguments.classifier)
    for metric in map(find_metric, arguments.metrics):
        metric.check("fake", arguments.samples)
    plan = Plan(
        metrics=tuple(arguments.metrics),
        samples=arguments.samples,
        draws=arguments.draws,
        paths=extractor_paths(arguments),
        references=dict(reference_file(text, arguments.metrics) for text in arguments.reference),
        snapshot=getattr(arguments, "snapshot", "last"),
    )
    device = choose_device(arguments)
    dataset = open_data(arguments.data, name)
    world = join_on_cpu()
    try:
        how(Path("runs") / arguments.run, dataset, plan, Path("results") / arguments.run, device, world)
    finally:
        world.leave()


def run_parts(run: str) -> list[str]:
    """Scale, data set, configuration and seed; UserError where it is something else."""
    parts = run.split("/")
    if len(parts) != 4 or "" in parts or ".." in parts:
        raise UserError(f"RUN {run!r} is not of the form SCALE/DATASET/CONFIG/seedK")
    return parts


def run_time_to_reach(arguments: argparse.Namespace) -> None:
    from r3gan.records.store import Store
    from r3gan.tables.crossing import compare

    store, hint = Store(Path("results")), "run `r3gan evaluate-snapshots` for this run first"
    run, baseline = (store.convergence(RunId.parse(name), hint) for name in (arguments.run, arguments.baseline))
    found = compare(run, baseline, arguments.metric)
    print(json.dumps(found.as_json(), indent=1) if arguments.json else found)
