"""How fast configurations converge: when each first reaches the baseline's best, in images and in time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.files import write_text
from r3gan.metrics import find_metric
from r3gan.metrics.crossing import Comparison, compare, read_convergence, values_of
from r3gan.study import Study
from r3gan.tables import AblationTable, ConvergenceTable
from r3gan.tables.bands import BANDS, find_band
from r3gan.tables.cells import Against, Cell, measured, write_cells
from r3gan.tables.figures import draw_convergence
from r3gan.tables.records import Published, read_published
from r3gan.tables.render import band_notes, code_line, device_line, grid, number, shared, versions_line
from r3gan.tables.verdict import NOT_COMPARABLE, NOT_RUN, WORSE, Verdict, judge_value

COLUMNS = (
    "scale", "row", "config", "metric", "best", "best_kimg", "reached", "kimg", "train_seconds", "total_seconds",
    "speedup_images", "speedup_train_time", "interval_kimg", "n",
)  # fmt: skip
MARKS = {"secondary": " (quoted)", "conflict": " (conflict)", "derived": " (derived)", "paper": ""}
Record = dict[str, Any]


def read_scales(
    table: ConvergenceTable | AblationTable, studies: Iterable[Study], results: Path
) -> dict[str, dict[str, Record]]:
    """Convergence records of the table's configurations by scale and configuration, in the order of the study."""
    found: dict[str, dict[str, Record]] = {}
    for study in studies:
        for folder, run in study.convergence_folders.items():
            shown = run.config in table.configs and run.dataset in table.trained_on
            if shown and (results / folder / "convergence.json").exists():
                found.setdefault(study.scale, {})[run.config] = read_convergence(results / folder)
    return found


