"""The other stages: `prepare`, `export`, `fit`, `import-released`, `toys`, `table`, `fingerprint`; `hand-over`."""

import argparse
import re
from pathlib import Path

from r3gan.cli.arguments import AddCommand, open_prepared, positive, scale_name, seed_number
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

    sub = command("fit", run_fit, "train the digit classifier that the offline metrics use")
    sub.add_argument("dataset", metavar="DATASET", help="a prepared data set of single digits, such as mnist5k-16")
    sub.add_argument("--data", type=Path, metavar="DIR", help="its folder (default: data/DATASET)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: runs/classifier/DATASET)")

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

    sub = command("fingerprint", run_fingerprint, "write what the stages of a study depend on besides files (for DVC)")
    sub.add_argument("study", metavar="STUDY", type=Path, help="a study file, such as pipelines/study/smoke.yaml")
    sub.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to write, one file per fingerprint")

    sub = command("hashes", run_hashes, "write the sha256 of files and folders (for DVC)")
    sub.add_argument("out", metavar="OUT", type=Path, help="JSON file to write")
    sub.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="files, or folders of them")

    sub = command(
        "dvc-file", run_dvc_file, "write the tables' stages of dvc.yaml, after an edit of TABLES or the study"
    )
    sub.add_argument("study", nargs="?", metavar="STUDY", type=Path, default=Path("pipelines/study/smoke.yaml"))

    sub = command("hand-over", run_hand_over, "let Snakemake or DVC take over what the other has made here")
    sub.add_argument("engine", metavar="ENGINE", help="who takes over: dvc or snakemake")


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


pixels.__name__ = "resolution"


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


def run_import_released(arguments: argparse.Namespace) -> None:
    from r3gan.released import import_released

    import_released(arguments.file, arguments.dataset, Path("runs"), arguments.overwrite)


def run_import_log(arguments: argparse.Namespace) -> None:
    from r3gan.logs import import_log

    wanted = arguments.options, arguments.overwrite
    out = import_log(arguments.file, arguments.config, arguments.dataset, arguments.results, *wanted)
    print(f"wrote {out}")


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


def run_fingerprint(arguments: argparse.Namespace) -> None:
    from r3gan.files import write_json
    from r3gan.pipeline.dvc import check_dvc_file
    from r3gan.pipeline.fingerprint import of_study
    from r3gan.study import read_study

    study = read_study(arguments.study)
    check_dvc_file(study)
    for name, digest in of_study(study).items():
        write_json(arguments.out / f"{name}.json", {name: digest})


def run_hashes(arguments: argparse.Namespace) -> None:
    from r3gan.pipeline.dvc import write_hashes

    write_hashes(arguments.out, arguments.paths)


def run_dvc_file(arguments: argparse.Namespace) -> None:
    from r3gan.pipeline.dvc import DVC_FILE, write_dvc_file
    from r3gan.study import read_study

    write_dvc_file(read_study(arguments.study))
    print(f"wrote {DVC_FILE}")


def run_hand_over(arguments: argparse.Namespace) -> None:
    from r3gan.pipeline.engines import hand_over

    taken, left = hand_over(arguments.engine)
    print(f"{arguments.engine} takes over {len(taken)} stages: {', '.join(taken)}")
    if left:
        print(f"left to run: {', '.join(left)}")
