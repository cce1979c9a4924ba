"""Commands that bring something in, and `export`: `prepare`, `export`, `import-released`, `import-log`."""

import argparse
import re
from pathlib import Path

from r3gan.cli.arguments import AddCommand, open_prepared, positive
from r3gan.errors import UserError, unknown


def add_commands(command: AddCommand) -> None:
    sub = command("prepare", run_prepare, "download or read a data set and write its arrays and manifest")
    sub.add_argument("dataset", metavar="DATASET", help="a name from `r3gan list datasets`")
    sub.add_argument("--source", type=Path, metavar="PATH", help="your copy: a folder, zip, tar or lmdb")
    sub.add_argument("--resolution", type=pixels, metavar="R", help="in px, where the published one is not wanted")
    sub.add_argument("--name", metavar="NAME", help="of your pictures (`prepare own`), for --dataset of `r3gan train`")
    sub.add_argument("--fit", metavar="HOW", help="crop, pad or squeeze your pictures into squares (default: crop)")
    sub.add_argument("--bad", default="stop", metavar="POLICY", help="broken pictures: stop or skip (default: stop)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: data/DATASET)")
    sub.add_argument("--overwrite", action="store_true", help="replace a finished data set")

    sub = command("export", run_export, "write a prepared data set as the zip of NVlabs' tools, with dataset.json")
    sub.add_argument("dataset", metavar="DATASET", help="a prepared data set")
    sub.add_argument("--data", type=Path, metavar="DIR", help="its folder (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="FILE", required=True, help="zip file to write")
    sub.add_argument("--overwrite", action="store_true", help="replace an existing file")

    sub = command(
        "import-released", run_import_released, "turn the authors' snapshot into a run, executing nothing in it"
    )
    sub.add_argument("file", metavar="FILE", type=Path, help="network-snapshot-....pkl")
    sub.add_argument("--dataset", required=True, help="the preset it belongs to, such as cifar10")
    sub.add_argument("--overwrite", action="store_true", help="replace a run that was imported before")

    sub = command("import-log", run_import_log, "read a FID log of NVlabs' training code as a run of scale authors")
    sub.add_argument("file", metavar="FILE", type=Path, help="metric-fid50k_full.jsonl")
    sub.add_argument("--config", required=True, help="the configuration that it trained, such as A")
    sub.add_argument("--dataset", required=True, help="the data set that it was trained on, such as ffhq-256")
    sub.add_argument(
        "--options", type=Path, metavar="FILE", help="its settings (default: training_options.json next to it)"
    )
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    sub.add_argument("--overwrite", action="store_true", help="replace a log that was imported before")


def pixels(text: str) -> int:
    """A resolution; a rectangle is refused with what fits."""
    if sides := re.fullmatch(r"(\d+)x(\d+)", text):
        from r3gan.data.sources import nearest

        near = nearest(min(int(sides[1]), int(sides[2])))
        raise argparse.ArgumentTypeError(
            f"{text} is not allowed, networks are square; nearest: {near}, and --fit crop or --fit pad makes "
            "rectangular pictures square"
        )
    return int(positive(int)(text))


def run_prepare(arguments: argparse.Namespace) -> None:
    if arguments.bad not in ("stop", "skip"):
        raise unknown("--bad", arguments.bad, ("stop", "skip"))
    from r3gan.data.build import prepare
    from r3gan.data.sources import OWN, at_resolution

    name, _ = at_resolution(arguments.dataset, arguments.resolution)
    if (arguments.name or arguments.fit) and arguments.dataset != OWN:
        raise UserError(f"--name and --fit are for `r3gan prepare own`, not for {arguments.dataset}")
    prepare(
        arguments.dataset,
        arguments.source,
        arguments.out or Path("data") / (arguments.name or name),
        arguments.resolution,
        skip_bad=arguments.bad == "skip",
        overwrite=arguments.overwrite,
        own_name=arguments.name,
        fit=arguments.fit,
    )


def run_export(arguments: argparse.Namespace) -> None:
    from r3gan.data.export import export

    export(open_prepared(arguments.data or Path("data") / arguments.dataset), arguments.out, arguments.overwrite)
    print(f"wrote {arguments.out}")


def run_import_released(arguments: argparse.Namespace) -> None:
    from r3gan.released import import_released

    import_released(arguments.file, arguments.dataset, Path("runs"), arguments.overwrite)


def run_import_log(arguments: argparse.Namespace) -> None:
    from r3gan.logs import import_log

    wanted = arguments.options, arguments.overwrite
    out = import_log(arguments.file, arguments.config, arguments.dataset, arguments.results, *wanted)
    print(f"wrote {out}")