def rows_of(table: ConvergenceTable, scale: str, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """One entry a configuration and metric: its best, and when it first reached the baseline's best."""
    rows = []
    baseline = records.get(table.baseline)
    metrics = next(iter(records.values()))["metrics"]
    for metric in metrics:
        for config, record in records.items():
            values = values_of(record, metric)
            best = find_metric(metric).best(values)
            row: dict[str, Any] = {"scale": scale, "row": title_of(config), "config": config, "metric": metric}
            row |= {"best": best, "best_kimg": record["points"][values.index(best)]["kimg"], "n": 1}
            if baseline is not None:
                row |= crossing_of(compare(record, baseline, metric), config == table.baseline)
            rows.append(row)
    return rows


def crossing_of(found: Comparison, is_baseline: bool) -> dict[str, Any]:
    """The crossing's numbers; a run that never got there has those of its end, and no speed-up."""
    run = found.run
    numbers: dict[str, Any] = {"target": found.target, "reached": run.reached, "interval_kimg": run.interval_kimg}
    numbers |= {name: getattr(run, name) for name in ("kimg", "train_seconds", "total_seconds")}
    if run.reached and not is_baseline:
        numbers["speedup_images"] = found.speed_up("kimg")
        if found.same_hardware:
            numbers["speedup_train_time"] = found.speed_up("train_seconds")
    return numbers


def cells_of(name: str, table: ConvergenceTable, scales: Mapping[str, Mapping[str, Record]]) -> list[Cell]:
    """Published numbers of systems that are ours, at scales with that data set; then what ours did at every scale."""
    found = []
    for (row, quantity), printed in read_published(table.published).items():
        method, _, dataset = row.partition(" / ")
        config, dataset = table.ours.get(method), table.datasets.get(dataset or table.speed_dataset, "")
        cell = Cell(table=name, section="Published", row=row, quantity=quantity).with_published(printed)
        if config and dataset and quantity in BANDS:
            found += published_cells(replace(cell, config=config), table, dataset, scales)
        else:
            found.append(cell)
    for scale, records in scales.items():
        found += own_cells(name, table, scale, records)
    return found


def published_cells(
    cell: Cell, table: ConvergenceTable, dataset: str, scales: Mapping[str, Mapping[str, Record]]
) -> list[Cell]:
    """The cell at every scale whose runs have the published data set and FID; not run if there is none."""
    against = Against(table=table.published, metric="fid", dataset=dataset)
    found = []
    for scale, records in scales.items():
        runs = {config: r for config, r in records.items() if r["dataset"] == dataset and "fid" in r["metrics"]}
        if cell.config not in runs:
            continue
        here, record = replace(cell, scale=scale), runs[cell.config]
        best = measured(here, "fid", [as_measurement(record, "fid")], against)
        if cell.quantity == "fid":
            found.append(best)
        elif table.baseline in runs:
            ratio = next(r for r in rows_of(table, scale, runs) if r["config"] == cell.config and r["metric"] == "fid")
            name = {"speedup_images": "speedup_images", "speedup_wallclock": "speedup_train_time"}[cell.quantity]
            found.append(judged_ratio(best, table.published, ratio.get(name)))
    return found or [measured(cell, "fid", [], against)]


def judged_ratio(cell: Cell, table: str, ratio: float | None) -> Cell:
    """The cell with a speed-up in the place of the FID; None where the target was not reached."""
    printed = float(cell.published or "")
    cell = replace(cell, reproduced=ratio, untrained=None, metric="")
    if cell.verdict == NOT_COMPARABLE:
        return cell
    if ratio is None:
        return replace(cell, text="target not reached").judged(Verdict(word=WORSE, reason="target not reached"))
    band = find_band(cell.quantity, table).around(printed)
    return replace(cell, band=band).judged(judge_value(ratio, None, band, "higher"))


def as_measurement(record: Record, metric: str) -> Record:
    """A convergence record in the shape of an evaluation's, with the best of its points."""
    best = find_metric(metric).best(values_of(record, metric))
    return record | {"metrics": {metric: record["metrics"][metric] | {"value": best}}}


def own_cells(name: str, table: ConvergenceTable, scale: str, records: Mapping[str, Record]) -> list[Cell]:
    """Each configuration's best, and how many kimg it took to the baseline's."""
    found = []
    for row in rows_of(table, scale, records):
        config, metric = row["config"], row["metric"]
        against = Against(table=table.published, metric=metric, dataset=records[config]["dataset"])
        cell = Cell(table=name, section="Ours", row=row["row"], config=config, quantity=f"best {metric}", scale=scale)
        best = measured(cell, metric, [as_measurement(records[config], metric)], against)
        best = replace(best, records=(f"{records[config]['training']['run']}/convergence.json",))
        found.append(best)
        if "kimg" in row:
            text = "" if row["reached"] else f"> {row['kimg']:g}"
            reached = row["kimg"] if row["reached"] else None
            found.append(replace(best, quantity=f"kimg to target, {metric}", reproduced=reached, text=text, metric=""))
    return found


def title_of(config: str) -> str:
    """The configuration's title, with a star where its training looks through ImageNet's features."""
    networks = CONFIGS[config].networks
    return CONFIGS[config].title + ("*" if getattr(networks, "leaks_imagenet", False) else "")


def scale_text(
    name: str, table: ConvergenceTable, scale: str, rows: list[dict[str, Any]], records: Mapping[str, Record]
) -> str:
    """A scale's table, its picture, and where the numbers come from."""
    parts = [f"## Ours, {scale} scale"]
    for metric in dict.fromkeys(row["metric"] for row in rows):
        lines = [row for row in rows if row["metric"] == metric]
        shown = [line_of(row) for row in sorted(lines, key=lambda row: row.get("kimg", 0.0))]
        headers = [
            "Method",
            "Best",
            "at kimg",
            "kimg to target",
            "Training s",
            "With evaluation s",
            "Speed-up, images",
            "Speed-up, time",
        ]
        target = next((row["target"] for row in lines if "target" in row), None)
        said = f"{find_metric(metric).title}; target {number(target)}, the best of {title_of(table.baseline)}"
        said += f", measured every {lines[0].get('interval_kimg', 0):g} kimg."
        parts.append(f"{said}\n\n" + grid(shown, headers, right=range(1, len(headers))))
    parts.append(f"![Convergence at {scale} scale]({name}-{scale}-convergence.png)")
    stamps = [record["training"]["provenance"] for record in records.values()]
    data = shared(f"{r['data']['dataset']}, {r['data']['count']:,} images" for r in records.values())
    how = shared(f"{m['n_fake']:,} samples a point" for r in records.values() for m in r["metrics"].values())
    footer = [
        f"- single runs (n = 1), seed {shared(record['seed'] for record in records.values())}; {data}; {how}",
        "- device: " + shared(device_line(stamp["device"]) for stamp in stamps),
        "- versions: " + shared(versions_line(stamp["versions"]) for stamp in stamps),
        "- code: " + shared(code_line(stamp["code"]) for stamp in stamps),
    ]
    return "\n\n".join([*parts, "\n".join(footer)])


def line_of(row: dict[str, Any]) -> list[str]:
    """A row for people; what was not reached is "> N"."""
    more = "" if row.get("reached", True) else "> "
    crossing = [
        f"{more}{number(row[name])}" if name in row else "-" for name in ("kimg", "train_seconds", "total_seconds")
    ]
    ratios = [f"{row[name]:.3g}x" if name in row else "-" for name in ("speedup_images", "speedup_train_time")]
    return [row["row"], number(row["best"]), number(row["best_kimg"]), *crossing, *ratios]


def printed(cell: Published | None) -> str:
    return "-" if cell is None else cell.text + MARKS.get(cell.status, f" ({cell.status})")


def published_text(table: ConvergenceTable) -> str:
    """The published numbers: FID of each system on each data set, and how fast the target was reached."""
    found = read_published(table.published)
    pairs = [(*row.partition(" / ")[::2], metric) for row, metric in found]
    methods = list(dict.fromkeys(method for method, _, _ in pairs))
    sets = list(dict.fromkeys(dataset for _, dataset, metric in pairs if metric == "fid"))
    rows = [[m, *(printed(found.get((f"{m} / {d}", "fid"))) for d in sets)] for m in methods]
    rows = [row for row in rows if set(row[1:]) != {"-"}]
    text = "## Published\n\nFID at 256 px, the best snapshot within 10 million images (Pokemon: at 0.8 million).\n\n"
    text += grid(rows, ["Method", *sets], right=range(1, len(sets) + 1))
    speeds = [[row, p.protocol, f"{p.text} {p.unit}", MARKS[p.status].strip(" ()") or "paper"]
              for (row, metric), p in found.items() if metric != "fid"]  # fmt: skip
    text += "\n\n" + grid(speeds, ["System", "Quantity", "Published", "Source"], right=(2,))
    for extra in table.also:
        lines = [[row, p.protocol, printed(p)] for (row, _), p in read_published(extra).items()]
        text += f"\n\n### {extra.removeprefix(table.published + '-').capitalize()}\n\n"
        text += grid(lines, ["Row", "Protocol", "FID" if extra != "table4-ablation" else "FID, relative"], right=(2,))
    return text


def write_convergence_table(name: str, table: ConvergenceTable, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.md, .csv, .json, and a picture for each scale that has records."""
    scales = read_scales(table, studies, results)
    parts, everything = [f"# {table.title}", published_text(table)], []
    for scale, records in scales.items():
        rows = rows_of(table, scale, records)
        everything += rows
        curves = {title_of(config): record["points"] for config, record in records.items()}
        metric = rows[0]["metric"]
        draw_convergence(results / f"{name}-{scale}-convergence.png", curves, metric, rows[0].get("target"))
        parts.append(scale_text(name, table, scale, rows, records))
    if not scales:
        parts.append(f"## Ours\n\n{NOT_RUN.capitalize()}.")
    bands = band_notes((quantity, table.published) for quantity in ("fid", "speedup_images", "speedup_wallclock"))
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in (*table.notes, *bands)))
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(everything)
    write_cells(results, name, table.title, cells_of(name, table, scales), rows=everything)
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(parts) + "\n")
