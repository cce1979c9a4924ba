"""Published comparisons of many systems at one data set, with ours beside the row that is ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.counts import count_parameters
from r3gan.files import write_json, write_text
from r3gan.study import Study
from r3gan.tables import Comparison, ComparisonTable, ParameterFigure
from r3gan.tables.figures import draw_parameters_against_fid
from r3gan.tables.records import Published, read_published, read_records
from r3gan.tables.render import grid, number
from r3gan.tables.verdict import NOT_RUN, count_verdict

COLUMNS = ("section", "row", "quantity", "published", "unit", "reproduced", "scale", "n", "verdict", "source", "status")
QUANTITIES = {"fid": "FID", "nfe": "NFE", "recall": "Recall", "g_params": "G, M", "d_params": "D, M"}
METRIC = "fid"


def measured(section: Comparison, studies: Iterable[Study], results: Path) -> list[dict[str, Any]]:
    """FID of our runs on the section's data set, one entry a scale that has any."""
    found = []
    for study in studies:
        records = read_records(study, results).get(section.config, [])
        values = [
            record["metrics"][METRIC]["value"]
            for record in records
            if record["dataset"] == section.dataset and METRIC in record["metrics"]
        ]
        if values:
            found.append({"scale": study.scale, "value": fmean(values), "n": len(values)})
    return found


def cells(section: Comparison, studies: list[Study], results: Path) -> list[dict[str, Any]]:
    """One entry a published number; the row that is ours has what we counted and measured beside it."""
    counts = count_parameters(CONFIGS[section.config], section.dataset)
    ours = measured(section, studies, results)
    found = []
    for (row, quantity), printed in read_published(section.published).items():
        cell: dict[str, Any] = {
            "section": section.title, "row": row, "quantity": quantity, "published": printed.text,
            "unit": printed.unit, "reproduced": None, "scale": "", "n": 0, "verdict": "", "source": printed.source,
            "status": printed.status,
        }  # fmt: skip
        if row == section.row and quantity in counts:
            cell |= {"reproduced": counts[quantity], "n": 1, "verdict": count_verdict(printed.text, counts[quantity])}
        elif row == section.row and quantity == METRIC:
            paper = [m for m in ours if m["scale"] == "paper"]
            cell |= {"verdict": NOT_RUN}
            for m in paper or ours[:1]:
                verdict = "measured at the paper's scale" if paper else f"not comparable: {m['scale']} scale"
                cell |= {"reproduced": m["value"], "scale": m["scale"], "n": m["n"], "verdict": verdict}
        found.append(cell)
    return found


def section_text(section: Comparison, found: list[dict[str, Any]]) -> str:
    """The section as a table, best published FID first."""
    quantities = [name for name in QUANTITIES if any(cell["quantity"] == name for cell in found)]
    by_key = {(cell["row"], cell["quantity"]): cell for cell in found}
    names = list(dict.fromkeys(cell["row"] for cell in found))
    names.sort(key=lambda name: float(by_key[name, METRIC]["published"]) if (name, METRIC) in by_key else float("inf"))

    def printed(name: str, quantity: str) -> str:
        cell = by_key.get((name, quantity))
        return "-" if cell is None else cell["published"] + ("" if cell["status"] == "paper" else " (derived)")

    rows = []
    for name in names:
        fid = by_key.get((name, METRIC))
        is_ours = name == section.row and fid is not None
        reproduced = verdict = ""
        if is_ours and fid is not None:
            reproduced, verdict = number(fid["reproduced"]), f"FID {fid['verdict']}"
            checked = {q: by_key[name, q]["verdict"] for q in ("g_params", "d_params") if (name, q) in by_key}
            verdict += f"; parameters {' and '.join(dict.fromkeys(checked.values()))}" if checked else ""
        rows.append([name, *(printed(name, q) for q in quantities), reproduced, verdict])
    headers = ["Method", *(f"{QUANTITIES[q]}" for q in quantities), "FID ours", "Verdict"]
    return f"## {section.title}\n\n" + grid(rows, headers, right=range(1, len(headers) - 1))


def parameters_against_fid(found: list[dict[str, Any]]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Published points (millions of parameters of G and D together, FID), and the rows that lack a coordinate."""
    values: dict[str, dict[str, float]] = {}
    for cell in found:
        printed = Published(text=cell["published"], unit="", protocol="", source="", status="").value
        if printed is not None:
            values.setdefault(cell["row"], {})[cell["quantity"]] = printed
    needed = {"g_params", "d_params", METRIC}
    points = {row: (v["g_params"] + v["d_params"], v[METRIC]) for row, v in values.items() if needed <= v.keys()}
    return points, [row for row in values if row not in points]


def write_comparison(name: str, table: ComparisonTable, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.md, .csv and .json into `results`."""
    known = list(studies)
    sections = {section.title: cells(section, known, results) for section in table.sections}
    everything = [cell for found in sections.values() for cell in found]
    text = [f"# {table.title}"]
    text += [section_text(section, sections[section.title]) for section in table.sections]
    text.append("## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes))
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(everything)
    write_json(results / f"{name}.json", {"table": name, "title": table.title, "cells": everything})
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")


def write_parameter_figure(name: str, figure: ParameterFigure, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.png and .svg, their points as <name>.csv, and <name>.md, which says what could not be drawn."""
    found = cells(figure.of, list(studies), results)
    points, missing = parameters_against_fid(found)
    counts = count_parameters(CONFIGS[figure.of.config], figure.of.dataset)
    ours = {
        cell["scale"]: (sum(counts.values()) / 1e6, cell["reproduced"])
        for cell in found
        if cell["row"] == figure.of.row and cell["quantity"] == METRIC and cell["reproduced"] is not None
    }
    for ending in ("png", "svg"):
        draw_parameters_against_fid(results / f"{name}.{ending}", points, ours)
    rows = [[system, f"{x:.1f}", f"{y:g}", "published"] for system, (x, y) in points.items()]
    rows += [[figure.of.row, f"{x:.1f}", number(y), f"ours, {scale}"] for scale, (x, y) in ours.items()]
    headers = ["System", "Parameters, M", "FID", "From"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["system", "parameters_millions", "fid", "from"])
    writer.writerows(rows)
    notes = [*figure.notes, f"Not drawn, since no number of parameters is known to us: {', '.join(missing)}."]
    if not ours:
        notes.append("FID of ours is not measured yet at any scale.")
    text = [f"# {figure.title}", f"![{figure.title}]({name}.png)", grid(rows, headers, right=(1, 2))]
    text.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")
