"""`measure`, `reference`: metrics between any two sets of images, and statistics of one for other tools."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from r3gan.cli.arguments import (
    AddCommand,
    add_device,
    add_extractor_paths,
    check_classifier,
    choose_device,
    extractor_paths,
    positive,
)
from r3gan.cli.generate import refuse_existing


def add_commands(command: AddCommand) -> None:
    sub = command("measure", run_measure, "measure any two sets of images against each other")
    sub.add_argument(
        "--real", required=True, metavar="WHAT", help="a prepared set, folder, archive, .npz, or statistics"
    )
    sub.add_argument("--fake", required=True, metavar="WHAT", help="a run, a generator's file, or images as for --real")
    sub.add_argument("--metrics", required=True, nargs="+", metavar="NAME", help="from `r3gan list metrics`")
    sub.add_argument("--samples", type=positive(int), default=50_000, help="images that a run draws (default: 50000)")
    sub.add_argument("--json", action="store_true", help="print JSON, with protocol and provenance")
    sub.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON")
    sub.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    add_extractor_paths(sub)
    add_device(sub)

    sub = command("reference", run_reference, "write statistics of a set's features, as clean-fid and others read them")
    sub.add_argument("set", metavar="SET", help="a prepared set, a folder or archive of pictures, or an .npz of images")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="mu, sigma, count, protocol")
    sub.add_argument("--metric", default="fid", help="whose feature network is used (default: fid)")
    sub.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    add_extractor_paths(sub)
    add_device(sub)


def run_measure(arguments: argparse.Namespace) -> None:
    check_classifier("--metrics", arguments.metrics, arguments.classifier)
    refuse_existing([arguments.out] if arguments.out else [], arguments.overwrite)
    from r3gan.files import write_json
    from r3gan.measure import measure

    found = measure(
        arguments.real,
        arguments.fake,
        arguments.metrics,
        arguments.samples,
        extractor_paths(arguments),
        choose_device(arguments),
    )
    if arguments.out:
        write_json(arguments.out, found)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(f"real: {found['real']}\nfake: {found['fake']}")
    for name, metric in found["metrics"].items():
        print(f"{name:20s} {metric['value']:<12.6g} {metric['title']}; {metric['n_fake']:,} images", end="")
        print(f" against {metric['n_real']:,}" if metric["n_real"] else "")


def run_reference(arguments: argparse.Namespace) -> None:
    check_classifier("--metric", [arguments.metric], arguments.classifier)
    refuse_existing([arguments.out], arguments.overwrite)
    from r3gan.errors import UserError
    from r3gan.measure import write_reference

    if arguments.out.suffix != ".npz":
        raise UserError(f"--out {arguments.out}: allowed ending: .npz")
    protocol = write_reference(
        arguments.set, arguments.metric, arguments.out, extractor_paths(arguments), choose_device(arguments)
    )
    print(f"wrote {arguments.out}: {protocol['count']:,} images of {protocol['set']}")
