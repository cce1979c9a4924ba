"""`records`: every measured value as one tidy table, printed or exported."""

import argparse
from pathlib import Path

from r3gan.cli.arguments import AddCommand, scale_name

PRINTED = ["scale", "dataset", "config", "seed", "snapshot", "kimg", "metric", "value", "n_fake"]


def add_commands(command: AddCommand) -> None:
    sub = command("records", run_records, "print or export every measured value, one row per value")
    sub.add_argument("--scale", action="append", type=scale_name, help="only this scale (may be given several times)")
    sub.add_argument("--metric", action="append", metavar="NAME", help="only this metric (may be given several times)")
    sub.add_argument("--csv", type=Path, metavar="FILE", help="write all columns to a CSV file instead of printing")
    sub.add_argument("--parquet", type=Path, metavar="FILE", help="write all columns to a Parquet file")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def run_records(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from r3gan.errors import UserError
    from r3gan.metrics import find_metric
    from r3gan.records.frame import export, measured_rows
    from r3gan.records.store import Store

    metrics = [name for name in arguments.metric or () if find_metric(name)]
    for option, suffix in (("csv", ".csv"), ("parquet", ".parquet")):
        path = getattr(arguments, option)
        if path is not None and path.suffix != suffix:
            raise UserError(f"--{option} {path}: the file's name must end in {suffix}")
    if not arguments.results.is_dir():
        raise UserError(f"--results {arguments.results} is not a folder")
    found = measured_rows(Store(arguments.results), arguments.scale or ["*"], metrics)
    if not found:
        raise UserError(f"--results {arguments.results} holds no such records")
    files = [path for path in (arguments.csv, arguments.parquet) if path is not None]
    for path in files:
        export(found, path)
        print(f"wrote {path}: {len(found)} values")
    if not files:
        rows = [[row.get(name) for name in PRINTED] for row in found]
        print(
            tabulate(
                rows, headers=PRINTED, tablefmt="plain", floatfmt=".5g", missingval="-", disable_numparse=[0, 1, 2]
            )
        )
