"""The report's small formats, from this tree's results and from made-up tables."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from msgspec.structs import replace

from r3gan.report.content import gather
from r3gan.report.formats import SUMMARY_LIMIT_BYTES, badge, junit, machine, summary
from r3gan.report.write import FORMATS
from r3gan.tables.cell import Cell, write_table_file
from tests.conftest import REPOSITORY, environment

SCHEMA = json.loads((REPOSITORY / "r3gan/report/report.schema.json").read_text())
GOOD = Cell(
    table="table3", row="R3GAN Config E", config="E", quantity="fid", published="1.96", scale="paper", reproduced=1.97,
    n=1, outcome="trained", verdict="reproduced", reason="single run", band=(1.85, 2.08), metric="fid",
)  # fmt: skip
BAD = replace(GOOD, quantity="recall", published="0.57", reproduced=0.1, verdict="worse", band=(0.55, 0.59))
NOT_RUN = replace(GOOD, row="a | b\n</details>", reproduced=None, outcome="not run", verdict="not run", reason="", n=0)
OTHERS = Cell(table="table3", row="BigGAN", quantity="fid", published="14.73")


def write(results: Path, *cells: Cell) -> Path:
    """A results folder with one table."""
    results.mkdir(exist_ok=True)
    write_table_file(results / "table3.json", "table3", "Table 3", cells, [])
    return results


def test_the_committed_results_make_a_report_that_fits_its_schema() -> None:
    content = gather(REPOSITORY / "results")
    found = json.loads(machine(content))
    jsonschema.validate(found, SCHEMA)
    assert found["regressed"] is False
    named = {path for table in found["tables"] for cell in table["cells"] for path in cell.get("records", ())}
    assert named == set(found["records"])
    assert all((REPOSITORY / "results" / path).exists() for path in named)
    assert len(summary(content).encode()) < SUMMARY_LIMIT_BYTES


def test_the_schema_says_no() -> None:
    found = json.loads(machine(gather(REPOSITORY / "results")))
    found["tables"][0]["cells"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMA)


def test_the_summary_puts_the_status_first_and_escapes_what_would_break_a_table(tmp_path: Path) -> None:
    text = summary(gather(write(tmp_path / "results", GOOD, BAD, NOT_RUN, OTHERS)))
    first = text.splitlines()[0]
    assert first.startswith("### ")
    assert "1 number lies outside the band" in first
    assert text.index("Outside their bands") < text.index("<details>")
    assert "a \\| b &lt;/details>" in text
    assert text.count("<details>") == text.count("</details>")


def test_a_summary_stays_under_the_limit(tmp_path: Path) -> None:
    many = [replace(GOOD, row=f"row {i} " + "x" * 300) for i in range(4000)]
    text = summary(gather(write(tmp_path / "results", *many)))
    assert len(text.encode()) < SUMMARY_LIMIT_BYTES
    assert "too long for a summary" in text


def test_junit_has_a_suite_per_table_and_a_case_per_reproduced_cell(tmp_path: Path) -> None:
    root = ElementTree.fromstring(junit(gather(write(tmp_path / "results", GOOD, BAD, NOT_RUN, OTHERS))))
    (suite,) = root
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped", "errors")} == {
        "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    good, bad, missing = suite
    assert (good.get("classname"), good.get("name")) == ("table3", "R3GAN Config E / fid / paper")
    assert (good.findtext("system-out") or "").splitlines()[:3] == [
        "published: 1.96", "reproduced: 1.97", "band: 1.85 to 2.08",
    ]  # fmt: skip
    failure = bad.find("failure")
    assert failure is not None
    assert failure.get("message") == "0.1, published 0.57: worse: single run"
    assert missing.find("skipped") is not None


# What Jenkins' schema allows: attributes, the required one first, and children in this order.
JENKINS = {
    "testsuites": (("name", "time", "tests", "failures", "disabled", "errors"), ("testsuite",)),
    "testsuite": (
        (
            "name",
            "tests",
            "failures",
            "errors",
            "time",
            "disabled",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        ),
        ("properties", "testcase", "system-out", "system-err"),
    ),
    "testcase": (
        ("name", "assertions", "time", "classname", "status"),
        ("skipped", "error", "failure", "system-out", "system-err"),
    ),
    "skipped": (("message",), ()),
    "failure": (("message", "type"), ()),
    "system-out": ((), ()),
}


def test_junit_is_what_jenkins_reads() -> None:
    """Of all tables of this repository."""
    root = ElementTree.fromstring(junit(gather(REPOSITORY / "results")))
    for element in root.iter():
        attributes, children = JENKINS[element.tag]
        assert set(element.attrib) <= set(attributes)
        assert element.tag not in ("testsuite", "testcase") or "name" in element.attrib
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)
        assert element.tag != "testcase" or len(element.findall("skipped")) <= 1
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))


@pytest.mark.parametrize(
    ("verdict", "published", "result"),
    [
        ("not comparable", "2", "skipped"),
        ("not measured", "2", "skipped"),
        ("inconclusive", "2", "skipped"),
        ("", None, "skipped"),
        ("worse", "2", "failure"),
        ("exact", "2", "system-out"),
        ("reproduced", "2", "system-out"),
    ],
)
def test_a_case_passes_only_where_a_published_number_was_met(
    verdict: str, published: str | None, result: str, tmp_path: Path
) -> None:
    cell = replace(GOOD, verdict=verdict, published=published)
    ((case,),) = ElementTree.fromstring(junit(gather(write(tmp_path / "results", cell))))
    assert case[0].tag == result


def test_the_badge_counts_results_apart_from_settings(tmp_path: Path) -> None:
    exact = replace(GOOD, quantity="g_params", verdict="exact", scale="")
    shown = json.loads(badge(gather(write(tmp_path / "results", GOOD, NOT_RUN, exact))))
    assert shown == {
        "schemaVersion": 1, "label": "reproduced", "message": "1 of 2 results, 1 of 1 settings", "color": "brightgreen",
    }  # fmt: skip
    write(tmp_path / "results", GOOD, BAD)
    assert json.loads(badge(gather(tmp_path / "results")))["color"] == "red"
    write(tmp_path / "results", NOT_RUN)
    assert json.loads(badge(gather(tmp_path / "results")))["color"] == "lightgrey"


def report(tree: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {k: v for k, v in environment(REPOSITORY).items() if k != "GITHUB_STEP_SUMMARY"} | variables
    command = [sys.executable, "-m", "r3gan", "report"]
    return subprocess.run(command, cwd=tree, env=known, capture_output=True, text=True, timeout=120)


def test_the_command_writes_every_format_and_the_jobs_summary_if_there_is_one(tmp_path: Path) -> None:
    write(tmp_path / "results", GOOD)
    assert report(tmp_path).returncode == 0
    assert all((tmp_path / "results" / name).stat().st_size > 50 for name in FORMATS)
    job = tmp_path / "summary"
    job.write_text("before\n")
    assert report(tmp_path, GITHUB_STEP_SUMMARY=str(job)).returncode == 0
    assert job.read_text() == "before\n" + (tmp_path / "results/report.md").read_text()


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    done = report(tmp_path)
    assert done.returncode == 2
    assert "--results results: none of these tables is there" in done.stderr
    write(tmp_path / "results", replace(GOOD, records=("gone/metrics.json",)))
    done = report(tmp_path)
    assert done.returncode == 2
    assert "gone/metrics.json is missing" in done.stderr
    assert not (tmp_path / "results/report.md").exists()
    write(tmp_path / "results", GOOD)
    done = report(tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "no/such/file"))
    assert done.returncode == 2
    assert "GITHUB_STEP_SUMMARY=" in done.stderr


def test_the_report_needs_no_torch(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "results", tmp_path / "results")
    code = (
        "import sys; from pathlib import Path; from r3gan.report.write import write_report; "
        "write_report(Path('results')); sys.exit('torch' in sys.modules)"
    )
    known = environment(REPOSITORY) | {"GITHUB_STEP_SUMMARY": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=known, timeout=120)
    assert done.returncode == 0
    assert os.listdir(tmp_path) == ["results"]  # noqa: PTH208
