"""How the time of a command grows with the number of runs, of records, of pictures.

`python -m benchmarks.growth` clones this repository into a temporary folder, adds runs or records to the clone's smoke
study, times each command there at three sizes and writes results/benchmarks/<hardware>/growth.json. The exponent is
that of what comes on top of the smallest size, so that the start of a process does not hide it:
log((t3 - t1) / (t2 - t1)) over log((n3 - n1) / (n2 - n1)); 1 is linear. Times are processor times, which other work on
the machine does not lengthen.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from msgspec.structs import replace
from tabulate import tabulate

from benchmarks.pictures import make_folder
from r3gan.records.provenance import hardware_name, stamp
from r3gan.records.run_id import RunId
from r3gan.records.schema import Benchmark
from r3gan.records.store import Store, made, write
from r3gan.study import read_study

RUN_COUNTS, RECORD_COUNTS, PICTURE_COUNTS = (10, 300, 1000), (8, 160, 800), (100, 2000, 10_000)
ROUNDS = 3
LIMIT = 1.1  # the exponent that nothing should exceed
STUDY = Path("pipelines/study/smoke.yaml")
ROWS = ("A", "B", "C-rpgan", "C-r2", "D-resnet", "D-noskip", "E-resnext", "E-inverted")
FIRST_SEED = 1000  # of the runs that are added


@dataclass(frozen=True)
class Case:
    """A command at several sizes of what it reads, which `grow` makes in a fresh clone."""

    name: str
    command: tuple[str, ...]
    sizes: tuple[int, ...]
    grow: Callable[[Path, int], None]


def add_runs(clone: Path, count: int) -> None:
    """Lines of the clone's smoke study, over the rows of Table 1 in turn."""
    path = clone / STUDY
    lines = [
        f"  more-{i}: {{<<: *run, config: {ROWS[i % 8]}, seed: {FIRST_SEED + i // 8}, total_kimg: 14}}\n"
        for i in range(count)
    ]
    before, mark, after = path.read_text().partition("  dcgan: ")
    path.write_text(before + "".join(lines) + mark + after)


def add_records(clone: Path, count: int) -> None:
    """Runs as above, and a record of each: that of seed 0 under its name."""
    add_runs(clone, count)
    store = Store(clone / "results")
    for run in read_study(clone / STUDY).evaluated:
        if run.seed >= FIRST_SEED:
            first = store.evaluation(RunId(run.scale, run.dataset, run.config, 0))
            training = replace(first.training, run=str(run), seed=run.seed)
            write(clone / "results" / run.metrics, replace(first, seed=run.seed, training=training))


def add_pictures(clone: Path, count: int) -> None:
    make_folder(clone / "work/pictures", count, 64, 64, "png")


PREPARE = ("r3gan", "prepare", "own", "--source", "work/pictures", "--name", "growth", "--resolution", "32")
CASES = (
    Case("snakemake --dry-run by runs", ("snakemake", "-n", "-q", "--cores", "1"), RUN_COUNTS, add_runs),
    Case("dvc status by runs", ("dvc", "status", "-q"), RUN_COUNTS, add_runs),
    Case("r3gan table table1 by records", ("r3gan", "table", "table1"), RECORD_COUNTS, add_records),
    Case("r3gan records by records", ("r3gan", "records"), RECORD_COUNTS, add_records),
    Case("r3gan report by records", ("r3gan", "report"), RECORD_COUNTS, add_records),
    Case("r3gan prepare by pictures", (*PREPARE, "--overwrite"), PICTURE_COUNTS, add_pictures),
)


def measure(case: Case, size: int, rounds: int) -> list[float]:
    """Processor seconds of each call in a clone grown to a size, but for the first call, which may fill caches."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", "--shared", ".", clone], check=True)
        case.grow(clone, size)
        taken = []
        for _ in range(rounds + 1):
            before = children_seconds()
            done = subprocess.run(case.command, cwd=clone, capture_output=True, text=True, env=environment(clone))
            taken.append(children_seconds() - before)
            # `dvc status -q` says with 1 that something is left to do.
            if done.returncode not in ((0, 1) if case.command[0] == "dvc" else (0,)):
                sys.exit(f"{case.name} at {size}: {done.stderr[-2000:]}")
        return taken[1:]


def children_seconds() -> float:
    """Processor time of all processes that this one has started and that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def environment(clone: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(clone)}


def exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Of what comes on top of the smallest size; 0 where nothing measurable does."""
    (n1, n2, n3), (t1, t2, t3) = sizes, seconds
    if t2 <= t1 or t3 <= t1:
        return 0.0
    return math.log((t3 - t1) / (t2 - t1)) / math.log((n3 - n1) / (n2 - n1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"timed calls of each size (default: {ROUNDS})")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose name holds it; writes nothing")
    arguments = parser.parse_args()
    measured = []
    for case in (case for case in CASES if arguments.only in case.name):
        rounds = {str(size): measure(case, size, arguments.rounds) for size in case.sizes}
        medians = [median(taken) for taken in rounds.values()]
        found = exponent(case.sizes, medians)
        measured.append({"case": case.name, "command": " ".join(case.command), "seconds": rounds, "exponent": found})
        shown = [[size, f"{taken:.2f} s"] for size, taken in zip(case.sizes, medians, strict=True)]
        print(f"\n{case.name}: exponent {found:.2f}{' (above the limit)' if found > LIMIT else ''}")
        print(tabulate(shown, tablefmt="plain"), flush=True)
    if not arguments.only:
        path = Path("results/benchmarks") / hardware_name("cpu") / "growth.json"
        content = {"measured": measured, "provenance": stamp("cpu", 1), "load": round(os.getloadavg()[0], 1)}
        write(path, made(Benchmark, content))
        print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
