"""`estimate` and `costs`: what a table would cost before it is run, and all of them for the report."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from r3gan.cli.arguments import AddCommand, scale_name


def add_commands(command: AddCommand) -> None:
    sub = command("estimate", run_estimate, "say what a table would cost: device-hours, wall clock, disk, downloads")
    sub.add_argument("table", metavar="TABLE", help="a name from `r3gan list tables`")
    sub.add_argument("--scale", type=scale_name, default="smoke", help="a file of pipelines/study (default: smoke)")
    sub.add_argument(
        "--hardware", metavar="NAME", help="a folder of results/benchmarks, or h100 and such (default: this machine)"
    )
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command(
        "costs", run_costs, "estimate every table of every scale on a GPU, for the report: results/costs.json"
    )
    sub.add_argument("--hardware", default="h100", metavar="NAME", help="an entry of HARDWARE (default: h100)")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def run_estimate(arguments: argparse.Namespace) -> None:
    from r3gan.estimate import estimate, this_machine
    from r3gan.estimate.show import text
    from r3gan.study import STUDY_FOLDER, read_study

    study = read_study(STUDY_FOLDER / f"{arguments.scale}.yaml")
    found = estimate(arguments.table, study, arguments.hardware or this_machine(), arguments.results)
    print(json.dumps(asdict(found), indent=1) if arguments.json else text(found))


def run_costs(arguments: argparse.Namespace) -> None:
    from r3gan.estimate.record import write_costs
    from r3gan.study import read_all_studies

    print(f"wrote {write_costs(read_all_studies(), arguments.hardware, arguments.results)}")
