"""The other stages: `fit`, `toys`, `table`."""

import argparse
from pathlib import Path

from r3gan.cli.arguments import AddCommand, open_prepared, positive, scale_name, seed_number


def add_commands(command: AddCommand) -> None:
    sub = command("fit", run_fit, "train the digit classifier that the offline metrics use")
    sub.add_argument("dataset", metavar="DATASET", help="a prepared data set of single digits, such as mnist5k-16")
    sub.add_argument("--data", type=Path, metavar="DIR", help="its folder (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: runs/classifier/DATASET)")

    sub = command("toys", run_toys, "train small networks on 2-D data with every objective and penalty")
    sub.add_argument("scale", metavar="SCALE", type=scale_name, help="the record is results/SCALE/toys.json")
    sub.add_argument("--steps", type=positive(int), default=3000, metavar="N", help="default: 3000")
    sub.add_argument("--batch", type=positive(int), default=128, metavar="N", help="default: 128")
    sub.add_argument("--gammas", type=positive(float), nargs="+", default=[1.0], metavar="G", help="default: 1")
    sub.add_argument("--intervals", type=positive(int), nargs="+", default=[1, 8], metavar="K", help="default: 1 8")
    sub.add_argument("--seeds", type=seed_number, nargs="+", default=[0], metavar="S", help="default: 0")
    sub.add_argument("--threads", type=positive(int), default=1, metavar="N", help="CPU threads (default: 1)")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")

    sub = command("table", run_table, "write a table from the records there are: Markdown, CSV, JSON, pictures")
    sub.add_argument("table", metavar="TABLE", help="a name from `r3gan list tables`")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    sub.add_argument(
        "--scale",
        type=scale_name,
        help="only this scale's records, into its folder below --results (default: every scale)",
    )
    sub.add_argument("--print", action="store_true", dest="show", help="also print the Markdown")


def run_fit(arguments: argparse.Namespace) -> None:
    from r3gan.data.sources import find_source

    find_source(arguments.dataset)
    import torch

    from r3gan.metrics.classifier import fit

    torch.set_num_threads(1)  # a small network; the same result on every machine with the same processor
    fit(
        open_prepared(arguments.data or Path("data") / arguments.dataset),
        arguments.out or Path("runs/classifier") / arguments.dataset,
    )


def run_toys(arguments: argparse.Namespace) -> None:
    import torch

    from r3gan.records.store import write
    from r3gan.toys import Plan, run

    torch.set_num_threads(arguments.threads)
    lists = {name: tuple(dict.fromkeys(getattr(arguments, name))) for name in ("gammas", "intervals", "seeds")}
    plan = Plan(scale=arguments.scale, steps=arguments.steps, batch=arguments.batch, **lists)
    path = arguments.results / arguments.scale / "toys.json"
    write(path, run(plan))
    print(f"wrote {path}")


def run_table(arguments: argparse.Namespace) -> None:
    from r3gan.tables.write import write_table

    path = write_table(arguments.table, arguments.results, arguments.scale)
    print(path.read_text(encoding="utf-8") if arguments.show else f"wrote {path}")
