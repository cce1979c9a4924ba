"""Snakemake and DVC on one tree: they never run at the same time, and one takes over what the other has made.

DVC keeps two locks: one on the repository between stages, and a list of the paths that running stages read and write,
each with its process. A process that holds both excludes DVC, whose message names it; entries of dead processes do not
count. Both locks distinguish processes of one machine, not of several machines that share a disk.
"""

from __future__ import annotations

import atexit
import logging
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from r3gan.errors import UserError, unknown
from r3gan.pipeline.dvc import HASH_COMMAND, HASHES, INPUTS, write_hashes

DVC_FOLDER = Path(".dvc")
# The stages that Snakemake has no rule for: it looks at code and registries itself, and at each table's inputs.
FINGERPRINT = "fingerprint"


def is_dvcs_own(stage: Any) -> bool:
    return stage.name == FINGERPRINT or str(stage.name).startswith(INPUTS)


def results_of(stage: Any) -> list[str]:
    """What a stage makes, without the hashes of it, which only DVC needs."""
    return [str(out) for out in stage.outs if not str(out).startswith(HASHES)]


def write_hashes_of(stage: Any) -> None:
    """Run what a stage's commands hash."""
    for command in [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd:
        if command.startswith(HASH_COMMAND):
            out, *paths = map(Path, shlex.split(command.removeprefix(HASH_COMMAND)))
            write_hashes(out, paths)


@contextmanager
def tree_held(*, alone: bool) -> Iterator[None]:
    """Keep DVC from writing here, and if `alone` Snakemake too; UserError that names the process that is running."""
    from dvc.config import Config
    from dvc.fs import localfs
    from dvc.lock import LockError, make_lock
    from dvc.rwlock import rwlock

    root, locks = Path.cwd(), (DVC_FOLDER / "tmp").resolve()
    locks.mkdir(parents=True, exist_ok=True)
    hardlink = Config(str(DVC_FOLDER.resolve()))["core"].get("hardlink_lock", False)
    # Spelled as DVC does, so that the locks held here do not block what this process does through DVC.
    command = " ".join(sys.argv)
    paths = ([], [str(root)]) if alone else ([str(root)], [])
    with ExitStack() as held:
        try:
            # DVC frees the repository while a stage's command runs; that stage is then on the list.
            with make_lock(str(locks / "lock"), tmp_dir=str(locks), hardlink_lock=hardlink):
                held.enter_context(rwlock(str(locks), localfs, command, *paths, hardlink))
        except LockError as error:
            raise UserError(f"{_who(error)} is at work on this tree; wait until it has ended") from None
        yield


def _who(error: Exception) -> str:
    """The process that DVC's message names."""
    found = re.search(r"\(PID (\d+)\): (\S+)(.*)", str(error))
    return f"`{Path(found[2]).name}{found[3]}` (process {found[1]})" if found else "DVC"


def hold_tree() -> None:
    """Keep DVC from writing here until this process ends; ends Snakemake with exit code 2 where DVC is running."""
    held = ExitStack()
    try:
        held.enter_context(tree_held(alone=False))
    except UserError as error:
        print(f"snakemake: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    atexit.register(held.close)


def hand_over(engine: str) -> tuple[list[str], list[str]]:
    """Let `engine` take over what the other has made here and still calls current.

    Returns the names of the stages that it will not run again, and of those that it still would.
    """
    if engine not in HANDOVERS:
        raise unknown("engine", engine, HANDOVERS)
    if not (Path("Snakefile").is_file() and Path("dvc.yaml").is_file()):
        raise UserError("there is no Snakefile and dvc.yaml here; run it in the project's own folder")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with tree_held(alone=True):
        try:
            repo = Repo()
            logging.getLogger("dvc").setLevel(logging.WARNING)  # not a line for each stage
            repo.reproduce(FINGERPRINT)  # both engines compare with the present code
            return HANDOVERS[engine](repo)
        except DvcException as error:
            raise UserError(f"DVC: {error}") from None


def _to_dvc(repo: Any) -> tuple[list[str], list[str]]:
    """Commit the stages whose outputs Snakemake made and would not make again."""
    plan = _snakemake_plan(repo)

    def is_current(stage: Any) -> bool:
        outs = results_of(stage)
        known = [plan[out] for out in outs if out in plan]  # it has no rule for whole folders
        deps = [str(dep) for dep in stage.deps if not str(dep).startswith(HASHES)]
        made = is_dvcs_own(stage) or (bool(known) and all(known))
        return made and all(Path(file).exists() for file in (*outs, *deps))

    current, others = _with_what_they_need(repo, is_current)
    if not names_of(current):
        raise UserError("Snakemake has made nothing here that is up to date; start it with `snakemake --cores all`")
    for stage in current:
        write_hashes_of(stage)
        # A relinked file is a new file to Snakemake.
        repo.commit(stage.addressing, force=True, relink=False)
    return names_of(current), others


def _snakemake_plan(repo: Any) -> Mapping[str, bool]:
    """The outputs of all stages, and whether Snakemake made the file and would leave it as it is."""
    outs = [out for stage in repo.index.stages if not is_dvcs_own(stage) for out in results_of(stage)]
    # By name, since a study may hold runs that no table shows; it has no rule for whole folders.
    done = _snakemake("--summary", "all", "--", *(out for out in outs if Path(out).suffix))
    lines = [line.split("\t") for line in done.splitlines()]
    head = lines.index(["output_file", "date", "rule", "log-file(s)", "status", "plan"])
    # A file that it did not make itself, such as a table that git brought, has no log.
    return {
        file: log != "-" and (status, plan) == ("ok", "no update") for file, *_, log, status, plan in lines[head + 1 :]
    }


def _to_snakemake(repo: Any) -> tuple[list[str], list[str]]:
    """Touch the outputs of the stages that DVC would not run again."""
    changed = repo.status()
    current, others = _with_what_they_need(repo, lambda stage: stage.addressing not in changed)
    if not names_of(current):
        raise UserError("DVC has made nothing here that is up to date; start it with `dvc repro`")
    made = [stage for stage in current if not is_dvcs_own(stage)]
    files = [out for stage in made for out in results_of(stage) if Path(out).is_file()]
    # All of them: a file whose date fits by chance has no record of code and parameters yet. The tree is locked here
    # already, and DVC has found whole what a killed Snakemake may have left incomplete.
    _snakemake("--touch", "--forceall", "--no-hooks", "--ignore-incomplete", "--quiet", "all", "--", *files)
    return names_of(current), others


def _snakemake(*arguments: str) -> str:
    """What Snakemake prints; UserError with the last line of its message if it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise UserError(f"Snakemake: {words[-1].strip()}")
    return done.stdout


def _with_what_they_need(repo: Any, is_current: Callable[[Any], bool]) -> tuple[list[Any], list[str]]:
    """The stages that are current as all before them, in an order that they can run in; the names of the others."""
    current: dict[Any, None] = {}
    others: list[str] = []
    graph = repo.index.graph
    for stage in TopologicalSorter({stage: list(graph.successors(stage)) for stage in graph}).static_order():
        if stage.name == FINGERPRINT:
            continue
        needed = (other for other in graph.successors(stage) if other.name != FINGERPRINT)
        if is_current(stage) and all(other in current for other in needed):
            current[stage] = None
        elif not is_dvcs_own(stage):
            others.append(stage.addressing)
    return list(current), others


def names_of(stages: Iterable[Any]) -> list[str]:
    """The stages that a user knows from both engines."""
    return [stage.addressing for stage in stages if not is_dvcs_own(stage)]


HANDOVERS: Mapping[str, Callable[[Any], tuple[list[str], list[str]]]] = {"dvc": _to_dvc, "snakemake": _to_snakemake}
