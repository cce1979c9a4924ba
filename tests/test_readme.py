"""What README and docs/ say is true: commands parse, files and entries are there, the shown table is the record's."""

import importlib
import re
import shlex

import pytest

from r3gan.cli import build_parser
from r3gan.study import read_all_studies
from r3gan.tables.cell import read_table_file
from r3gan.tables.markdown import reproduced
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import VERDICTS
from tests.conftest import REPOSITORY, run_in

PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((REPOSITORY / "docs").glob("*.md"))))
TEXT = {page: (REPOSITORY / page).read_text() for page in PAGES}
README = TEXT["README.md"]


def commands(text: str) -> list[str]:
    """Lines of fenced or indented code without their comments."""
    fenced = [
        line for block in re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S) for line in block.splitlines()
    ]
    indented = re.findall(r"^    (\S.*)$", re.sub(r"^```\w*\n.*?^```", "", text, flags=re.M | re.S), flags=re.M)
    return [re.split("  #| > ", line)[0].strip() for line in (*fenced, *indented)]


COMMANDS = [(page, line) for page, text in TEXT.items() for line in commands(text)]


@pytest.mark.parametrize(
    "line", sorted({line for _, line in COMMANDS if re.match(r"(torchrun .* -m )?r3gan ", line) and " | " not in line})
)
def test_every_command_shown_is_understood(line: str) -> None:
    words = shlex.split(line)
    words = words[words.index("r3gan") + 1 :]
    if words == ["--help"]:
        return
    arguments = build_parser().parse_args(words)
    assert callable(arguments.function)


def test_every_make_target_and_table_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.M))
    named = {word for text in TEXT.values() for word in re.findall(r"(?:^|`)make ([a-z0-9]+)", text, flags=re.M)}
    assert {"table1", "report", "tables", "bench", "test", "lint"} <= named <= targets
    scales = {study.scale for study in read_all_studies(REPOSITORY / "pipelines/study")}
    wanted = [word for _, line in COMMANDS for word in line.split() if word.startswith("results/") and ".md" in word]
    assert wanted
    for word in wanted:
        *scale, name = word.removeprefix("results/").removesuffix(".md").split("/")
        assert name in TABLES
        assert set(scale) <= scales
    assert all(f"results/{name}.md" in "".join(TEXT.values()) for name in TABLES)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    folder = (REPOSITORY / page).parent
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", TEXT[page]):
        assert (folder / target).exists(), target


def test_every_row_of_the_adding_table_names_a_registry_in_the_file_that_defines_it() -> None:
    rows = re.findall(r"^\| .* \|$", TEXT["CONTRIBUTING.md"].split("## Adding to it")[1].split("\n## ")[0], flags=re.M)[
        1:
    ]
    files = {
        "run": "pipelines/study",
        "kind of table": "r3gan/tables/kinds",
        "published number": "r3gan/tables/published.csv",
    }
    for row in rows:
        new, where = (cell.strip() for cell in row.strip("|").split("|"))
        named = re.findall(r"`([A-Z]+)` in `((?:r3gan|benchmarks)/[\w/]+(?:\.py|/))`", where)
        assert len(named) == where.count("` in `"), row
        assert named or (files[new] in where and (REPOSITORY / files[new]).exists()), row
        for registry, path in named:
            place = REPOSITORY / path
            text = "".join(file.read_text() for file in ([place] if place.is_file() else place.glob("*.py")))
            assert re.search(rf"^{registry}\b.*= ", text, flags=re.M), f"{registry} in {path}"
            module = path.removesuffix(".py").rstrip("/").removesuffix("/__init__").replace("/", ".")
            assert len(getattr(importlib.import_module(module), registry)) > 1, registry
    assert {"configuration", "data set", "metric", "table"} <= {row.strip("| ").split("|")[0].strip() for row in rows}


def test_the_claims_shown_are_those_on_record() -> None:
    lines = re.findall(r"^\| (.+) \| (.+) \| (\d+) \| (.+) \|$", README.split("## What holds so far")[1], flags=re.M)
    assert len(lines) >= 5
    scales = {"desk": "", "mini": " (mini)"}
    cells = {
        cell.row + scales[cell.scale]: cell
        for cell in read_table_file(REPOSITORY / "results/claims.json").cells
        if cell.scale in scales
    }
    for row, effect, n, verdict in lines:
        assert (effect, int(n), verdict) == (cells[row].text, cells[row].n, cells[row].verdict), row


def test_the_row_of_table_1_shown_is_the_one_on_record() -> None:
    lines = re.findall(r"^\| (.+) \|$", README.split("## What holds so far")[1], flags=re.M)
    head, row = next(lines[i : i + 2] for i, line in enumerate(lines) if line.startswith("Table 1, desk, n = "))
    cells = [
        cell
        for cell in read_table_file(REPOSITORY / "results/table1.json").cells
        if (cell.scale, cell.quantity) == ("desk", "digit-frechet")
    ]
    assert row.split(" | ")[1:] == [re.sub(r" \+- \S+", "", reproduced(cell)) for cell in cells]
    assert {cell.n for cell in cells} == {int(head.split(" | ")[0].removeprefix("Table 1, desk, n = "))}


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 900


def test_every_verdict_is_explained() -> None:
    part = TEXT["docs/verdicts.md"]
    assert {word for word in VERDICTS if word not in part} == {"not measured"}


def test_every_stage_of_the_pipeline_is_in_the_table_of_stages_and_a_command() -> None:
    part = TEXT["docs/commands.md"].split("both engines only wire them together")[1]
    stages = set(re.findall(r"^\| `([a-z-]+)`", part, flags=re.M))
    wiring = "".join(path.read_text() for path in (REPOSITORY / "pipelines").glob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):", wiring, flags=re.M))
    used = set(re.findall(r'^ +"r3gan ([a-z-]+)', wiring, flags=re.M))
    commands = set(re.findall(r"^    ([a-z-]+)\s", build_parser().format_help(), flags=re.M))
    assert used <= commands
    assert {stage.replace("-", "_") for stage in stages} <= rules
    assert stages - {"benchmark"} == used - {"estimate", "import-released"}  # benchmark is pytest's


def test_the_pictures_of_the_pipeline_are_what_the_engines_draw() -> None:
    done = run_in(REPOSITORY, "snakemake", "--rulegraph", "mermaid-js", "--forceall", "--cores", "1")
    assert done.returncode == 0, done.stderr

    def edges(text: str) -> set[tuple[str, str]]:
        names = dict(re.findall(r"^\t(id\d+)\[(\w+)\]", text, flags=re.M))
        return {(names[a], names[b]) for a, b in re.findall(r"^\t(id\d+) --> (id\d+)", text, flags=re.M)}

    assert edges(TEXT["docs/pipeline.md"]) == edges(done.stdout), done.stdout
    dag = run_in(REPOSITORY, "dvc", "dag", "--md", "--collapse-foreach-matrix", "table@table1")
    assert dag.returncode == 0, dag.stderr
    assert dag.stdout.strip() in TEXT["docs/pipeline.md"]
    assert ("train", "evaluate") in edges(done.stdout)
    drawn = {name for edge in edges(done.stdout) for name in edge}
    rules = set(
        re.findall(r"^rule (\w+):", "".join(p.read_text() for p in REPOSITORY.glob("pipelines/*.smk")), flags=re.M)
    )
    assert all(f"`{rule}`" in TEXT["docs/pipeline.md"] for rule in rules - drawn)
