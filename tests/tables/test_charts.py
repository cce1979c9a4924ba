"""Charts and sample sheets: valid specifications, the data in them, the same bytes again, and nothing to draw."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from r3gan.errors import UserError
from r3gan.tables import charts
from r3gan.tables.axes import Rows, ticks
from r3gan.tables.charts import MOST_LINES, Chart, write_chart
from r3gan.tables.forest import forest
from r3gan.tables.sheets import DESCRIPTION, write_sheet
from tests.conftest import REPOSITORY, environment

ABOUT = {"name": "chart", "title": "A title", "caption": "n = 1, smoke scale"}
NAN = float("nan")
LOSSES: Rows = [
    {"row": row, "scale": scale, "kimg": kimg, "loss_d": 1.25 * kimg, "loss_g": loss_g, "failed": row == "GAN < R1"}
    for row, scale in (("Z first", "smoke"), ("GAN < R1", "mini"))
    for kimg, loss_g in ((0.5, 61.77), (1.0, NAN), (1.5, 1030.0))
]
NORMS: Rows = [{**row, "grad_norm_real": row["loss_d"], "grad_norm_fake": row["loss_g"]} for row in LOSSES]
PATHS: Rows = [
    {"setting": setting, "players": players, "theta": theta, "psi": psi}
    for setting in ("RpGAN", "RpGAN + R1")
    for players in ("simultaneous", "alternating")
    for theta, psi in ((0.625, 0.5), (1.0, -0.25), (0.0001, 0.0), (0.0, 0.0))
]
POINTS: Rows = [
    {"system": "StyleGAN-XL*", "parameters_m": 143.0, "fid": 1.85, "origin": "published"},
    {"system": "R3GAN", "parameters_m": 42.1, "fid": 2.5, "origin": "reproduced, mini"},
]
CURVES: Rows = [
    {"row": row, "kimg": kimg, "train_seconds": 7.5 * kimg, "value": value / kimg}
    for row, value in (("FastGAN", 61.77), ("E", 30.5))
    for kimg in (1.0, 2.0, 4.0)
]
RELATIVE: Rows = [
    {"scale": "smoke", "row": row, "measured": measured, "relative": relative}
    for row, relative in (("FastGAN", 1.0), ("Projected GAN", 0.4725))
    for measured in ("digit-frechet, best", "digit-frechet, last")
]
STEPS: Rows = [
    {"hardware": "h100", "row": "E, batch 8", "variant": variant, "step_ms": ms}
    for variant, ms in (("this package", 18.112), ("textbook", 29.451))
]

FIELDS: Rows = [
    {"row": row, "variant": variant, "value": value, "shown": f"{value:g}"}
    for row, value in (("GAN+R1", 54.0), ("RpGAN+R1", 617.5))
    for variant in ("1", "10", "100")
]

EFFECTS: Rows = [
    {"row": row, "effect": x, "low": x / 2, "high": x * 2, "none": none, "verdict": verdict, "unit": unit}
    for row, x, none, verdict, unit in (
        ("A to B: worse without StyleGAN2's tricks", 1.8125, 1.0, "supported", "Ratio"),
        ("B to C", 0.25, 1.0, "contradicted", "Ratio"),
        ("more modes", 61.5, 0.0, "undecided", "Difference (modes)"),
    )
]


def convergence(rows: Rows) -> Chart:
    return charts.convergence(rows, metric="digit-frechet", target=16.25, **ABOUT)


Builder = Callable[[Rows], Chart]
# Each builder, rows for it, a number that they hold, and the titles of its axes.
EXAMPLES: dict[str, tuple[Builder, Rows, float, tuple[str, str]]] = {
    "loss_curves": (lambda rows: charts.loss_curves(rows, **ABOUT), LOSSES, 61.77, ("training images (kimg)", "loss")),
    "generator_losses": (
        lambda rows: charts.generator_losses(rows, **ABOUT), LOSSES, 61.77,
        ("training images (kimg)", "generator loss"),
    ),
    "gradient_norms": (
        lambda rows: charts.gradient_norms(rows, **ABOUT), NORMS, 61.77,
        ("training images (kimg)", "norm of D's gradient"),
    ),
    "trajectories": (lambda rows: charts.trajectories(rows, **ABOUT), PATHS, 0.625, ("theta - c", "psi")),
    "parameters_against_fid": (
        lambda rows: charts.parameters_against_fid(rows, **ABOUT), POINTS, 1.85,
        ("parameters of G and D (millions)", "FID"),
    ),
    "relative_distances": (
        lambda rows: charts.relative_distances(rows, **ABOUT), RELATIVE, 0.4725,
        ("relative distance", "Projected GAN"),
    ),
    "heat_map": (lambda rows: charts.heat_map(rows, "gamma", **ABOUT), FIELDS, 617.5, ("gamma", "RpGAN+R1")),
    "forest": (lambda rows: forest(rows, **ABOUT), EFFECTS, 1.8125, ("as published \u2192", "more modes")),
    "convergence": (convergence, CURVES, 61.77, ("training images (kimg)", "training time (s)")),
    "step_times": (lambda rows: charts.step_times(rows, **ABOUT), STEPS, 18.112, ("time per step (ms)", "E, batch 8")),
}  # fmt: skip


def texts_of(svg: Path) -> list[str]:
    return [text.text or "" for text in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chart_comes_out_as_svg_png_and_json_and_twice_the_same(name: str, tmp_path: Path) -> None:
    build, rows, number, titles = EXAMPLES[name]
    chart = build(rows)
    assert str(number) in json.dumps(chart.spec)
    assert f"{number:.4g}" in chart.alt
    assert chart.alt.startswith("A title. ") and len(chart.alt) > 40
    write_chart(chart, tmp_path / "once")
    # Another chart between the two: a renderer that counts its clip paths must begin again.
    write_chart(EXAMPLES["step_times"][0](STEPS[:1]), tmp_path / "between")
    write_chart(build(rows), tmp_path / "again")
    written = {path.name: path.read_bytes() for path in (tmp_path / "once").iterdir()}
    assert set(written) == {"chart.svg", "chart.png", "chart.vl.json"}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert json.loads(written["chart.vl.json"]) == json.loads(json.dumps(chart.spec))
    texts = texts_of(tmp_path / "once/chart.svg")
    assert {*titles, "A title", "n = 1, smoke scale"} <= set(texts)
    with Image.open(tmp_path / "once/chart.png") as image:
        assert image.width > 400 and image.height > 150


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_series_has_one_entry_in_the_legend(name: str, tmp_path: Path) -> None:
    build, rows, _, _ = EXAMPLES[name]
    write_chart(build(rows), tmp_path)
    texts = texts_of(tmp_path / "chart.svg")
    series = {
        "loss_curves": ["D loss", "G loss"],
        "trajectories": ["simultaneous", "alternating"],
        "parameters_against_fid": ["published", "reproduced, mini"],
        "relative_distances": ["digit-frechet, best", "digit-frechet, last"],
        "step_times": ["this package", "textbook"],
        "convergence": ["FastGAN", "E"],
        "generator_losses": ["Z first", "GAN < R1"],
        "gradient_norms": ["Z first", "GAN < R1"],
        "forest": ["supported", "contradicted", "undecided"],
        "heat_map": [],  # its fields hold their numbers
    }[name]
    assert [text for text in texts if text in series] == series


def test_decided_effects_come_first_and_a_verdict_keeps_its_colour() -> None:
    colours = {}
    for rows in (EFFECTS[::-1], EFFECTS[2:]):
        spec = forest(rows, **ABOUT).spec
        for part in spec["concat"]:
            encoding = part["layer"][-1]["encoding"]
            colours |= {
                word: encoding["color"]["scale"]["domain"].index(word) for word in encoding["color"]["legend"]["values"]
            }
    names = [row["row"] for part in forest(EFFECTS[::-1], **ABOUT).spec["concat"] for row in part["data"]["values"]]
    assert names == [row["row"] for row in EFFECTS]
    assert colours == {"supported": 2, "contradicted": 0, "undecided": 1}


@pytest.mark.parametrize("name", EXAMPLES)
def test_without_a_run_a_chart_says_so(name: str, tmp_path: Path) -> None:
    build, rows, _, _ = EXAMPLES[name]
    write_chart(build([]), tmp_path)
    assert "no run has been recorded yet" in texts_of(tmp_path / "chart.svg")
    # Rows whose numbers are all missing show nothing either.
    keys = (
        "loss_d",
        "loss_g",
        "theta",
        "fid",
        "relative",
        "value",
        "step_ms",
        "effect",
        "grad_norm_real",
        "grad_norm_fake",
    )
    unknown = [{**row, **{key: NAN for key in keys if key in row}} for row in rows]
    assert "no run has been recorded yet" in build(unknown).alt


def test_a_run_that_failed_ends_in_a_cross_at_its_last_known_value() -> None:
    spec = charts.generator_losses(LOSSES, **ABOUT).spec
    data = spec["data"]["values"]  # type: ignore[index]
    lines = {row["row"]: row for row in data if row["mark"] == "line"}
    assert list(lines) == ["Z first", "GAN < R1"]
    assert all(line["kimg"] == [0.5, 1.5] and line["loss_g"] == [61.77, 1030.0] for line in lines.values())
    (end,) = (row for row in data if row["mark"] == "failed")
    assert (end["row"], end["kimg"], end["loss_g"]) == ("GAN < R1", [1.5], [1030.0])


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show_and_writes_plain_numbers(tmp_path: Path) -> None:
    rows = [{**row, "value": value} for row, value in zip(CURVES, (2e6, 0.0, -1.0, 40.0, 20.0, NAN), strict=True)]
    chart = convergence(rows)
    write_chart(chart, tmp_path)
    texts = texts_of(tmp_path / "chart.svg")
    assert {"1,000,000", "100", "1", "2"} <= set(texts)
    assert not [text for text in texts if "e+" in text]
    assert "least 2e+06" in chart.alt and "least 20" in chart.alt


def test_lines_that_are_too_many_for_one_panel_have_one_each(tmp_path: Path) -> None:
    """Each in front of all others in grey, under its name."""
    names = [f"row {i}" for i in range(MOST_LINES + 1)]
    rows = [{**row, "row": name} for name in names for row in CURVES[:3]]
    few, many = (convergence([row for row in rows if row["row"] in shown]) for shown in (names[:-1], names))
    assert "facet" not in few.spec["concat"][0]  # type: ignore[index]
    for clock in many.spec["concat"]:  # type: ignore[attr-defined]
        grey, line, points, *_ = clock["spec"]["layer"]
        assert clock["facet"]["sort"] == names
        assert [each["other"] for each in grey["data"]["values"]] == names
        assert [layer["encoding"]["color"]["legend"] for layer in (line, points)] == [None, None]
    write_chart(many, tmp_path)
    assert [text for text in texts_of(tmp_path / "chart.svg") if text in names] == 2 * names


def test_the_authors_logs_have_a_panel_each_and_the_printed_number_in_it(tmp_path: Path) -> None:
    rows: Rows = [
        {"row": row, "kimg": kimg, "fid": fid / kimg, "printed": False}
        for row, fid in (("roadmap-A", 61.77), ("prototype-C", 80.0))
        for kimg in (1.0, 2.0, 4.0)
    ]
    chart = charts.logged_curves([*rows, {**rows[0], "kimg": 4.0, "fid": 7.516, "printed": True}], **ABOUT)
    assert "printed for roadmap-A: 7.516" in chart.alt
    write_chart(chart, tmp_path)
    assert {"roadmap-A", "prototype-C"} <= set(texts_of(tmp_path / "chart.svg"))
    (printed,) = (row for row in chart.spec["data"]["values"] if row["mark"] == "printed")  # type: ignore[index]
    assert (printed["row"], printed["kimg"], printed["fid"]) == ("roadmap-A", [4.0], [7.516])
    assert charts.logged_curves([], **ABOUT).alt.endswith("no run has been recorded yet")


def test_a_curve_has_a_mark_at_some_of_its_points() -> None:
    rows = [{**LOSSES[0], "kimg": float(kimg)} for kimg in range(1, 101)]
    spec = charts.generator_losses(rows, **ABOUT).spec
    (points,) = (row for row in spec["data"]["values"] if row["mark"] == "points")  # type: ignore[index]
    assert points["kimg"] == [float(kimg) for kimg in range(1, 101, 10)]


def test_panels_and_series_are_in_the_order_of_the_rows() -> None:
    spec = charts.loss_curves(LOSSES, **ABOUT).spec
    assert spec["facet"]["sort"] == ["Z first", "GAN < R1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 110, [1, 2, 5, 10, 20, 50, 100]),
        (0.5, 2e4, [1, 10, 100, 1000, 10000]),
        (0.7, 1.45, [0.8, 1.0, 1.2, 1.4]),
        (1e-9, 1e9, [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]),
    ],
)
def test_logarithmic_axes_have_round_ticks(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_colours_stand_out_from_white() -> None:
    def luminance(colour: str) -> float:
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in charts.COLOURS)


def test_importing_charts_does_not_import_altair() -> None:
    code = "import r3gan.tables.charts, sys; assert not {'altair', 'vl_convert', 'PIL'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(REPOSITORY), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def grid(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (784, 245)) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_a_sheet_shows_every_grid_pixel_by_pixel_and_says_what_it_shows(tmp_path: Path) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)]
    sizes = [(784, 245)] * 3 + [(4112, 1285)]  # the last one of large images, which are made smaller
    grids = {
        f"row {i}": grid(tmp_path / f"{i}.png", colour, size)
        for i, (colour, size) in enumerate(zip(colours, sizes, strict=True))
    }
    for target in ("sheet.png", "again.png"):
        write_sheet(tmp_path / target, grids, "Samples, smoke scale")
    assert (tmp_path / "sheet.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    with Image.open(tmp_path / "sheet.png") as sheet:
        counts = {colour: count for count, colour in sheet.getcolors(1 << 24)}
        last = sheet.crop((sheet.width // 2, sheet.height // 2, sheet.width, sheet.height))
        assert sheet.info[DESCRIPTION].startswith("Samples, smoke scale. In each grid: 32 images in colour")
        # Left of each of a grid's five lines stands its name.
        first = next(y for y in range(sheet.height) if sheet.getpixel((100, y)) == colours[0])
        inks = [sheet.crop((0, y, 70, y + 49)).getextrema()[0][0] for y in range(first, first + 245, 49)]
        assert max(inks) < 100
    assert all(counts[colour] == 784 * 245 for colour in colours)
    assert max(last.getcolors(1 << 24))[1] == colours[-1]


def test_a_sheet_without_grids_says_so_and_a_damaged_grid_is_named(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.png", {}, "Samples")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.info[DESCRIPTION] == "Samples. No run has been recorded yet."
        assert len(sheet.getcolors(1 << 16)) > 10  # letters
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    for name in ("bad.png", "missing.png"):
        with pytest.raises(UserError, match=name):
            write_sheet(tmp_path / "other.png", {"row": tmp_path / name}, "Samples")
    assert not (tmp_path / "other.png").exists()
