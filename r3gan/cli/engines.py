"""What the two engines need: `fingerprint`, `hashes`, `dvc-file`, `hand-over`."""

import argparse
from pathlib import Path

from r3gan.cli.arguments import AddCommand


def add_commands(command: AddCommand) -> None:
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
