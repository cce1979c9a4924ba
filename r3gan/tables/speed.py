"""Tables of measured speed: one section a machine, from results/benchmarks/<hardware>/*.json."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from r3gan.files import read_json, write_text
from r3gan.records.hardware import entry_of, folder_name
from r3gan.tables import SpeedTable
from r3gan.tables.cells import Cell, write_cells
from r3gan.tables.render import code_line, device_line, grid, number, versions_line

# Work of a step in forward passes of one network. D: the fakes, then four passes each over reals and fakes
# (r3gan/penalties.py). G: three of its own, D at the reals, and at the fakes there and back.
FORWARDS = {"D step": 9, "G step": 6, "iteration": 15}
COLUMNS = (
    "hardware", "config", "size", "batch", "step", "way", "ours_ms", "textbook_ms", "ratio", "img_per_s",
    "ours_peak_mib", "textbook_peak_mib", "bf16_peak_share", "rounds",
)  # fmt: skip


def read_benchmarks(module: str, results: Path) -> dict[str, dict[str, Any]]:
    """What was measured on each machine, by the name of its folder."""
    paths = sorted((results / "benchmarks").glob(f"*/{module}.json"))
    return {path.parent.name: read_json(path, "run `make bench` again") for path in paths}


def bf16_peak_share(entry: dict[str, Any], device: str) -> float | None:
    """Least work a second over the device's bfloat16 peak; None where one of them is not known."""
    known = entry_of(folder_name(device))
    if known is None or known.bf16_tflops is None or not entry["gmac_per_image"]:
        return None
    flop_per_image = 2e9 * entry["gmac_per_image"] * FORWARDS[entry["step"]]
    return float(entry["img_per_s"] * flop_per_image / (known.bf16_tflops * 1e12))


def write_speed_table(name: str, table: SpeedTable, results: Path) -> None:
    """Write <name>.md, .csv and .json into `results`."""
    machines = read_benchmarks(table.module, results)
    lines = []
    for hardware, found in machines.items():
        device = found["provenance"]["device"]["name"]
        lines += [
            {"hardware": hardware, **entry, "bf16_peak_share": bf16_peak_share(entry, device)}
            for entry in found["measured"]
        ]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    parts = [f"# {table.title}"] + [section(table, hardware, lines, found) for hardware, found in machines.items()]
    if not machines:
        parts.append("Nothing has been measured yet: run `make bench`.")
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes))
    write_cells(
        results,
        name,
        table.title,
        [cell for line in lines for cell in cells_of(name, table.module, line)],
        measured=lines,
    )
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(parts) + "\n")


def cells_of(name: str, module: str, line: dict[str, Any]) -> list[Cell]:
    """Our milliseconds, and how many times as long the textbook's step takes; the machine is the cells' section.

    Of ways that stand side by side only the ratio, by which they are compared.
    """
    way = f", {line['way']}" if "way" in line else ""
    row = f"{line['config']}, {line['size']}, batch {line['batch']}{way}"
    quantities = {} if way else {f"{line['step']} ms": line["ours_ms"]}
    quantities[f"{line['step']} ratio"] = line["ratio"]
    return [
        Cell(
            table=name,
            section=line["hardware"],
            row=row,
            config=line["config"],
            quantity=quantity,
            reproduced=value,
            n=line["rounds"],
            outcome="measured",
            metric="ms" if quantity.endswith("ms") else "",
            conditions=line["hardware"],
            records=(f"benchmarks/{line['hardware']}/{module}.json",),
        )
        for quantity, value in quantities.items()
    ]


def section(table: SpeedTable, hardware: str, lines: list[dict[str, Any]], found: dict[str, Any]) -> str:
    """One machine's numbers, and where they come from."""
    on_gpu = found["provenance"]["device"]["type"] == "cuda"
    lines = [line for line in lines if line["hardware"] == hardware]
    in_ways = any("way" in line for line in lines)
    headers = [
        "Configuration",
        "Size",
        "Batch",
        "Step",
        *(["Way"] if in_ways else []),
        "Ours ms",
        f"{table.beside} ms",
        "Ratio",
        "img/s",
        "Ours MiB",
        f"{table.beside} MiB",
    ]
    headers += ["bf16 peak"] if on_gpu else []
    rows = []
    for line in lines:
        row = [
            line["config"],
            line["size"],
            str(line["batch"]),
            line["step"],
            *([line.get("way", "default")] if in_ways else []),
        ]
        row += [number(line["ours_ms"], 3), number(line["textbook_ms"], 3), f"{line['ratio']:.2f}"]
        row += [number(line[name], 3) for name in ("img_per_s", "ours_peak_mib", "textbook_peak_mib")]
        if on_gpu:
            row.append("-" if line["bf16_peak_share"] is None else f"{line['bf16_peak_share']:.0%}")
        rows.append(row)
    stamp = found["provenance"]
    footer = [
        f"- device: {device_line(stamp['device'])}",
        f"- versions: {versions_line(stamp['versions'])}",
        f"- code: {code_line(stamp['code'])}",
        f"- date: {stamp['date'][:10]}",
    ]
    right = (2, *range(4 + in_ways, len(headers)))
    return f"## {hardware}\n\n{grid(rows, headers, right)}\n\n" + "\n".join(footer)
