"""`compare` and `report`: what the tables say, for people, for CI and for a browser."""

import argparse
import json
from pathlib import Path

from r3gan.cli.arguments import AddCommand

RESULTS = Path("results")


def add_commands(command: AddCommand) -> None:
    sub = command("compare", run_compare, "compare published numbers with reproduced ones, and this tree with another")
    sub.add_argument("--table", action="append", default=[], help="only this table (may be given several times)")
    sub.add_argument(
        "--baseline", metavar="REV_OR_DIR", help="an earlier tree: a git revision, a checkout or its results folder"
    )
    sub.add_argument(
        "--strict", action="store_true", help="exit with 3 where a published number has not been measured as published"
    )
    sub.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: results")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = command("report", run_report, "write the report: Markdown, HTML, JSON, JUnit XML and a badge")
    sub.add_argument("--baseline", metavar="REV_OR_DIR", help="also say what moved since this earlier tree")
    sub.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: results")


def run_compare(arguments: argparse.Namespace) -> int:
    from r3gan.compare import EXIT_INCOMPLETE, chosen_tables, compare
    from r3gan.report.text import comparison_text

    found = compare(arguments.results, chosen_tables(arguments.table), arguments.baseline)
    code = found.exit_code(arguments.strict)
    if arguments.json:
        print(json.dumps(found.as_json() | {"exit_code": code}, indent=1, ensure_ascii=False))
    else:
        print(comparison_text(found, arguments.baseline, cell_by_cell=bool(arguments.table)))
        if code == EXIT_INCOMPLETE:
            print(f"--strict: not there: {'; '.join(found.incomplete[:5])}{', ...' if found.incomplete[5:] else ''}")
    return code


def run_report(arguments: argparse.Namespace) -> None:
    from r3gan.report.write import write_report

    for path in write_report(arguments.results, arguments.baseline):
        print(f"wrote {path}")
