"""Kinds of tables: a new one is one file, every table keeps the contract, and nobody asks which kind a table is."""

import ast
import atexit
import csv
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from r3gan.records.store import Store
from r3gan.study import Study, read_all_studies
from r3gan.tables.bands import find_band
from r3gan.tables.cell import Cell, read_table_file
from r3gan.tables.kind import Content, Context, Kind, Sheet
from r3gan.tables.registry import TABLES, find_table
from r3gan.tables.verdict import NOT_COMPARABLE, VERDICTS
from tests.conftest import REPOSITORY, copy_tree, environment
from tests.helpers import convergence_of, evaluation_of, write_run

RESULTS = REPOSITORY / "results"
# The whole of a new kind and of a table of it. Nothing else in the tree knows of them.
MODES_KIND = '''
"""How many modes each run of a study covers, and whether it is more than half of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r3gan.study import Study
from r3gan.tables import registry
from r3gan.tables.cell import Cell
from r3gan.tables.charts import step_times
from r3gan.tables.kind import Content, Context, Kind, Sheet
from r3gan.tables.panel import Panel, by_row
from r3gan.tables.verdict import BETTER, REPRODUCED, WORSE


@dataclass(frozen=True, kw_only=True)
class ModesTable(Kind):
    """Runs by the modes they cover, against a number that somebody has published."""

    published: float

    @property
    def made_of(self) -> str:
        return "modes of every run"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return [run_id.metrics for run_id, run in study.evaluated.items() if "modes" in run.evaluation["metrics"]]

    def sources(self) -> list[str]:
        return []

    def configs(self) -> Sequence[str]:
        return ["A"]

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        return [by_row("Modes by run", "Run", cells)]

    def build(self, context: Context) -> Content:
        cells, grids = [], {}
        for study in (study for study in context.studies if study.scale == "smoke"):
            for run_id, run in study.evaluated.items():
                if context.store.has(run_id.metrics):
                    value = context.store.evaluation(run_id).metrics["modes"].value
                    verdict = WORSE if value < self.published / 2 else BETTER if value > self.published else REPRODUCED
                    cells.append(
                        Cell(
                            table=context.name, row=run.config, config=run.config, quantity="modes",
                            published=f"{self.published:g}", scale=study.scale, reproduced=value, n=1,
                            outcome="trained", verdict=verdict, records=(run_id.metrics,),
                        )
                    )
                    grids[run.config] = context.store.results / str(run_id) / "samples.png"
        remark = "Modes are counted by the digit classifier."
        rows = [{"hardware": c.scale, "row": c.row, "variant": "modes", "step_ms": c.reproduced} for c in cells]
        chart = step_times(rows, name="modes", title="Modes", caption="one run of each row (n = 1)")
        sheet = Sheet(name="samples", caption="Samples of every row", grids=grids)
        return Content(cells=cells, pictures=[chart, sheet], remarks=[remark], notes=["A note of the content."])


registry.TABLES["modes-of-runs"] = ModesTable(title="Modes of all runs", published=700, notes=("A note.",))
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree with the committed records, in which a new kind is one file more.

    Python imports it as it starts, where an entry in registry.py would.
    """
    tree = copy_tree(tmp_path_factory.mktemp("tree"))
    (tree / "pipelines/study/smoke.yaml").write_text((REPOSITORY / "pipelines/study/smoke.yaml").read_text())
    (tree / "r3gan/tables/kinds/modes_of_runs.py").write_text(MODES_KIND)
    (tree / "sitecustomize.py").write_text("import r3gan.tables.kinds.modes_of_runs\n")
    assert run(tree, "r3gan", "table", "modes-of-runs") == "wrote results/modes-of-runs.md\n"
    return tree


def run(tree: Path, *command: str, code: int = 0) -> str:
    """What a command in the tree prints; it must end with this code."""
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_new_kind_gets_markdown_csv_json_and_a_folder_of_pictures(tree: Path) -> None:
    results = tree / "results"
    text = (results / "modes-of-runs.md").read_text()
    assert text.startswith("# Modes of all runs\n\n## Modes by run\n\n| Run ")
    assert "\n\nModes are counted by the digit classifier.\n\n" in text
    pictures = re.findall(r"^!\[(.+)\]\((.+)\)$", text, flags=re.M)
    assert [file for _, file in pictures] == ["modes-of-runs/modes.png", "modes-of-runs/samples.png"]
    assert text.endswith("## Notes\n\n- A note.\n- A note of the content.\n")
    with (results / "modes-of-runs.csv").open(newline="") as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    cells = {cell.row: cell for cell in read_table_file(results / "modes-of-runs.json").cells}
    assert lines.keys() == cells.keys() >= {"A", "E", "dcgan"}
    record = json.loads((RESULTS / "smoke/stackedmnist5k-16/E/seed0/metrics.json").read_text())
    assert cells["E"].reproduced == float(lines["E"]["reproduced"]) == record["metrics"]["modes"]["value"]
    files = {path.name for path in (results / "modes-of-runs").iterdir()}
    assert files == {"modes.png", "modes.svg", "modes.vl.json", "samples.png"}


def test_a_new_kind_is_listed_and_compared(tree: Path) -> None:
    listed = run(tree, "r3gan", "list", "tables")
    assert re.search(r"^modes-of-runs +Modes of all runs +modes of every run$", listed, flags=re.M)
    found = json.loads(run(tree, "r3gan", "compare", "--table", "modes-of-runs", "--json", code=1))
    cells = read_table_file(tree / "results/modes-of-runs.json").cells
    worse = [cell.row for cell in cells if cell.verdict == "worse"]
    assert [cell["row"] for cell in found["outside"]] == worse
    assert 0 < len(worse) < len(cells)


def test_a_new_kind_has_a_section_of_the_page_a_junit_suite_and_its_cells_in_the_tidy_table(tree: Path) -> None:
    run(tree, "r3gan", "report")
    cells = read_table_file(tree / "results/modes-of-runs.json").cells
    suites = ElementTree.fromstring((tree / "results/report.xml").read_text())
    (suite,) = (suite for suite in suites if suite.get("name") == "Modes of all runs")
    worse = sum(cell.verdict == "worse" for cell in cells)
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == (str(len(cells)), str(worse), len(cells))
    page = (tree / "results/report.html").read_text()
    section = page.split('id="modes-of-runs"')[1].split("</section>")[0]
    assert "Modes of all runs" in section and "Modes by run" in section and "A note." in section
    with (tree / "results/cells.csv").open(newline="") as file:
        assert sum(line["table"] == "modes-of-runs" for line in csv.DictReader(file)) == len(cells)
    report = json.loads((tree / "results/report.json").read_text())
    (entry,) = (table for table in report["tables"] if table["table"] == "modes-of-runs")
    assert entry["pictures"] == ["modes-of-runs/modes.png", "modes-of-runs/samples.png"]


def test_a_new_kind_has_a_rule_of_snakemake(tree: Path) -> None:
    planned = run(tree, "snakemake", "--cores", "1", "--dry-run", "--printshellcmds", "--", "results/modes-of-runs.md")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, flags=re.M))
    (study,) = (study for study in studies() if study.scale == "smoke")
    runs = str(len(study.runs))
    assert (jobs["table"], jobs["evaluate"], jobs["train"]) == ("1", runs, runs)
    assert "evaluate_snapshots" not in jobs
    assert "r3gan table modes-of-runs" in planned


def test_a_new_kind_has_a_stage_of_dvc(tree: Path) -> None:
    run(tree, "r3gan", "dvc-file")
    stages = yaml.safe_load((tree / "dvc.yaml").read_text())["stages"]
    assert stages["table"]["foreach"][-1] == "modes-of-runs"
    assert {"runs/hashes/evaluate/E.json": None} in stages["inputs_modes-of-runs"]["params"]
    run(tree, "r3gan", "fingerprint", "pipelines/study/smoke.yaml", "--out", "runs/fingerprints")
    first = (tree / "runs/fingerprints/table.modes-of-runs.json").read_text()
    kind = tree / "r3gan/tables/kinds/modes_of_runs.py"
    kind.write_text(MODES_KIND.replace("self.published / 2", "self.published / 3"))
    run(tree, "r3gan", "fingerprint", "pipelines/study/smoke.yaml", "--out", "runs/fingerprints")
    kind.write_text(MODES_KIND)
    assert (tree / "runs/fingerprints/table.modes-of-runs.json").read_text() != first


# The contract of every entry of TABLES.

NOTHING = Path("nowhere")
EVERY_TABLE = pytest.mark.parametrize("name", TABLES)


@cache
def studies() -> tuple[Study, ...]:
    return tuple(read_all_studies(REPOSITORY / "pipelines/study"))


@cache
def everything() -> Path:
    """A folder of results in which every run of every study is on record."""
    results = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, results)
    for study in studies():
        for run_id, run in study.measured.items():
            values = {metric: 3.0 + run.seed + len(run.config) / 10 for metric in run.evaluation["metrics"]}
            kimg, samples = run.total_kimg, run.evaluation["samples"]
            write_run(results, evaluation_of(str(run_id), values, kimg=kimg, samples=samples))
        for run_id, run in study.converging.items():
            curves = {metric: [9.0, 5.0 + len(run.config) / 10, 7.0] for metric in run.evaluation["metrics"]}
            write_run(results, convergence_of(str(run_id), curves, total_kimg=run.total_kimg))
    shutil.copytree(RESULTS / "benchmarks", results / "benchmarks")
    return results


@cache
def built(name: str, results: Path = RESULTS) -> Content:
    """The table of a folder's records, of the committed ones or others; one that shows no results is built once."""
    table = TABLES[name]
    shows_results = any(table.records(study) for study in studies()) or any("results/" in p for p in table.sources())
    if results != RESULTS and not shows_results:
        return built(name)
    return table.build(Context(name=name, store=Store(results), studies=studies()))


def all_built(name: str) -> list[Content]:
    """Without a record, from the committed ones, and where all that any study lists has been run."""
    return [built(name, NOTHING), built(name), built(name, everything())]


@EVERY_TABLE
def test_a_table_is_built_without_a_record_and_claims_nothing_then(name: str) -> None:
    content = built(name, NOTHING)
    assert content.cells or content.remarks or content.notes  # something is said
    # The authors' logs and what is computed from the losses themselves need no record.
    cells = [cell for cell in content.cells if cell.outcome not in ("logged", "computed")]
    assert [cell for cell in cells if cell.scale or cell.records or cell.metric] == []
    assert {cell.verdict for cell in cells} <= {"", "exact", "not run", "not tested"}


@EVERY_TABLE
def test_the_committed_table_is_that_of_the_committed_records(name: str) -> None:
    file = read_table_file(RESULTS / f"{name}.json")
    assert (file.table, file.title, [*file.remarks]) == (name, TABLES[name].title, [*built(name).remarks])
    assert {cell.key: cell for cell in file.cells} == {cell.key: cell for cell in built(name).cells}


@EVERY_TABLE
def test_cells_are_told_apart_and_every_verdict_is_a_word_that_is_explained(name: str) -> None:
    for content in all_built(name):
        keys = [cell.key for cell in content.cells]
        assert len(set(keys)) == len(keys)
        assert {cell.table for cell in content.cells} <= {name}
        assert all(cell.published or cell.outcome for cell in content.cells)
        assert {cell.verdict for cell in content.cells if cell.verdict} <= VERDICTS.keys()
        assert all(cell.reason for cell in content.cells if cell.verdict == NOT_COMPARABLE)
        assert not any(cell.verdict for cell in content.cells if not cell.outcome)


@EVERY_TABLE
def test_a_table_shows_the_runs_that_it_asks_its_studies_for(name: str) -> None:
    """All seeds of them, or as in a figure of curves the first."""
    toys = {record for study in studies() for record in study.toy_records}
    asked = {record for study in studies() for record in TABLES[name].records(study)} - toys
    cells = built(name, everything()).cells
    named = {record for cell in cells for record in cell.records if not record.startswith("benchmarks/")}
    assert named <= asked
    # A claim is decided by the first of several kinds of records that can.
    assert name == "claims" or {re.sub(r"seed\d+", "", record) for record in asked - named} <= {
        re.sub(r"seed\d+", "", r) for r in named
    }
    here = {record for cell in built(name).cells for record in cell.records}
    assert all((RESULTS / record).exists() for record in here)


@EVERY_TABLE
def test_panels_show_every_side_of_every_cell(name: str) -> None:
    for content in all_built(name):
        lines = [places for panel in TABLES[name].panels(content.cells) for _, places in panel.rows]
        shown: dict[tuple[str, ...], list[str]] = {}
        for place in filter(None, (place for places in lines for place in places)):
            shown.setdefault(place.cell.key, []).append(place.side)
        assert shown.keys() == {cell.key for cell in content.cells}
        for cell in content.cells:
            assert sides_missing(cell, shown[cell.key]) == set(), cell.key


def sides_missing(cell: Cell, shown: list[str]) -> set[str]:
    """The sides of a cell that a reader does not see."""
    wanted = ({"reproduced"} if cell.outcome else {"published"}) | ({"verdict"} if cell.verdict else set())
    return set() if "both" in shown else wanted - set(shown)


@EVERY_TABLE
def test_a_judged_cell_has_the_band_of_its_table(name: str) -> None:
    table = TABLES[name]
    for cell in (*built(name).cells, *built(name, everything()).cells):
        band, (quantity, published) = table.band_of(cell), table.band_key(cell)
        if band is not None:
            assert cell.verdict and cell.published_value is not None
            assert band == find_band(quantity, published)
        if cell.band is not None:
            assert band is not None and cell.published_value is not None
            assert cell.band == band.around(cell.published_value)


@EVERY_TABLE
def test_pictures_have_names_titles_and_captions_and_their_files_are_there(name: str) -> None:
    pictures = built(name).pictures
    names = [picture.name for picture in pictures]
    assert len(set(names)) == len(names)
    for picture in pictures:
        assert re.fullmatch(r"[a-z0-9-]+", picture.name)
        assert picture.caption
        if isinstance(picture, Sheet):
            assert picture.grids and all(path.exists() for path in picture.grids.values())
        else:
            assert picture.title and picture.alt


@EVERY_TABLE
def test_an_entry_says_what_it_is_made_of(name: str) -> None:
    table = find_table(name)
    assert table.title and table.made_of and len(table.made_of) > 10
    assert all(note.endswith((".", '"')) for note in table.notes)
    assert all(next(iter(REPOSITORY.glob(pattern)), None) for pattern in table.sources())
    assert " at 0x" not in repr(table)  # fingerprints are taken of it


def kinds() -> Mapping[str, type[Kind]]:
    """Every kind of TABLES by its class's name."""
    return {type(table).__name__: type(table) for table in TABLES.values()}


def test_nobody_asks_which_kind_a_table_is() -> None:
    """Outside tables/kinds/ only the registry names the classes of kinds, to make its entries."""
    named = []
    for path in sorted((REPOSITORY / "r3gan").rglob("*.py")):
        place = path.relative_to(REPOSITORY).as_posix()
        if place.startswith("r3gan/tables/kinds/") or place == "r3gan/tables/registry.py":
            continue
        words = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        named += [f"{place}: {kind}" for kind in sorted(words & kinds().keys())]
    assert named == []
    for path in [REPOSITORY / "Snakefile", REPOSITORY / "dvc.yaml", *(REPOSITORY / "pipelines").glob("*.smk")]:
        assert not [kind for kind in kinds() if kind in path.read_text()], path


def test_kinds_import_nothing_heavy() -> None:
    """Every job of Snakemake imports them."""
    heavy = "torch", "numpy", "scipy", "pandas", "altair", "PIL"
    code = f"import sys, r3gan.tables.registry; print([name for name in {heavy} if name in sys.modules])"
    assert run(REPOSITORY, "python", "-c", code) == "[]\n"
