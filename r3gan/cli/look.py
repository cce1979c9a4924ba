"""`list` and `params`: what there is."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from r3gan.cli.arguments import AddCommand
from r3gan.errors import UserError, unknown

ONLY_IN_JSON = ("protocol", "features")  # too long for a line


def add_commands(command: AddCommand) -> None:
    sub = command("list", run_list, "show the configurations, data sets, metrics or tables there are")
    sub.add_argument("what", metavar="KIND", help="configs, datasets, metrics or tables")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--markdown", action="store_true", help="print docs/datasets.md (data sets only)")

    sub = command("params", run_params, "count the parameters of a configuration at its paper sizes")
    sub.add_argument("config", metavar="CONFIG", help="a name from `r3gan list configs`")
    sub.add_argument("--dataset", help="only at this data set's size (any size, also smoke)")
    sub.add_argument("--json", action="store_true", help="print JSON")


def run_list(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from r3gan import metrics
    from r3gan.configs import CONFIGS
    from r3gan.data import sources

    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "configs": lambda: [
            {"name": name, "title": c.title, "summary": c.summary, "datasets": list(c.recipes)}
            for name, c in CONFIGS.items()
        ],
        "datasets": lambda: [
            {"name": name, "title": s.title, "images": s.count, "px": s.resolution, "supply": s.supply}
            for name, s in sources.SOURCES.items()
        ],
        "metrics": lambda: [{"name": name} | metrics.describe(name) for name in metrics.METRICS],
        "tables": list_tables,
    }
    if arguments.what not in kinds:
        raise unknown("kind", arguments.what, kinds)
    if arguments.markdown:
        if arguments.what != "datasets":
            raise UserError(f"--markdown is not allowed for {arguments.what}; allowed: datasets")
        from r3gan.data.docs import markdown

        print(markdown(), end="")
        return
    entries = kinds[arguments.what]()
    if arguments.json:
        print(json.dumps(entries, indent=1))
        return
    rows = [
        {k: ", ".join(v) if isinstance(v, list) else v for k, v in entry.items() if k not in ONLY_IN_JSON}
        for entry in entries
    ]
    widths = [None, 60, 60, 60, None][: len(rows[0])]
    print(tabulate(rows, headers="keys", tablefmt="simple", maxcolwidths=widths, missingval="as found"))


def list_tables() -> list[dict[str, Any]]:
    from r3gan.tables.registry import TABLES  # a third of a command that lists something else

    return [{"name": name, "title": table.title, "made of": table.made_of} for name, table in TABLES.items()]


def run_params(arguments: argparse.Namespace) -> None:
    from r3gan.configs import SIZES, find_config
    from r3gan.configs.counts import count_parameters

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
