"""What DVC needs besides the stages: the tables' part of dvc.yaml, and files of hashes that its stages depend on.

DVC gives every item of a `foreach` the same dependencies, so each table has a stage of its own that lists what it is
made of, one by one, and hashes it into one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from r3gan.errors import UserError
from r3gan.files import sha256, write_json, write_text
from r3gan.study import Study
from r3gan.tables.registry import TABLES

DVC_FILE = Path("dvc.yaml")
MARK = "  # Below this line: written by `r3gan dvc-file` from TABLES and the study file; do not edit.\n"
HASHES, FINGERPRINTS = "runs/hashes", "runs/fingerprints"
INPUTS = "inputs_"  # the stages that hash what a table is made of
HASH_COMMAND = "r3gan hashes "
REPORT_FILES = ("report.md", "report.html", "report.json", "report.xml", "badge.json", "cells.csv", "records.csv")
Stage = dict[str, object]


def dvc_file(study: Study) -> str:
    """dvc.yaml as it should be: its hand-written part as it is, and the tables' stages."""
    written, mark, _ = DVC_FILE.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise UserError(f"{DVC_FILE} lacks the line {MARK.strip()!r}")
    stages = toys_stage(study) | ({"prepare_own": own_stage(study)} if study.sources else {})
    stages |= {f"{INPUTS}{name}": inputs_stage(name, study) for name in TABLES}
    text = yaml.safe_dump(stages | {"table": table_stage(), "report": report_stage()}, sort_keys=False, width=1000)
    return written + mark + "".join(f"  {line}\n" for line in text.splitlines())


def write_dvc_file(study: Study) -> None:
    write_text(DVC_FILE, dvc_file(study))


def check_dvc_file(study: Study) -> None:
    """UserError where dvc.yaml does not list what the study file and TABLES say, or cannot."""
    if changed := [run.key for run in study.trained.values() if run.train_options]:
        raise UserError(f"runs.{changed[0]} changes options of `r3gan train`, which dvc.yaml cannot do; use Snakemake")
    if DVC_FILE.exists() and DVC_FILE.read_text(encoding="utf-8") != dvc_file(study):
        raise UserError(f"{DVC_FILE} is older than the study file or the tables: run `r3gan dvc-file`")


def toys_stage(study: Study) -> dict[str, Stage]:
    """The stage of the 2-D toys, in a study that has them."""
    out, record = f"{HASHES}/toys.json", f"results/{study.scale}/toys.json"
    stage: Stage = {
        "cmd": [f"r3gan toys {study.scale} {study.toy_options}", f"{HASH_COMMAND}{out} {record}"],
        "params": whole([f"{FINGERPRINTS}/code.toys.json"]),
        "outs": [out, {record: {"cache": False}}],
    }
    return {"toys": stage} if study.toys else {}


def own_stage(study: Study) -> Stage:
    """The study's own pictures as data sets."""
    arrays = [f"data/${{key}}/{file}" for file in ("images.npy", "labels.npy", "manifest.json")]
    out = f"{HASHES}/prepare/${{key}}.json"
    return {
        "foreach": {
            name: {"path": source.path, "arguments": source.arguments} for name, source in study.sources.items()
        },
        "do": {
            "deps": ["${item.path}"],
            "cmd": ["r3gan prepare ${item.arguments}", f"{HASH_COMMAND}{out} {arrays[-1]}"],
            "params": whole([f"{FINGERPRINTS}/code.prepare.json", f"{FINGERPRINTS}/source.${{key}}.json"]),
            "outs": [*arrays, out],
        },
    }


def inputs_stage(name: str, study: Study) -> Stage:
    """The hashes of a table's records and its other files as one file."""
    records = [f"{HASHES}/{study.stage_of(record)}.json" for record in TABLES[name].records(study)]
    params = records or [f"{FINGERPRINTS}/table.{name}.json"]
    sources = [fixed_part(pattern) for pattern in TABLES[name].sources()]
    out = f"{HASHES}/inputs/{name}.json"
    stage: Stage = {"cmd": f"{HASH_COMMAND}{' '.join([out, *params, *sources])}"}
    return stage | ({"deps": sources} if sources else {}) | {"params": whole(params), "outs": [out]}


def table_stage() -> Stage:
    hashes = f"{HASHES}/table/${{item}}.json"
    files = [f"results/${{item}}{ending}" for ending in (".md", ".csv", ".json", "")]
    metrics = "results/metrics/${item}.json"
    return {
        "foreach": list(TABLES),
        "do": {
            "cmd": ["r3gan table ${item}", f"{HASH_COMMAND}{' '.join([hashes, *files, metrics])}"],
            "params": whole([f"{HASHES}/inputs/${{item}}.json", f"{FINGERPRINTS}/table.${{item}}.json"]),
            "outs": [hashes, *({file: {"cache": False}} for file in files)],
            "metrics": [{metrics: {"cache": False}}],
        },
    }


def report_stage() -> Stage:
    made_of = [f"{HASHES}/{name}.json" for name in (*(f"table/{table}" for table in TABLES), "costs")]
    return {
        "cmd": "r3gan report",
        "params": whole([*made_of, f"{FINGERPRINTS}/code.report.json"]),
        "outs": [{f"results/{name}": {"cache": False}} for name in REPORT_FILES],
    }


def whole(files: Sequence[str]) -> list[dict[str, None]]:
    """Files of parameters of which every one counts."""
    return [{file: None} for file in files]


def fixed_part(pattern: str) -> str:
    """A path without what follows its first wildcard: DVC depends on whole folders, not on patterns."""
    parts = Path(pattern).parts
    fixed = [part for i, part in enumerate(parts) if not any("*" in before for before in parts[: i + 1])]
    return str(Path(*fixed))


def write_hashes(out: Path, paths: Sequence[Path]) -> None:
    """The sha256 of files, and of all files in folders that are not hidden; UserError where one is missing."""
    if missing := [path for path in paths if not path.exists()]:
        raise UserError(f"{missing[0]} is missing; make it first, for instance with `dvc repro`")
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("[!.]*")))]
    write_json(out, {str(file): sha256(file) for file in files if file.is_file()})
