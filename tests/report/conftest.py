"""The report's page of this tree, opened from disk in a real browser."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from r3gan.report.content import gather
from r3gan.report.page import page
from tests.conftest import PATIENCE_S, REPOSITORY, need

RESULTS = REPOSITORY / "results"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ALL_OPEN = "[...document.querySelectorAll('main details')].every(e => e.open)"
expect.set_options(timeout=60_000)  # of a busy machine


@pytest.fixture(scope="package")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of this tree's results, as a file."""
    target = tmp_path_factory.mktemp("page") / "report.html"
    with contextlib.chdir(REPOSITORY):
        target.write_text(page(gather(RESULTS)), encoding="utf-8")
    return target


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    need("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        yield chromium
        chromium.close()


class Opened:
    """A page in a context of its own, with everything that it said and asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"offline": True, "viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@contextlib.contextmanager
def opened(browser: Any, path: Path, **options: Any) -> Iterator[Any]:
    """The page at `path`; whatever is done with it, it says nothing and asks nobody."""
    found = Opened(browser, path, **options)
    try:
        yield found.page
        assert found.said == []
        assert all(url.startswith(("file:", "data:")) for url in found.requests), found.requests
    finally:
        found.context.close()


@pytest.fixture
def here(browser: Any, rendered: Path) -> Iterator[Any]:
    with opened(browser, rendered) as found:
        yield found


def drawn(found: Any) -> int:
    """Scroll to every chart until it is drawn; how many there are."""
    plots = found.locator(".plot")
    for i in range(plots.count()):
        plots.nth(i).scroll_into_view_if_needed()
        plots.nth(i).locator("svg").wait_for(timeout=PATIENCE_S * 1000)
    return int(plots.count())
