"""results/report.html in a real browser: from disk, by keyboard, on a phone, dark, printed, with untrusted records."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import expect

from r3gan.errors import UserError
from r3gan.report.content import gather
from r3gan.report.page import SYMBOLS, page, slug
from r3gan.tables.cell import Cell, write_table_file
from r3gan.tables.charts import COLOURS
from r3gan.tables.markdown import number as number_text
from r3gan.tables.verdict import VERDICTS
from tests.conftest import PATIENCE_S, REPOSITORY, environment
from tests.report.conftest import ALL_OPEN, RESULTS, Opened, drawn, opened

LIMIT_BYTES = 3_000_000
CHARTS = [chart for table in gather(RESULTS).tables for chart in table.charts]
RUN = "smoke/stackedmnist5k-16/E-inverted/seed0"
UNTRUSTED = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}</style>&amp;"
GOOD = Cell(
    table="table3", section="CIFAR-10", row="R3GAN Config E", config="E", quantity="fid", published="1.96",
    source="arXiv", status="paper", scale="paper", reproduced=1.97, n=1, seeds=(0,), outcome="trained",
    verdict="reproduced", reason="single run", band=(1.85, 2.08), metric="fid", devices=("a processor",),
)  # fmt: skip

# Contrast of every visible text with what is painted behind it (WCAG 2), the worst first.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest("script, title, option, .hidden")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.closest("svg") ? style.fill : style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${e.tagName} ${e.getAttribute("class")} ${e.textContent.trim().slice(0, 40)}`]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


def write(results: Path, *cells: Cell) -> Path:
    """A results folder with one table."""
    results.mkdir(parents=True, exist_ok=True)
    write_table_file(results / f"{cells[0].table}.json", cells[0].table, "A title", cells, [])
    return results


def page_file(results: Path, baseline: str | None = None) -> Path:
    target = results / "report.html"
    target.write_text(page(gather(results, baseline)), encoding="utf-8")
    return target


def test_the_same_records_give_the_same_bytes_and_not_too_many(rendered: Path) -> None:
    with contextlib.chdir(REPOSITORY):
        again = page(gather(RESULTS))
    assert again == rendered.read_text(encoding="utf-8")
    assert len(again.encode()) < LIMIT_BYTES


def test_rendering_does_not_load_torch() -> None:
    code = "from pathlib import Path; from r3gan.report.content import gather; from r3gan.report.page import page; "
    code += "page(gather(Path('results'))); import sys; assert not {'torch', 'altair', 'pandas'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment(REPOSITORY), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_verdict_has_a_symbol_of_its_own() -> None:
    assert set(SYMBOLS) == set(VERDICTS)
    assert len(set(SYMBOLS.values())) == len(VERDICTS)


def test_links_and_references_lead_somewhere_and_names_are_unique(here: Any) -> None:
    found = here.evaluate(
        """() => ({
          ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
          links: [...document.querySelectorAll("a")].map((e) => e.getAttribute("href")),
          opened: [...document.querySelectorAll("[popovertarget]")].map((e) => e.getAttribute("popovertarget")),
          labels: [...document.querySelectorAll("[aria-labelledby]")].map((e) => e.getAttribute("aria-labelledby")),
          popovers: [...document.querySelectorAll("[popover]")].map((e) => e.id),
        })"""
    )
    assert len(found["ids"]) == len(set(found["ids"]))
    assert all(link.startswith("#") for link in found["links"])
    assert {link[1:] for link in found["links"]} <= set(found["ids"])
    assert {*found["opened"], *found["labels"]} <= set(found["ids"])
    assert set(found["popovers"]) <= set(found["opened"])  # nothing is there that cannot be reached


def test_every_number_of_the_tables_is_there_and_can_be_opened(here: Any) -> None:
    """By a panel of its own, or of the run or benchmark that it shares with others for which nothing is published."""
    cells = [cell for table in gather(RESULTS).tables for cell in table.cells if cell.published or cell.outcome]
    own = [c for c in cells if c.published or len(c.records) != 1]
    shared = {c.records[0].partition("/seed")[0] for c in cells if c not in own}
    assert here.locator("section.table [popover]").count() == len(own) > 300
    targets = "[...document.querySelectorAll('section.table td [popovertarget]')].map(e => e.popoverTargetElement.id)"
    shown = here.evaluate(f"new Set({targets}).size")
    assert shown == len(own) + len(shared)
    numbers = here.evaluate("document.querySelectorAll('#table7 td [popovertarget]').length")
    assert numbers == sum(cell.table == "table7" for cell in cells)


def test_speed_says_on_which_machine(here: Any) -> None:
    machines = {path.parent.name for path in (RESULTS / "benchmarks").glob("*/steps.json")}
    assert set(here.locator("#table7 h3").all_inner_texts()) == machines
    captions = here.locator("#table7 figcaption").all_inner_texts()
    assert len(captions) == len(machines)
    assert all(any(machine in caption for caption in captions) for machine in machines)


def test_structure_for_those_who_hear_the_page(here: Any) -> None:
    assert here.evaluate("document.documentElement.lang") == "en"
    assert "R3GAN" in here.title()
    levels = here.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert here.locator(f"body {landmark}").count() == 1
    assert here.evaluate("[...document.images].every(e => e.alt.length > 20)")
    charts = drawn(here)
    assert here.evaluate("[...document.querySelectorAll('svg')].every(e => e.ariaHidden === 'true')")
    labels = here.evaluate("[...document.querySelectorAll('.plot > [role=img]')].map(e => e.ariaLabel.length)")
    assert len(labels) == charts > 5 and min(labels) > 60
    tables = here.evaluate(
        """[...document.querySelectorAll("table")].map((t) => [
          t.querySelectorAll("thead th").length, [...t.querySelectorAll("th")].every((e) => e.scope), !!t.caption])"""
    )
    assert len(tables) > 15
    assert all(headers and scoped and caption for headers, scoped, caption in tables)


def test_every_header_stands_over_its_column(here: Any) -> None:
    """Columns spanned by each header row, and cells of each body row, are as many."""
    widths = here.evaluate(
        """[...document.querySelectorAll("table")].map((t) => {
          const width = (row) => [...row.cells].reduce((sum, c) => sum + c.colSpan, 0);
          const tall = [...t.tHead.rows[0].cells].filter((c) => c.rowSpan > 1).reduce((sum, c) => sum + c.colSpan, 0);
          const heads = [...t.tHead.rows].map((row, i) => width(row) + (i ? tall : 0));
          return [...new Set([...heads, ...[...t.tBodies].flatMap((b) => [...b.rows].map(width))])];
        })"""
    )
    assert all(len(each) == 1 for each in widths), widths


def test_keyboard_skips_the_contents_and_opens_every_fold(here: Any) -> None:
    here.keyboard.press("Tab")
    expect(here.get_by_text("Skip to the content")).to_be_focused()
    here.keyboard.press("Enter")
    expect(here.locator("main")).to_be_focused()
    folds = here.locator("main summary")
    assert folds.count() > 10
    for i in range(folds.count()):
        folds.nth(i).focus()
        here.keyboard.press("Enter")
    here.wait_for_function(ALL_OPEN)


def expected_of(run: str) -> tuple[str, str]:
    """Commit and command of a run's training."""
    stamp = json.loads((RESULTS / run / "metrics.json").read_text())["training"]["provenance"]
    return stamp["code"]["commit"], stamp["command"]


