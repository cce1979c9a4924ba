"""The documentation's site (mkdocs.yml): the repository's pages where they lie there, and what is made from the code.

Links work as they do in the repository. One to a file that is no page, such as a module, leads to the repository where
its address is known (`repo_url`) and is plain text elsewhere; one to nothing at all fails the build.
"""

import os
import posixpath
import re
from pathlib import Path

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

    return re.sub(r"\[(?P<text>[^]]*)\]\((?P<target>[^):#]+)\)", led, markdown)


def commands() -> str:
    """The help of every command, from the parser."""
    os.environ["COLUMNS"] = "80"  # argparse asks for a terminal's width
    parser = build_parser()
    texts = {"# Commands": parser, **{f"## r3gan {name}": sub for name, sub in parser.commands.items()}}
    return "\n\n".join(f"{title}\n\n```text\n{each.format_help()}```" for title, each in texts.items())


def python() -> str:
    """What mkdocstrings fills in from docstrings and types."""
    return "# Python\n\n" + "\n\n".join(f"::: {module}" for module in MODULES)
