"""Figures with a page of their own: parameters against FID, and the generator's loss under several objectives."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from r3gan.configs import CONFIGS
from r3gan.configs.counts import count_parameters
from r3gan.files import write_text
from r3gan.study import Study
from r3gan.tables import LossFigure, ParameterFigure
from r3gan.tables.cells import Cell
from r3gan.tables.comparison import cells, published_value, read_everything
from r3gan.tables.figures import draw_losses, draw_parameters_against_fid, read_curve
from r3gan.tables.render import grid, number

METRIC = "fid"


def parameters_against_fid(found: list[Cell]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Published points (millions of parameters of G and D together, FID), and the rows that lack a coordinate."""
    values: dict[str, dict[str, float]] = {}
    for cell in found:
        if (printed := published_value(cell)) is not None:
            values.setdefault(cell.row, {})[cell.quantity] = printed
    needed = {"g_params", "d_params", METRIC}
    points = {row: (v["g_params"] + v["d_params"], v[METRIC]) for row, v in values.items() if needed <= v.keys()}
    return points, [row for row in values if row not in points]


def write_page(
    name: str, title: str, headers: list[str], rows: list[list[str]], notes: list[str], results: Path
) -> None:
    """<name>.md, which shows <name>.png with its points, and the points as <name>.csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([header.lower().replace(", ", "_").replace(" ", "_") for header in headers])
    writer.writerows(rows)
    text = [f"# {title}", f"![{title}]({name}.png)", grid(rows, headers, right=range(1, len(headers) - 1))]
    text.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")


def write_parameter_figure(name: str, figure: ParameterFigure, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.png, .svg, .csv and .md, which says what could not be drawn."""
    found = cells(name, figure.of, read_everything(studies, results))
    points, missing = parameters_against_fid(found)
    ours = {}
    for cell in found:
        if cell.quantity == METRIC and cell.reproduced is not None:
            counts = count_parameters(CONFIGS[figure.of.ours[cell.row]], figure.of.datasets[0])
            ours[cell.scale] = (sum(counts.values()) / 1e6, cell.reproduced)
    for ending in ("png", "svg"):
        draw_parameters_against_fid(results / f"{name}.{ending}", points, ours)
    rows = [[system, f"{x:.1f}", f"{y:g}", "published"] for system, (x, y) in points.items()]
    rows += [["R3GAN Config E", f"{x:.1f}", number(y), f"ours, {scale}"] for scale, (x, y) in ours.items()]
    notes = [*figure.notes, f"Not drawn, since no number of parameters is known to us: {', '.join(missing)}."]
    if not ours:
        notes.append("FID of ours is not measured yet at any scale.")
    write_page(name, figure.title, ["System", "Parameters, M", "FID", "From"], rows, notes, results)


def write_loss_figure(name: str, figure: LossFigure, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.png, .svg, .csv and .md: a panel a scale, a curve a configuration (its first seed)."""
    panels: dict[str, dict[str, tuple[dict[str, list[float]], bool]]] = {}
    rows = []
    for scale, by_config in read_everything(studies, results).items():
        for row, config in figure.of.ours.items():
            records = [r for r in by_config.get(config, []) if r["dataset"] in figure.of.datasets]
            if not records:
                continue
            failed = records[0]["outcome"] == "Fail"
            curve = read_curve(results / records[0]["training"]["run"] / "loss.csv")
            panels.setdefault(scale, {})[row] = curve, failed
            losses = sorted(curve.get("loss_g", [])) or [float("nan")]
            numbers = [number(value) for value in (losses[0], losses[len(losses) // 2], losses[-1])]
            kimg = number(records[0]["training"]["images_seen"] / 1000)
            rows.append([f"{row}, {scale}", kimg, *numbers, "Fail" if failed else "trained"])
    for ending in ("png", "svg"):
        draw_losses(results / f"{name}.{ending}", panels)
    headers = ["Objective", "kimg", "G loss, least", "G loss, median", "G loss, largest", "Outcome"]
    notes = [*figure.notes] if panels else [*figure.notes, "No run has been recorded yet."]
    write_page(name, figure.title, headers, rows, notes, results)
