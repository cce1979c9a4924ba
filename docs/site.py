"""The documentation's site (mkdocs.yml): the repository's pages where they lie there, and what is made from the code.

Links work as they do in the repository. One to a file that is no page, such as a module, leads to the repository where
its address is known (`repo_url`) and is plain text elsewhere; one to nothing at all fails the build. Mermaid's
flowcharts, which the repository's host draws itself, are drawn here when the site is built: its pages fetch nothing.
"""

import os
import posixpath
import re
from html import escape
from pathlib import Path

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer
from grandalf.routing import EdgeViewer, route_with_lines
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation
from mkdocs.structure.pages import Page

from r3gan.cli import build_parser
from r3gan.report.content import gather
from r3gan.report.page import page as report_page
from r3gan.tables.registry import TABLES

ROOT = Path(__file__).parents[1]
SHOWN = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "config/README.md",
    "docs/*.md", "docs/*/*.png", *(f"results/{name}{ending}" for name in TABLES for ending in (".md", "/*.png")),
)  # fmt: skip
REPORT, COMMANDS, PYTHON = "results/report.html", "docs/reference/commands.md", "docs/reference/python.md"
# What other programs use; the rest of the package is for its own commands.
MODULES = (
    "r3gan", "r3gan.generate", "r3gan.records.frame", "r3gan.records.store", "r3gan.records.run_id",
    "r3gan.records.schema", "r3gan.losses", "r3gan.penalties",
)  # fmt: skip


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation: every guide and every table, without a list of their names."""
    guides = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
    config.nav = [
        {"Home": "README.md"},
        {"Guides": guides},
        {"Tables": [f"results/{name}.md" for name in TABLES]},
        {"Reference": [COMMANDS, PYTHON, "benchmarks/README.md", "config/README.md"]},
        {"Project": ["CONTRIBUTING.md", "CHANGELOG.md"]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted(path for pattern in SHOWN for path in ROOT.glob(pattern)):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    made = {REPORT: report_page(gather(ROOT / "results")), COMMANDS: commands(), PYTHON: python()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    nav.items.insert(1, Link("Report", REPORT))  # here, since mkdocs would read a file of its `nav` as Markdown
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    folder = posixpath.dirname(page.file.src_uri)

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["target"]))
        if files.get_file_from_path(target) or not (ROOT / target).exists():
            return link[0]
        revision = os.environ.get("GITHUB_SHA", "main")
        return f"[{link['text']}]({config.repo_url}/blob/{revision}/{target})" if config.repo_url else link["text"]

    markdown = re.sub(r"^```mermaid\n(.*?)^```$", lambda found: flowchart(found[1]), markdown, flags=re.M | re.S)
    return re.sub(r"\[(?P<text>[^]]*)\]\((?P<target>[^):#]+)\)", led, markdown)


def flowchart(source: str) -> str:
    """A flowchart of mermaid (`id[name]`, `id --> id`) as SVG from top to bottom, in the colour of the text."""
    boxes = {key: Vertex(name) for key, name in re.findall(r'^\s*(\w+)\["?(\w+)"?\]', source, flags=re.M)}
    arrows = [Edge(boxes[a], boxes[b]) for a, b in re.findall(r"^\s*(\w+) ?--> ?(\w+)", source, flags=re.M)]
    for box in boxes.values():
        box.view = VertexViewer(w=8 * len(box.data) + 20, h=28)
    for arrow in arrows:
        arrow.view = EdgeViewer()
    layout = SugiyamaLayout(Graph([*boxes.values()], arrows).C[0])
    layout.xspace, layout.yspace, layout.route_edge = 24, 32, route_with_lines
    layout.init_all(optimize=True)
    layout.draw(3)
    paths = [" L".join(f"{x:.0f},{y:.0f}" for x, y in arrow.view._pts) for arrow in arrows]
    parts = [f'<path d="M{path}" fill="none" stroke="currentColor" marker-end="url(#arrow)"/>' for path in paths]
    corners = [point for arrow in arrows for point in arrow.view._pts]
    for box in boxes.values():
        (x, y), w, h = box.view.xy, box.view.w, box.view.h
        corners += [(x - w / 2, y - h / 2), (x + w / 2, y + h / 2)]
        parts.append(
            f'<rect x="{x - w / 2:.0f}" y="{y - h / 2:.0f}" width="{w}" height="{h}" rx="5" fill="none" '
            f'stroke="currentColor"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{escape(box.data)}</text>'
        )
    left, top = (min(corner[i] for corner in corners) - 4 for i in (0, 1))
    width, height = (max(corner[i] for corner in corners) + 4 - least for i, least in ((0, left), (1, top)))
    said = "; ".join(f"{arrow.v[0].data} before {arrow.v[1].data}" for arrow in arrows)
    return (
        f'<div><svg viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
        f'aria-label="{escape(said)}" fill="currentColor" font-size="14" style="max-width: 100%">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z"/></marker></defs>{"".join(parts)}</svg></div>'
    )


def commands() -> str:
    """The help of every command, from the parser."""
    os.environ["COLUMNS"] = "80"  # argparse asks for a terminal's width
    parser = build_parser()
    texts = {"# Commands": parser, **{f"## r3gan {name}": sub for name, sub in parser.commands.items()}}
    return "\n\n".join(f"{title}\n\n```text\n{each.format_help()}```" for title, each in texts.items())


def python() -> str:
    """What mkdocstrings fills in from docstrings and types."""
    return "# Python\n\n" + "\n\n".join(f"::: {module}" for module in MODULES)