def cell_of(run: str) -> Cell:
    """The first cell that shows what was measured of a run, next to a published number."""
    records = (f"{run}/metrics.json",)
    return next(c for t in gather(RESULTS).tables for c in t.cells if c.records == records and c.published)


def test_provenance_opens_at_a_click_and_by_keyboard(here: Any) -> None:
    commit, command = expected_of(RUN)
    cell = cell_of(RUN)
    row = here.locator(f"#{cell.table} tr").filter(has_text=cell.row)
    number = row.get_by_role("button", name=number_text(cell.reproduced), exact=True)
    panel = here.locator(f"#{number.get_attribute('popovertarget')}")
    expect(panel).to_be_hidden()
    number.click()
    expect(panel).to_be_focused()
    text = panel.inner_text()
    for said in (commit[:12], command, "Images seen", "Protocol", "Feature network"):
        assert said in text
    assert panel.get_attribute("role") == "dialog"
    here.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    number.focus()
    here.keyboard.press("Shift+Tab")
    here.keyboard.press("Tab")
    expect(number).to_be_focused()
    here.keyboard.press("Enter")
    expect(panel).to_be_focused()
    here.keyboard.press("Tab")  # the way to close it comes first
    here.keyboard.press("Enter")
    expect(panel).to_be_hidden()
    expect(number).to_be_focused()


