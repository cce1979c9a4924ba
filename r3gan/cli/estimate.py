"""`estimate`: what a table would cost before it is run, all tables for the report, or how good such estimates are."""

import argparse
import json
from pathlib import Path

from r3gan.cli.arguments import AddCommand, scale_name
from r3gan.errors import UserError, unknown


def add_commands(command: AddCommand) -> None:
    sub = command("estimate", run_estimate, "say what a table would cost: device-hours, wall clock, disk, downloads")
    sub.add_argument("table", metavar="TABLE", nargs="?", help="a name from `r3gan list tables`")
    sub.add_argument("--all", action="store_true", help="every table of every scale: writes DIR/costs.json")
    sub.add_argument(
        "--check",
        action="store_true",
        help="predict each recorded run of the scale without the records of its configuration, and compare",
    )
    sub.add_argument("--scale", type=scale_name, help="a file of pipelines/study (default: smoke)")
    sub.add_argument(
        "--hardware",
        metavar="NAME",
        help="a folder of results/benchmarks, or h100 and such (default: this machine; with --all: h100)",
    )
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    sub.add_argument("--json", action="store_true", help="print JSON; with --all instead of writing it")


def run_estimate(arguments: argparse.Namespace) -> None:
    from r3gan.study import study_folder

    if [arguments.all, arguments.check, arguments.table is not None].count(True) != 1:
        raise UserError("give one of TABLE, a name from `r3gan list tables`, --all and --check")
    if arguments.all and arguments.scale:
        raise UserError("--scale goes with TABLE and --check: --all estimates every scale")
    if arguments.check and (arguments.hardware or arguments.json):
        raise UserError(
            "--check takes --scale and --results only: each run is predicted for the hardware of its record"
        )
    if arguments.all:
        print_all(arguments.hardware or "h100", arguments.results, arguments.json)
        return
    folder, scale = study_folder(), arguments.scale or "smoke"
    scales = sorted(path.stem for path in folder.glob("*.yaml"))
    if scale not in scales:
        raise unknown("--scale", scale, scales)
    if arguments.check:
        print_check(folder / f"{scale}.yaml", arguments.results)
        return
    print_one(arguments.table, folder / f"{scale}.yaml", arguments.hardware, arguments.results, arguments.json)


def print_one(table: str, study: Path, hardware: str | None, results: Path, in_json: bool) -> None:
    from r3gan.estimate import estimate, this_machine
    from r3gan.estimate.show import text, values
    from r3gan.records.store import Store
    from r3gan.study import read_study

    store = Store(results)
    found = estimate(table, read_study(study), hardware or this_machine(), store)
    print(json.dumps(values(found, store), indent=1) if in_json else text(found, store))


def print_check(study: Path, results: Path) -> None:
    from r3gan.estimate.check import check, text
    from r3gan.records.store import Store
    from r3gan.study import read_study

    print(text(study.stem, check(read_study(study), Store(results))))


def print_all(hardware: str, results: Path, in_json: bool) -> None:
    """Every table of every scale: as JSON, or written to costs.json."""
    from r3gan.estimate import estimate_all
    from r3gan.estimate.schema import COSTS
    from r3gan.records.store import Store, as_json, write
    from r3gan.study import read_all_studies

    found = estimate_all(read_all_studies(), hardware, Store(results))
    if in_json:
        print(json.dumps(as_json(found), indent=1))
    else:
        write(results / COSTS, found)
        print(f"wrote {results / COSTS}")
