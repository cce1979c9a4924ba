"""The `r3gan` command: one sub-command a stage, and a few that show what there is.

Each `run_...` function imports what it needs, so that `--help` and `list` answer without torch.
"""

import argparse
import errno
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from r3gan import __version__
from r3gan.errors import UserError, unknown

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
EPILOG = """\
a first look:
  r3gan list configs                 what can be trained
  r3gan params E                     how large it is in the paper
  r3gan train --config E-inverted --dataset stackedmnist5k-16 --dry-run
                                     what a run would do
the whole of Table 1, in dependency order:
  snakemake --cores all results/table1.md
"""


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"
    return parse


def seed_number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


def scale_name(text: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9]*", text):
        raise ValueError
    return text


scale_name.__name__ = "scale (lower-case letters and digits)"
seed_number.__name__ = "seed (0 to 2^32 - 1)"


class Parser(argparse.ArgumentParser):
    """argparse with our shape of error: one sentence, exit code 2."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def build_parser() -> Parser:
    parser = Parser(
        prog="r3gan",
        description="Reproduce the tables of R3GAN and Projected GAN: prepare, train, evaluate, tabulate.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"r3gan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def command(name: str, function: Callable[[argparse.Namespace], int | None], summary: str) -> Parser:
        sub: Parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        sub.set_defaults(function=function)
        return sub

    sub = command("list", run_list, "show the configurations, data sets, metrics or tables there are")
    sub.add_argument("what", metavar="KIND", help="configs, datasets, metrics or tables")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command("params", run_params, "count the parameters of a configuration at its paper sizes")
    sub.add_argument("config", metavar="CONFIG", help="a name from `r3gan list configs`")
    sub.add_argument("--dataset", help="only at this data set's size (any size, also smoke)")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command("prepare", run_prepare, "download or read a data set and write its arrays and manifest")
    sub.add_argument("dataset", metavar="DATASET", help="a name from `r3gan list datasets`")
    sub.add_argument("--source", type=Path, metavar="PATH", help="your copy, for data sets that must be supplied")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: data/DATASET)")

    sub = command("fit", run_fit, "train the digit classifier that the offline metrics use")
    sub.add_argument("dataset", metavar="DATASET", help="a prepared data set of single digits, such as mnist5k-16")
    sub.add_argument("--data", type=Path, metavar="DIR", help="its folder (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: runs/classifier/DATASET)")

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
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration as JSON and stop")
    sub.add_argument(
        "--check-determinism",
        type=positive(int),
        metavar="N",
        help="train N steps twice, name the first that differs, write nothing (exit code 1 if one does)",
    )
    add_device(sub)
    kept = sub.add_argument_group("stopping and going on; the same command continues the newest checkpoint")
    kept.add_argument("--checkpoint-seconds", type=positive(float), default=600.0, metavar="S", help="default: 600")
    sub.add_argument("--tensorboard", action="store_true", help="also write the curve to work/RUN/tensorboard")
    kept.add_argument("--keep-checkpoints", type=positive(int), default=2, metavar="K", help="the last K (default: 2)")
    ranks = sub.add_argument_group("several processes; the batch stays the recipe's")
    ranks.add_argument("--launcher", default="local", help="local, torchrun, deepspeed or srun (default: local)")
    ranks.add_argument("--ranks", type=positive(int), default=1, metavar="N", help="processes, one a GPU (default: 1)")
    ranks.add_argument("--hostfile", type=Path, metavar="FILE", help="hosts of several machines, for deepspeed")
    ranks.add_argument("--engine", default="auto", help="torch or deepspeed (default: deepspeed for several ranks)")
    ranks.add_argument("--zero", type=int, default=0, metavar="STAGE", help="DeepSpeed ZeRO 0, 1 or 2 (default: 0)")
    ranks.add_argument("--micro-batch", type=positive(int), metavar="M", help="images at once (default: what fits)")
    ranks.add_argument("--rank-of", help=argparse.SUPPRESS)
    speed = sub.add_argument_group("how it is computed (defaults: what suits the device)")
    speed.add_argument("--layout", help="nchw or channels-last")
    speed.add_argument("--precision", help="fp32, or bf16 in the paper's resolutions")
    speed.add_argument("--compile", help="on or off")
    speed.add_argument("--adam", help="foreach or fused")

    sub = command("evaluate", run_evaluate, "measure a trained run and write its record")
    sub.add_argument("run", metavar="RUN", help="SCALE/DATASET/CONFIG/seedK, as below runs/")
    sub.add_argument("--data", type=Path, metavar="DIR", help="prepared data set (default: data/DATASET)")
    sub.add_argument("--classifier", metavar="DATASET", help="what `r3gan fit` was given; all metrics of today need it")
    sub.add_argument(
        "--metrics",
        nargs="+",
        default=[],
        metavar="NAME",
        help="from `r3gan list metrics` (default: none, samples only)",
    )
    sub.add_argument("--samples", type=positive(int), default=10_000, help="images to draw (default: 10000)")
    add_device(sub)

    sub = command(
        "import-released", run_import_released, "turn the authors' snapshot into a run, executing nothing in it"
    )
    sub.add_argument("file", metavar="FILE", type=Path, help="network-snapshot-....pkl")
    sub.add_argument("--dataset", required=True, help="the preset it belongs to, such as cifar10")

    sub = command("table", run_table, "write a table from the records there are: Markdown, CSV, JSON, pictures")
    sub.add_argument("table", metavar="TABLE", help="a name from `r3gan list tables`")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    sub.add_argument("--print", action="store_true", dest="show", help="also print the Markdown")

    sub = command("fingerprint", run_fingerprint, "write what the stages of a study depend on besides files (for DVC)")
    sub.add_argument("study", metavar="STUDY", type=Path, help="a study file, such as pipelines/study/smoke.yaml")
    sub.add_argument("--out", type=Path, metavar="FILE", required=True, help="YAML file to write")
    return parser


def add_device(sub: Parser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto, a GPU where there is one)")
    sub.add_argument("--threads", type=positive(int), help="CPU threads (default: all cores)")


def check_device(arguments: argparse.Namespace) -> None:
    if arguments.device not in ("auto", "cpu", "cuda"):
        raise unknown("--device", arguments.device, ("auto", "cpu", "cuda"))


def choose_device(arguments: argparse.Namespace) -> Any:
    """The torch device that --device asks for, with --threads set."""
    check_device(arguments)
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no usable GPU; use --device cpu or auto")
    if arguments.device == "auto":
        arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # the rank's own, where a launcher started it
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(arguments.device)


def run_list(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from r3gan import metrics, tables
    from r3gan.configs import CONFIGS
    from r3gan.data import sources

    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "configs": lambda: [
            {"name": name, "title": c.title, "summary": c.summary, "datasets": list(c.recipes)}
            for name, c in CONFIGS.items()
        ],
        "datasets": lambda: [
            {"name": name, "title": s.title, "images": s.count, "supply": "yours" if s.needs_source else "packaged"}
            for name, s in sources.SOURCES.items()
        ],
        "metrics": lambda: [{"name": name} | metrics.describe(name) for name in metrics.METRICS],
        "tables": lambda: [{"name": name, "title": t.title, "made of": t.made_of} for name, t in tables.TABLES.items()],
    }
    if arguments.what not in kinds:
        raise unknown("kind", arguments.what, kinds)
    entries = kinds[arguments.what]()
    if arguments.json:
        print(json.dumps(entries, indent=1))
        return
    rows = [{k: ", ".join(v) if isinstance(v, list) else v for k, v in entry.items()} for entry in entries]
    print(tabulate(rows, headers="keys", tablefmt="simple", maxcolwidths=[None, 40, 60, 60][: len(rows[0])]))


def run_params(arguments: argparse.Namespace) -> None:
    from r3gan.configs import SIZES, find_config
    from r3gan.counts import count_parameters

    config = find_config(arguments.config)
    if arguments.dataset and arguments.dataset not in SIZES:
        raise unknown("data set", arguments.dataset, SIZES)
    datasets = (arguments.dataset,) if arguments.dataset else config.paper_sizes()
    counts = [{"config": arguments.config, "dataset": name} | count_parameters(config, name) for name in datasets]
    if arguments.json:
        print(json.dumps(counts, indent=1))
        return
    print(f"{'data set':20s} {'G':>13s} {'D':>13s}")
    for count in counts:
        print(f"{count['dataset']:20s} {count['g_params']:>13,d} {count['d_params']:>13,d}")


def run_prepare(arguments: argparse.Namespace) -> None:
    from r3gan.data.build import prepare

    prepare(arguments.dataset, arguments.source, arguments.out or Path("data") / arguments.dataset)


def run_fit(arguments: argparse.Namespace) -> None:
    from r3gan.data.sources import find_source

    find_source(arguments.dataset)
    import torch

    from r3gan.data.loader import open_dataset
    from r3gan.metrics.classifier import fit

    torch.set_num_threads(1)  # a small network; the same result on every machine with the same processor
    fit(
        open_dataset(arguments.data or Path("data") / arguments.dataset),
        arguments.out or Path("runs/classifier") / arguments.dataset,
    )


def run_train(arguments: argparse.Namespace) -> int:
    from r3gan.configs import find_config

    config = find_config(arguments.config)
    recipe = config.recipe(arguments.dataset)
    if arguments.total_kimg:
        recipe = replace(recipe, total_kimg=arguments.total_kimg)
    from r3gan.training.run import Run

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
    check_device(arguments)
    if arguments.engine not in ("auto", "torch", "deepspeed"):
        raise unknown("--engine", arguments.engine, ("torch", "deepspeed", "auto"))
    if arguments.zero not in (0, 1, 2):
        reason = " (3 shards the parameters that the penalties' extra passes need)" if arguments.zero == 3 else ""
        raise UserError(f"--zero {arguments.zero} is not possible{reason}; allowed: 0, 1, 2")
    from r3gan.training import launch

    ranks = launch.Launch(launcher=arguments.launcher, ranks=arguments.ranks, hostfile=arguments.hostfile)
    launch.check(ranks)
    work = Path("work") / run.id
    from r3gan.data.loader import open_dataset

    dataset = open_dataset(arguments.data or Path("data") / arguments.dataset)
    from r3gan.training.batching import share_of

    share_of(recipe.batch, arguments.ranks, micro=arguments.micro_batch)  # refused here rather than in every rank
    if arguments.launcher != "local" and not arguments.rank_of:
        refuse_missing_gpus(arguments)
        work.mkdir(parents=True, exist_ok=True)
        return launch.run_ranks(ranks, sys.argv[1:], work / "exit-code")
    if arguments.rank_of == "srun":
        launch.adopt_slurm_rank()
    device = choose_device(arguments)
    return train_rank(arguments, run, dataset, work, device)


def refuse_missing_gpus(arguments: argparse.Namespace) -> None:
    """UserError where this machine has fewer GPUs than it is asked to start ranks for."""
    elsewhere = arguments.launcher == "srun" or arguments.hostfile
    if not elsewhere and choose_device(arguments).type == "cuda":
        import torch

        if torch.cuda.device_count() < arguments.ranks:
            raise UserError(f"--ranks {arguments.ranks}: this machine has {torch.cuda.device_count()} GPUs")


def train_rank(arguments: argparse.Namespace, run: Any, dataset: Any, work: Path, device: Any) -> int:
    """Train as one rank of a run, or as all of it."""
    from r3gan import fingerprint
    from r3gan.training.engine import join_world
    from r3gan.training.execution import CHOICES
    from r3gan.training.loop import Options, train
    from r3gan.training.signals import REQUEUE, Stopped

    wanted = {name: getattr(arguments, name) for name in CHOICES}
    if arguments.check_determinism:
        from r3gan.training.determinism import check_determinism

        difference = check_determinism(run, dataset, device, wanted, arguments.check_determinism)
        print(difference or f"{run.id}: {arguments.check_determinism} steps, twice, bit for bit the same")
        return 1 if difference else 0
    world = join_world(arguments.engine, arguments.zero, device)
    options = Options(
        out=arguments.out or Path("runs") / run.id,
        work=work,
        device=device,
        world=world,
        wanted=wanted,
        micro_batch=arguments.micro_batch,
        checkpoint_seconds=arguments.checkpoint_seconds,
        keep_checkpoints=arguments.keep_checkpoints,
        tensorboard=arguments.tensorboard,
        code=fingerprint.code("train"),
        launch=os.environ.get("R3GAN_LAUNCH", ""),
    )
    try:
        train(run, dataset, options)
    except Stopped as stopped:
        if world.leads:
            print(f"r3gan train: {stopped} (exit code {REQUEUE})", file=sys.stderr, flush=True)
            (work / "exit-code").write_text(str(REQUEUE), encoding="ascii")
        return REQUEUE
    finally:
        world.leave()
    return 0


def run_evaluate(arguments: argparse.Namespace) -> None:
    from r3gan.metrics import find_metric

    parts = arguments.run.split("/")
    if len(parts) != 4 or "" in parts or ".." in parts:
        raise UserError(f"RUN {arguments.run!r} is not of the form SCALE/DATASET/CONFIG/seedK")
    for name in arguments.metrics:
        find_metric(name)
    if arguments.metrics and not arguments.classifier:
        raise UserError(f"--metrics {arguments.metrics[0]} needs --classifier, the data set that `r3gan fit` was given")
    device = choose_device(arguments)
    from r3gan.data.loader import open_dataset
    from r3gan.metrics.evaluate import evaluate

    evaluate(
        Path("runs") / arguments.run,
        open_dataset(arguments.data or Path("data") / parts[1]),
        Path("runs/classifier") / arguments.classifier if arguments.classifier else None,
        arguments.metrics,
        arguments.samples,
        Path("results") / arguments.run,
        device,
    )


def run_import_released(arguments: argparse.Namespace) -> None:
    from r3gan.released import import_released

    out = import_released(arguments.file, arguments.dataset, Path("runs"))
    print(f"wrote {out}")


def run_table(arguments: argparse.Namespace) -> None:
    from r3gan.study import read_all_studies
    from r3gan.tables import (
        ComparisonTable,
        ParameterFigure,
        PresetTable,
        PropositionTable,
        SpeedTable,
        find_table,
    )

    name, table, results = arguments.table, find_table(arguments.table), arguments.results
    match table:
        case PropositionTable():
            from r3gan.tables.propositions import write_propositions

            write_propositions(name, table, results)
        case PresetTable():
            from r3gan.tables.presets import write_presets

            write_presets(name, table, results)
        case ComparisonTable():
            from r3gan.tables.comparison import write_comparison

            write_comparison(name, table, read_all_studies(), results)
        case ParameterFigure():
            from r3gan.tables.comparison import write_parameter_figure

            write_parameter_figure(name, table, read_all_studies(), results)
        case SpeedTable():
            from r3gan.tables.speed import write_speed_table

            write_speed_table(name, table, results)
        case _:
            from r3gan.tables.build import build
            from r3gan.tables.render import write_table

            write_table(build(name, table, read_all_studies(), results), results)
    path = arguments.results / f"{arguments.table}.md"
    print(path.read_text(encoding="utf-8") if arguments.show else f"wrote {path}")


def run_fingerprint(arguments: argparse.Namespace) -> None:
    import yaml

    from r3gan.files import write_text
    from r3gan.fingerprint import of_study
    from r3gan.workflow import checked_study

    write_text(arguments.out, yaml.safe_dump(of_study(checked_study(arguments.study))))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 2 a mistake that the user can mend, 75 stopped and saved, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.function(arguments) or 0
    except UserError as error:
        print(f"r3gan {arguments.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        where = error.filename or "a file"
        print(f"r3gan {arguments.command}: {where} cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
