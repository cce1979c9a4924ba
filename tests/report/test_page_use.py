"""The report's page in use: found, sorted, read on a phone, by keyboard, by a screen reader and on paper."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from r3gan.report.content import gather
from r3gan.tables.registry import TABLES
from tests.report.conftest import ALL_OPEN, RESULTS, drawn, opened

PHONE = {"width": 390, "height": 844}
OPEN_ALL = "document.querySelectorAll('details').forEach((fold) => { fold.open = true })"
STOPS = """[...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
  .filter((e) => e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true})).length"""
VISIBLE_ROWS = "[...document.querySelectorAll('main tbody tr')].filter((e) => e.checkVisibility())"
MOST_STOPS, MOST_PAGES = 200, 15


def column(table: Any, index: int) -> list[str]:
    """The texts of a column, in the order of the rows."""
    texts = table.locator(f"tbody tr > :nth-child({index})").all_inner_texts()
    return [text.replace("Published:", "").strip() for text in texts]


def test_the_first_screen_has_the_claims_their_effects_and_samples_next_to_real_images(here: Any) -> None:
    """The chart goes on below it, at its own size, with what is decided first."""
    screen = here.viewport_size
    here.locator(".evidence .plot svg").wait_for()
    for part in (".status", ".decided li >> nth=0", ".lead img >> nth=0", ".lead img >> nth=1"):
        box = here.locator(part).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= screen["height"], part
        assert box["x"] + box["width"] <= screen["width"], part
    chart = here.locator(".evidence .plot svg")
    top = chart.bounding_box()["y"]
    assert 0 <= top <= screen["height"] - 300
    assert chart.evaluate("e => e.getBoundingClientRect().width === e.width.baseVal.value")
    reals, samples = (each.get_attribute("alt") for each in here.locator(".lead img").all())
    assert reals.startswith("Real images of ") and samples.startswith("Samples of ")
    assert "n = 1" in here.locator(".lead figcaption").inner_text()


def test_the_overview_counts_the_rows_there_are(here: Any) -> None:
    rows = here.locator("section.table tbody tr").count()
    tables = here.locator("section.table").count()
    assert rows > 300
    assert here.locator("#overview-title").inner_text() == f"Overview: {tables} tables and figures with {rows} rows"
    counts = here.evaluate(
        """[...document.querySelectorAll(".block")].map((block) => [
          block.querySelector(".rows").textContent, block.querySelectorAll("tbody tr").length])"""
    )
    assert all(said == f"{n} row{'' if n == 1 else 's'}" for said, n in counts)


def test_a_heading_sorts_its_column_up_down_and_back(here: Any) -> None:
    table = here.locator("#table1 table").nth(1)
    rows = column(table, 1)
    numbers = column(table, 3)
    head = table.locator("thead th").filter(has_text="trained").first
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    by_value = sorted(numbers, key=float)
    assert column(table, 3) == by_value != numbers
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert column(table, 3) == by_value[::-1]
    head.get_by_role("button").click()
    assert column(table, 1) == rows and head.get_attribute("aria-sort") is None


def test_what_is_empty_comes_last_and_units_count(here: Any) -> None:
    table = here.locator("#missing table")
    time = table.get_by_role("button", name="GPU time")
    time.click()
    texts = column(table, 4)
    minutes = {"s": 1 / 60, "min": 1, "h": 60, "days": 1440}
    values = [float(text.split()[0].replace(",", "")) * minutes[text.split()[1]] for text in texts]
    assert values == sorted(values) and len(values) > 10
    table = here.locator("#table3 table")
    table.get_by_role("button", name="counted").first.click()
    counted = column(table, 7)
    assert counted[0] and not any(counted[1:])


def test_a_search_leaves_the_rows_with_every_word_and_says_how_many(here: Any) -> None:
    total = here.locator("main tbody tr").count()
    assert not here.locator("#toys tbody tr").first.is_visible()
    here.get_by_label("Search all tables").fill("circle  rpgan+r1+r2")
    found = here.evaluate(
        f"{VISIBLE_ROWS}.map((e) => [e.closest('table').caption.textContent, e.cells[0].textContent])"
    )
    assert found and all("circle" in caption and row == "RpGAN+R1+R2" for caption, row in found)
    expect(here.locator("#shown")).to_have_text(f"{len(found)} of {total} rows")
    expect(here.locator("#toys .rows").first).to_have_text("1 of 8 rows")
    expect(here.locator("#table3")).not_to_contain_text("EDM", use_inner_text=True)
    here.locator("#toys .block:visible td button").first.click()  # what a number is made of opens in a search, too
    expect(here.locator("[popover]:popover-open")).to_be_visible()
    here.keyboard.press("Escape")
    here.get_by_role("link", name="Table 3: CIFAR-10").first.click()
    expect(here.locator("#shown")).to_have_text("")
    expect(here.locator("#table3")).to_be_in_viewport()
    expect(here.locator("#toys tbody tr").first).to_be_hidden()  # folded again
    assert here.locator("#toys .rows").first.inner_text() == "8 rows"


def test_search_and_filter_together(here: Any) -> None:
    here.get_by_label("Search all tables").fill("not-a-word-of-this-page")
    expect(here.locator("main tbody tr").first).to_be_hidden()
    here.get_by_label("Search all tables").fill("cifar-10")
    here.get_by_label("Rows with").select_option("not-run")
    assert here.evaluate(f"{VISIBLE_ROWS}.map((e) => e.cells[0].textContent)") == ["R3GAN Config E"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_column_stays_and_wide_tables_say_so(browser: Any, rendered: Path, width: int) -> None:
    with opened(browser, rendered, viewport={"width": width, "height": 800}) as found:
        found.evaluate(OPEN_ALL)
        wide = 0
        for block in found.locator(".block").all():
            scroll = block.locator(".scroll")
            is_wide = scroll.evaluate("e => e.scrollWidth > e.clientWidth + 1")
            expect(block.locator(".wide")).to_be_visible(visible=is_wide)
            wide += is_wide
            scroll.evaluate("e => { e.scrollLeft = 1e6 }")
            firsts = ["thead tr:first-child > :first-child", "tbody tr:last-child > :first-child"]
            lefts = [block.locator(each).evaluate("e => e.getBoundingClientRect().left") for each in firsts]
            left = scroll.evaluate("e => e.getBoundingClientRect().left")
            assert all(abs(each - left) <= 1.5 for each in lefts)
        assert wide > 3


def test_a_phone_shows_published_and_reproduced_and_leads_to_every_table(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered, viewport=PHONE) as found:
        compared = 0
        for table in found.locator("section.table .panel:visible").all():
            heads = table.locator("thead tr").last.locator("th")
            names = [name.lower() for name in heads.all_inner_texts()]
            # Of claims the verdict is what is reproduced, and stands before what is published.
            shown = next((i + (name == "published") for i, name in enumerate(names) if "published" in name), None)
            if shown is not None:
                box = heads.nth(min(shown, len(names) - 1)).bounding_box()
                assert box["x"] + box["width"] <= PHONE["width"], table.locator("caption").inner_text()
                compared += 1
        assert compared > 10
        contents = found.locator("#contents")
        assert not contents.locator("a").first.is_visible()
        contents.locator("summary").click()
        for name in (table.name for table in gather(RESULTS).tables):
            expect(contents.get_by_role("link", name=TABLES[name].title, exact=True)).to_be_visible()


def test_few_stops_for_the_keyboard(here: Any) -> None:
    assert here.locator("main button").count() > 2000
    assert 50 < here.evaluate(STOPS) <= MOST_STOPS
    here.get_by_role("button", name="Open all folds").click()
    here.wait_for_function(ALL_OPEN)
    assert here.evaluate(STOPS) <= MOST_STOPS


def test_skip_links_lead_to_the_contents_and_the_search(here: Any) -> None:
    for name, target in (("list of contents", "#contents summary"), ("search", "#search")):
        here.get_by_role("link", name=f"Skip to the {name}").focus()
        expect(here.get_by_role("link", name=f"Skip to the {name}")).to_be_in_viewport()
        here.keyboard.press("Enter")
        here.keyboard.press("Tab")
        stop = here.locator(target)
        expect(stop).to_be_in_viewport()


def test_arrow_keys_move_inside_a_table_and_tab_leaves_it(here: Any) -> None:
    table = here.locator("#table3 table")
    heads, numbers = table.locator("thead button"), table.locator("tbody button")
    heads.first.focus()
    here.keyboard.press("ArrowDown")
    expect(heads.nth(1)).to_be_focused()
    here.keyboard.press("ArrowDown")
    expect(numbers.first).to_be_focused()
    here.keyboard.press("ArrowDown")
    second = table.locator("tbody tr").nth(1).locator("button")
    expect(second.first).to_be_focused()
    here.keyboard.press("End")
    expect(second.last).to_be_focused()
    here.keyboard.press("Home")
    here.keyboard.press("ArrowRight")
    expect(second.nth(1)).to_be_focused()
    here.keyboard.press("Tab")
    assert here.evaluate("document.activeElement.closest('table')") is None
    here.keyboard.press("Shift+Tab")
    expect(second.nth(1)).to_be_focused()


def test_a_print_has_few_pages_and_one_size_of_letters_in_a_table(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered) as found:
        pages = re.findall(rb"/Type\s*/Page\b(?!s)", found.pdf(prefer_css_page_size=True))
        assert 5 < len(pages) <= MOST_PAGES
        found.emulate_media(media="print")
        sizes = found.evaluate(
            """[...document.querySelectorAll("table")].map((table) => [...new Set([...table.querySelectorAll("*")]
              .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
              .map((e) => getComputedStyle(e).fontSize))])"""
        )
        assert all(len(each) <= 1 for each in sizes) and sum(map(len, sizes)) > 15
        assert found.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing(browser: Any, rendered: Path, phone: bool) -> None:
    """With every fold open, every chart drawn, a table sorted, and the panel of a number open.

    Contrast is measured by `test_text_has_contrast`, light and dark.
    """
    with opened(browser, rendered, **({"viewport": PHONE} if phone else {})) as found:
        found.evaluate(OPEN_ALL)
        assert drawn(found) > 5
        found.locator("#table1 .sort").first.click()
        found.locator("#table1 td.reproduced button").first.click()
        expect(found.locator("[popover]:popover-open")).to_be_visible()
        options = {"rules": {"color-contrast": {"enabled": False}}, "resultTypes": ["violations"]}
        results = Axe().run(found, options=options)
        assert results.violations_count == 0, results.generate_report()
        assert len(results.response["passes"]) > 20