def test_the_panel_of_a_number_opens_that_of_its_run(here: Any) -> None:
    here.get_by_role("button", name=number_text(cell_of(RUN).reproduced), exact=True).first.click()
    here.get_by_role("button", name=re.compile("All about smoke")).click()
    panel = here.locator("[popover]:popover-open").filter(has_text="Evaluated by")
    for said in ("sha256", "torch", "Data", "Trained by"):
        expect(panel).to_contain_text(said)


def test_the_panel_of_a_mean_lists_its_records_and_each_arm_opens_its_runs(here: Any) -> None:
    cells = [cell for table in gather(RESULTS).tables if table.name == "table1" for cell in table.cells]
    records = next(cell.records for cell in cells if len(cell.records) > 1)
    arm = str(Path(records[0]).parent.parent)
    seeds = ", ".join(Path(path).parent.name for path in records)
    panel = here.locator("#table1 [popover]").filter(has=here.locator(".records")).first
    here.locator(f"[popovertarget={panel.get_attribute('id')}]").first.click()
    listed = panel.locator(".records li")
    expect(listed).to_have_text([f"{arm} {seeds}: metrics.json. Outcome: trained."])
    listed.last.get_by_role("button").click()
    run = here.locator("[popover]:popover-open").filter(has_text="Evaluated by")
    for said in (arm, seeds, *(f"({Path(path).parent.name.replace('seed', 'seed ')})" for path in records)):
        expect(run).to_contain_text(said)


def test_a_published_number_names_its_source_and_its_band(here: Any) -> None:
    """Table 3's FID of Config E, whether it has been run or not."""
    row = here.locator("#table3 tbody tr").filter(has_text="R3GAN Config E")
    row.locator("td.published button").first.click()
    text = here.locator("[popover]:popover-open").inner_text()
    for said in (
        "1.96",
        "arXiv 2501.05441",
        "as printed in the paper",
        "Counts as reproduced",
        "1.86 to 2.06",
        "EDM",
    ):
        assert said in text


def test_a_command_is_copied_or_selected(here: Any) -> None:
    _, command = expected_of(RUN)
    here.locator("#runs summary").click()
    ident = here.locator("[id^=origin-]").filter(has_text=command).get_attribute("id")
    here.locator(f"#runs [popovertarget={ident}]").first.click()
    panel = here.locator("[popover]:popover-open")
    panel.locator("code", has_text=command).locator("+ button").click()
    panel.get_by_role("button", name=re.compile("Copied|Selected")).wait_for()


def test_the_filter_leaves_rows_with_that_verdict(here: Any) -> None:
    here.get_by_label("Rows with").select_option("not-run")
    rows = "[...document.querySelectorAll('tr[data-verdicts]')].filter(e => e.checkVisibility())"
    left = here.evaluate(f"{rows}.map(e => e.dataset.verdicts)")
    assert left and all("not-run" in verdicts.split() for verdicts in left)
    expect(here.locator("#shown")).to_have_text(f"{len(left)} of {here.locator('main tbody tr').count()} rows")
    here.get_by_role("button", name="Open all folds").click()
    here.wait_for_function(ALL_OPEN)


def test_numbers_and_folds_open_without_javascript(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered, java_script_enabled=False) as found:
        found.locator("#table1 td.reproduced button").first.click()
        expect(found.locator("#table1-1")).to_be_visible()
        found.keyboard.press("Escape")
        found.locator("#table1 summary").first.click()
        expect(found.locator("#table1 img").first).to_be_visible()
        expect(found.locator(".tools")).to_be_hidden()
        charts = found.locator(".plot img")
        assert charts.count() == len(CHARTS) > 5
        expect(charts.first).to_be_visible()
        assert "D loss: from" in found.locator("#table1 .plot img").first.get_attribute("alt")


