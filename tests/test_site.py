"""The documentation's site: every guide, table, command and the report is a page, and links lead somewhere."""

import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from r3gan.cli import build_parser
from r3gan.tables.registry import TABLES
from tests.conftest import PATIENCE_S, REPOSITORY, environment, need

ADDRESS = "https://git.example/us/r3gan"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("mkdocs")
    out = tmp_path_factory.mktemp("site")
    known = environment(REPOSITORY) | {"REPOSITORY_URL": ADDRESS, "GITHUB_SHA": "main"}
    command = ["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, env=known, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return out


def flowchart(source: str) -> str:
    """What docs/site.py, a hook that no package holds, makes of a flowchart."""
    need("mkdocs")
    return str(runpy.run_path(str(REPOSITORY / "docs/site.py"))["flowchart"](source))


def text(page: Path) -> str:
    return (page / "index.html").read_text()


def test_every_guide_and_table_is_a_page(site: Path) -> None:
    guides = [path.stem for path in (REPOSITORY / "docs").glob("*.md")]
    home = text(site)
    for page in (*(f"docs/{name}" for name in guides), *(f"results/{name}" for name in TABLES)):
        assert "<h1" in text(site / page)
        assert f'href="{page}/"' in home
    assert 'href="results/report.html"' in home
    assert "Content-Security-Policy" in (site / "results/report.html").read_text()


def test_the_references_are_those_of_the_code(site: Path) -> None:
    shown = text(site / "docs/reference/commands")
    assert [name for name in build_parser().commands if f">r3gan {name}<" not in shown] == []
    assert "usage: r3gan evaluate" in shown
    python = text(site / "docs/reference/python")
    assert 'id="r3gan.load"' in python and 'id="r3gan.losses.' in python
    assert "The trained generator of a run" in python


def test_a_link_to_code_leads_to_the_repository(site: Path) -> None:
    assert f'href="{ADDRESS}/blob/main/r3gan/records/schema.py"' in text(site / "docs/records")


def test_the_pictures_of_the_pipeline_are_in_the_page_and_nothing_is_fetched(site: Path) -> None:
    shown = text(site / "docs/pipeline")
    assert shown.count("<svg viewBox=") == 2
    assert 'aria-label="report before all; ' in shown and ">evaluate_snapshots</text>" in shown
    for page in site.rglob("*.html"):
        content = page.read_text()
        assert 'class="mermaid"' not in content
        assert not re.search(
            r'<(script|img|iframe)[^>]* src="(https?:)?//|<link[^>]*stylesheet"[^>]*href="(https?:)?//', content
        )


def test_an_edge_past_a_box_is_inside_its_picture() -> None:
    drawn = flowchart("\ta[first]\n\tb[second]\n\tc[third]\n\ta --> b\n\tb --> c\n\ta --> c\n")
    left, top, width, height = map(float, re.findall(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', drawn)[0])
    points = re.findall(r"[ML](-?\d+),(-?\d+)", drawn.partition("</defs>")[2])
    assert len(points) == 2 + 2 + 3  # the long edge goes around the box between
    assert all(left <= float(x) <= left + width and top <= float(y) <= top + height for x, y in points)


def test_a_link_to_nothing_fails(tmp_path: Path) -> None:
    need("mkdocs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[gone](nowhere.md)")
    rules = (REPOSITORY / "mkdocs.yml").read_text().partition("\nvalidation:")[2]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: a name\nvalidation:{rules}")
    command = ["mkdocs", "build", "--strict"]
    known = environment(REPOSITORY) | {"HOME": os.devnull}
    done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert "contains a link 'nowhere.md', but the target is not found" in done.stderr
