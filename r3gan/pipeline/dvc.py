"""dvc.yaml's tables: written by `r3gan dvc-file` from TABLES and the study, below a line that says so.

DVC gives every item of a `foreach` the same dependencies, so each table has a stage of its own that lists its records
one by one. The parts of a record's path are variables of the study file: `dvc exp run -S runs.E.seed=3` moves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from r3gan.errors import UserError
from r3gan.files import sha256, write_json, write_text
from r3gan.pipeline.selection import table_inputs
from r3gan.records.run_id import RunId
from r3gan.study import STUDY_FOLDER, Study, StudyRun
from r3gan.tables.registry import TABLES, find_table

DVC_FILE = Path("dvc.yaml")
MARK = "  # Below this line: written by `r3gan dvc-file` from TABLES and the study file; do not edit.\n"
FINGERPRINTS = "runs/fingerprints"
INPUTS = "inputs_"  # the stages that list what a table is made of
REPORT_FILES = ("report.md", "report.html", "report.json", "report.xml", "badge.json", "cells.csv", "records.csv")
Stage = dict[str, object]


def dvc_file(study: Study) -> str:
    """dvc.yaml as it should be: its hand-written part as it is, and the tables' stages."""
    written, mark, _ = DVC_FILE.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise UserError(f"{DVC_FILE} lacks the line {MARK.strip()!r}")
    stages = {f"{INPUTS}{name}": inputs_stage(name, study) for name in TABLES}
    text = yaml.safe_dump(stages | {"table": table_stage(), "report": report_stage()}, sort_keys=False, width=1000)
    return written + mark + "".join(f"  {line}\n" if line else "\n" for line in text.splitlines())


def write_dvc_file(study: Study) -> None:
    write_text(DVC_FILE, dvc_file(study))


def check_dvc_file(study: Study) -> None:
    """UserError where dvc.yaml does not list what the study file and TABLES say."""
    if DVC_FILE.exists() and DVC_FILE.read_text(encoding="utf-8") != dvc_file(study):
        raise UserError(f"{DVC_FILE} is older than the study file or the tables: run `r3gan dvc-file`")


def inputs_stage(name: str, study: Study) -> Stage:
    """Records and other files of a table, hashed into one small file."""
    places = record_paths(study)
    deps = [places[record] for record in TABLES[name].records(study)]
    deps += [fixed_part(pattern) for pattern in TABLES[name].sources()]
    out = f"runs/inputs/{name}.json"
    command = f"r3gan inputs {name} --scale ${{scale}} --out {out}"
    return {"cmd": command, "deps": deps or [f"{FINGERPRINTS}/table.{name}"], "outs": [out]}


def table_stage() -> Stage:
    return {
        "foreach": list(TABLES),
        "do": {
            "cmd": "r3gan table ${item}",
            "deps": ["runs/inputs/${item}.json", f"{FINGERPRINTS}/table.${{item}}"],
            "outs": [{f"results/${{item}}{ending}": {"cache": False}} for ending in (".md", ".csv", "")],
            "metrics": [{"results/${item}.json": {"cache": False}}],
        },
    }


def report_stage() -> Stage:
    tables = [f"results/{name}{ending}" for name in TABLES for ending in (".json", "")]
    deps = [*tables, "results/costs.json", f"{FINGERPRINTS}/code.report"]
    return {
        "cmd": "r3gan report",
        "deps": deps,
        "outs": [{f"results/{name}": {"cache": False}} for name in REPORT_FILES],
    }


def record_paths(study: Study) -> Mapping[str, str]:
    """The path of every record of a study in DVC's variables, by its file below results/."""

    def path(part: str, run: StudyRun, file: str) -> str:
        variables = "/".join(f"{before}${{{part}.{run.key}.{name}}}" for before, name in PARTS)
        return f"results/${{scale}}/{variables}/{file}"

    found = {RunId.of(study.scale, run).metrics: path("runs", run, "metrics.json") for run in study.runs}
    if study.convergence is not None:
        for run in study.convergence.runs:
            run_id = RunId.of(study.scale, run)
            found[run_id.convergence] = path("convergence.runs", run, "convergence.json")
        for run in study.convergence.at_end:
            found[RunId.of(study.scale, run).metrics] = path("convergence.at_end.runs", run, "metrics.json")
    return found


PARTS = (("", "dataset"), ("", "config"), ("seed", "seed"))


def fixed_part(pattern: str) -> str:
    """A path without what follows its first wildcard: DVC depends on whole folders, not on patterns."""
    parts = Path(pattern).parts
    fixed = [part for i, part in enumerate(parts) if not any("*" in before for before in parts[: i + 1])]
    return str(Path(*fixed))


def write_inputs(name: str, scale: str, out: Path) -> None:
    """The files that a table of a scale is made of, each with its sha256; UserError where one is missing."""
    find_table(name)
    from r3gan.study import read_study

    files = table_inputs(name, read_study(STUDY_FOLDER / f"{scale}.yaml"))
    if missing := [file for file in files if not Path(file).exists()]:
        raise UserError(f"{missing[0]} is missing: {name} at {scale} scale is made of it")
    write_json(out, {file: sha256(Path(file)) for file in files})