def test_nothing_but_the_page_s_own_script_runs(browser: Any, rendered: Path) -> None:
    found = Opened(browser, rendered)
    policy = found.page.locator("meta[http-equiv]").get_attribute("content")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    found.page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("securitypolicyviolation", () => done());
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        })"""
    )
    assert found.page.evaluate("window.ran") is None
    assert [said for said in found.said if "Content Security Policy" not in said] == []
    found.context.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_does_not_scroll_sideways(browser: Any, rendered: Path, width: int) -> None:
    with opened(browser, rendered, viewport={"width": width, "height": 740}) as found:
        found.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        assert found.evaluate("document.documentElement.scrollWidth") <= width
        found.locator("#table1 td.reproduced button").first.click()
        box = found.locator("[popover]:popover-open").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser: Any, rendered: Path, scheme: str, width: int) -> None:
    with opened(browser, rendered, color_scheme=scheme, viewport={"width": width, "height": 900}) as found:
        red, *_ = map(int, re.findall(r"\d+", found.evaluate("getComputedStyle(document.body).backgroundColor")))
        assert red > 200 if scheme == "light" else red < 60
        found.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
        found.locator("#table1 td.reproduced button").first.click()
        assert drawn(found) > 5
        worst = found.evaluate(CONTRAST)
        assert len(worst) > 1000
        assert worst[0][0] >= 4.5, worst[:5]
        chips = {text.split()[2] for _, text in worst if text.startswith("SPAN chip")}
        assert chips == set(map(slug, VERDICTS))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_in_the_colours_of_the_page(browser: Any, rendered: Path, scheme: str) -> None:
    """By vega-embed, although the policy of the page forbids `eval`."""
    with opened(browser, rendered, color_scheme=scheme) as found:
        assert found.locator("#propositions .plot img").count() == 1  # not drawn before it comes near the screen
        assert drawn(found) == len(CHARTS)
        assert found.locator(".plot img").count() == 0
        stroke = found.locator(".plot svg .mark-line path").first.evaluate("e => getComputedStyle(e).stroke")
        red, green, blue = (int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5))
        assert (stroke == f"rgb({red}, {green}, {blue})") == (scheme == "light")
        behind = found.locator(".plot svg").first.evaluate("e => getComputedStyle(e).backgroundColor")
        assert behind == "rgba(0, 0, 0, 0)"


def test_a_point_tells_its_numbers(here: Any) -> None:
    here.locator("#table4 .plot").first.scroll_into_view_if_needed()
    here.locator("#table4 .plot svg .role-mark.mark-symbol path").first.hover(force=True)
    runs = [json.loads(path.read_text()) for path in RESULTS.glob("desk/stackedmnist5k-16/A/seed*/convergence.json")]
    first = fmean(run["points"][0]["values"]["digit-frechet"] for run in runs)
    for said in ("A StyleGAN2", f"{first:.4g}"):
        expect(here.locator("#vg-tooltip-element")).to_contain_text(said)


def test_charts_fit_a_phone_and_stand_in_columns_on_a_desk(browser: Any, rendered: Path) -> None:
    heights = {}
    for width in (390, 1280):
        with opened(browser, rendered, viewport={"width": width, "height": 800}) as found:
            plot = found.locator("#table1 .plot")
            plot.scroll_into_view_if_needed()
            plot.locator("svg").wait_for(timeout=PATIENCE_S * 1000)
            assert plot.evaluate("e => e.scrollWidth <= e.clientWidth")
            heights[width] = plot.bounding_box()["height"]
    assert heights[390] > 2 * heights[1280]


def test_charts_of_named_rows_and_heat_maps_fit_a_phone(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered, viewport={"width": 390, "height": 800}) as found:
        assert found.locator(".evidence .plot").count() == 1  # the other scales' are with the claims
        for place in (".evidence", "#claims", "#table2-gamma", "#table4-ablation", "#table7", "#table7-projected"):
            for plot in found.locator(f"{place} .plot").all():
                plot.scroll_into_view_if_needed()
                plot.locator("svg").wait_for(timeout=PATIENCE_S * 1000)
                assert plot.evaluate("e => e.scrollWidth <= e.clientWidth"), place


def test_a_chart_is_drawn_anew_where_the_screen_is_turned(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered, viewport={"width": 844, "height": 800}) as found:
        plot = found.locator("#table1 .plot")
        plot.scroll_into_view_if_needed()
        plot.locator("svg").wait_for(timeout=PATIENCE_S * 1000)
        description = plot.locator("[role=img]").get_attribute("aria-label")
        drawn_px = plot.locator("svg").evaluate("e => e.width.baseVal.value")
        fits = "([e, least]) => e.scrollWidth <= e.clientWidth && e.querySelector('svg').width.baseVal.value > least"
        assert drawn_px > 390
        for width, least in ((390, 0), (844, drawn_px - 1)):
            found.set_viewport_size({"width": width, "height": 800})
            found.wait_for_function(fits, arg=[plot.element_handle(), least], timeout=PATIENCE_S * 1000)
        assert plot.locator("[role=img]").get_attribute("aria-label") == description


def test_a_print_is_light_and_has_every_chart(browser: Any, rendered: Path) -> None:
    with opened(browser, rendered, color_scheme="dark") as found:
        found.emulate_media(media="print")
        red, *_ = map(int, re.findall(r"\d+", found.evaluate("getComputedStyle(document.body).backgroundColor")))
        assert red > 200
        charts = found.evaluate("[...document.querySelectorAll('.plot')].map(e => e.firstElementChild.offsetHeight)")
        assert len(charts) > 5 and min(charts) > 50


def test_untrusted_records_are_text(browser: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(RESULTS / RUN, results / RUN)
    for name in ("table1.json", "table1.md"):
        shutil.copy(RESULTS / name, results)
    record = json.loads((results / RUN / "metrics.json").read_text())
    record.pop("checksum", None)  # which a record need not have
    record["training"]["provenance"]["command"] = UNTRUSTED
    record["data"]["dataset"] = UNTRUSTED
    (results / RUN / "metrics.json").write_text(json.dumps(record))
    table = json.loads((results / "table1.json").read_text())
    table["cells"] = [c for c in table["cells"] if c.get("records", [f"{RUN}/metrics.json"]) == [f"{RUN}/metrics.json"]]
    for cell in table["cells"]:
        cell |= {"row": UNTRUSTED, "reason": UNTRUSTED}
    (results / "table1.json").write_text(json.dumps(table))
    shutil.copytree(RESULTS / "table1", results / "table1")
    for other in (results / "table1").glob("desk-*"):
        other.unlink()
    path = results / "table1/smoke-curves.vl.json"
    chart = json.loads(path.read_text())
    chart["title"] = {"text": UNTRUSTED, "subtitle": [UNTRUSTED]}
    chart["description"] = UNTRUSTED
    for line in chart["data"]["values"]:
        line["network"] = UNTRUSTED
    line, points = (layer["encoding"] for layer in chart["spec"]["layer"][:2])
    for channel in (line["color"], points["color"], points["shape"]):
        channel["scale"]["domain"] = [UNTRUSTED]
    path.write_text(json.dumps(chart))
    with opened(browser, page_file(results)) as found:
        assert found.locator("#table1 tbody th").first.inner_text() == UNTRUSTED
        assert UNTRUSTED in found.locator("#table1 figcaption").first.inner_text()
        assert drawn(found) == 1
        label = found.locator(".plot svg .role-legend-label text").text_content()
        assert UNTRUSTED.startswith(label.removesuffix("\u2026")) and len(label) > 30
        assert found.locator(".plot > [role=img]").get_attribute("aria-label") == UNTRUSTED
        found.locator("#runs summary").click()
        found.locator("#runs button.value").click()
        assert UNTRUSTED in found.locator("[popover]:popover-open").inner_text()
        assert found.locator("img[src=x]").count() == 0


def test_a_chart_that_no_table_wrote_is_one_sentence(tmp_path: Path) -> None:
    results = write(tmp_path / "results", GOOD)
    (results / "table3").mkdir()
    (results / "table3/x.vl.json").write_text("{}")
    with pytest.raises(UserError, match=r"x\.vl\.json is a chart without title"):
        page(gather(results))
    (results / "table3/x.vl.json").write_text('{"title": {"text": "t", "subtitle": []}, "description": "d"}')
    with pytest.raises(UserError, match=r"x\.png cannot be read as a picture"):
        page(gather(results))


def test_a_single_table_without_records_makes_a_page(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    not_run = replace(GOOD, reproduced=None, outcome="not run", verdict="not run", reason="", n=0, scale="", seeds=())
    with opened(browser, page_file(write(tmp_path / "results", not_run))) as found:
        text = found.locator("main").inner_text()
        for said in ("No run has been recorded yet", "R3GAN Config E", "r3gan estimate --all"):
            assert said in text
        assert found.locator("#benchmarks").count() == 0
        assert found.locator("script").count() == 1  # no library where there is no chart


def test_what_is_outside_comes_first_and_what_moved_is_listed(browser: Any, tmp_path: Path) -> None:
    bad = replace(GOOD, reproduced=2.5, verdict="worse")
    earlier = write(tmp_path / "earlier", GOOD)
    with opened(browser, page_file(write(tmp_path / "results", bad), str(earlier))) as found:
        said = "1 number lies outside the band and 1 regressed since the baseline."
        assert found.locator(".status").inner_text() == said
        moved = found.locator("#changes tbody tr")
        assert [moved.locator("td").nth(i).inner_text() for i in (3, 4, 6)] == ["1.97", "2.5", "regressed"]
        assert found.locator("#table3 td.verdict .chip").inner_text() == f"{SYMBOLS['worse']} worse"
