"""`list` and `params`: what there is."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from r3gan.cli.arguments import AddCommand
from r3gan.errors import UserError, unknown

ONLY_IN_JSON = ("protocol", "features")  # too long for a line


def add_commands(command: AddCommand) -> None:
    sub = command("list", run_list, "show the configurations, data sets, metrics or tables there are")
    sub.add_argument("what", metavar="KIND", help="configs, datasets, metrics or tables")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--markdown", action="store_true", help="print docs/datasets.md (data sets only)")

    sub = command("completion", run_completion, "print what makes a shell complete commands, options and files")
    sub.add_argument("shell", metavar="SHELL", help="bash, zsh, or another that shtab knows")

    sub = command("params", run_params, "count the parameters of a configuration at its paper sizes")
    sub.add_argument("config", metavar="CONFIG", help="a name from `r3gan list configs`")
    sub.add_argument("--dataset", help="only at this data set's size (any size, also smoke)")
    sub.add_argument("--json", action="store_true", help="print JSON")


Entries = list[dict[str, Any]]


def configs() -> Entries:
    from r3gan.configs import CONFIGS

    return [
        {"name": name, "title": c.title, "summary": c.summary, "datasets": list(c.recipes)}
        for name, c in CONFIGS.items()
    ]


def datasets() -> Entries:
    from r3gan.data.sources import SOURCES

    return [
        {"name": name, "title": s.title, "images": s.count, "px": s.resolution, "supply": s.supply}
        for name, s in SOURCES.items()
    ]


def metrics() -> Entries:
    from r3gan.metrics import METRICS, describe

    return [{"name": name} | describe(name) for name in METRICS]


def tables() -> Entries:
    from r3gan.tables.registry import TABLES

    return [{"name": name, "title": t.title, "made of": t.made_of} for name, t in TABLES.items()]


# One function per registry, so that listing one imports no other.
LISTED: Mapping[str, Callable[[], Entries]] = {
    "configs": configs,
    "datasets": datasets,
    "metrics": metrics,
    "tables": tables,
}


def run_list(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    if arguments.what not in LISTED:
        raise unknown("kind", arguments.what, LISTED)
    if arguments.markdown:
        if arguments.what != "datasets":
            raise UserError(f"--markdown is not allowed for {arguments.what}; allowed: datasets")
        from r3gan.data.docs import markdown

        print(markdown(), end="")
        return
    entries = LISTED[arguments.what]()
    if arguments.json:
        print(json.dumps(entries, indent=1))
        return
    rows = [
        {k: ", ".join(v) if isinstance(v, list) else v for k, v in entry.items() if k not in ONLY_IN_JSON}
        for entry in entries
    ]
    widths = [None, 60, 60, 60, None][: len(rows[0])]
    print(tabulate(rows, headers="keys", tablefmt="simple", maxcolwidths=widths, missingval="as found"))


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


def run_completion(arguments: argparse.Namespace) -> None:
    import shtab

    from r3gan.cli import build_parser

    if arguments.shell not in shtab.SUPPORTED_SHELLS:
        raise unknown("SHELL", arguments.shell, shtab.SUPPORTED_SHELLS)
    parser = build_parser()
    for each in parser.commands.values():
        for action in each._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell))
