"""What the parts of a configuration are worth: each row relative to a baseline, in ImageNet's features and without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.configs.counts import count_discriminator
from r3gan.files import read_json, write_text
from r3gan.metrics import find_metric, needs_classifier
from r3gan.metrics.crossing import values_of
from r3gan.study import Study
from r3gan.tables import AblationTable
from r3gan.tables.cells import Against, Cell, measured, write_cells
from r3gan.tables.convergence import printed, read_scales, title_of
from r3gan.tables.figures import draw_relative, draw_samples
from r3gan.tables.records import Published, read_published
from r3gan.tables.render import code_line, device_line, extractor_line, grid, number, shared, versions_line
from r3gan.tables.verdict import NOT_COMPARABLE, NOT_RUN, Verdict

Record = dict[str, Any]
BEST, LAST = "best", "last"  # of a run's snapshots
COLUMNS = (
    "scale", "row", "config", "metric", "through_imagenet", "snapshot", "kimg", "value", "relative", "n", "seed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A scale's records by configuration: of every snapshot, and of the last G."""

    name: str
    curves: Mapping[str, Record]
    ends: Mapping[str, Record]


def read_ablation(table: AblationTable, studies: Iterable[Study], results: Path) -> list[Scale]:
    """The scales that have records, in the order of the studies."""
    found = []
    for study in studies:
        curves = read_scales(table, [study], results).get(study.scale, {})
        at_end = {run.config: results / folder / "metrics.json" for folder, run in study.at_end_folders.items()}
        ends = {
            config: read_json(at_end[config], "run `r3gan evaluate` again")
            for config in curves
            if config in at_end and at_end[config].exists()
        }
        if curves:
            found.append(Scale(name=study.scale, curves=curves, ends=ends))
    return found


def measurements(scale: Scale, config: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(kimg, value) of a configuration by (metric, snapshot)."""
    record = scale.curves[config]
    kimg = [point["kimg"] for point in record["points"]]
    found = {}
    for metric in record["metrics"]:
        values = values_of(record, metric)
        best = find_metric(metric).best(values)
        found[metric, BEST] = kimg[values.index(best)], best
        found[metric, LAST] = kimg[-1], values[-1]
    for metric, ended in scale.ends.get(config, {"metrics": {}})["metrics"].items():
        found[metric, LAST] = kimg[-1], ended["value"]
    return found


def rows_of(table: AblationTable, scale: Scale) -> list[dict[str, Any]]:
    """One entry a configuration and way of measuring, in the order of the table."""
    baseline = measurements(scale, table.baseline) if table.baseline in scale.curves else {}
    rows = []
    for config in table.configs:
        if config not in scale.curves:
            continue
        record = scale.curves[config]
        for (metric, snapshot), (kimg, value) in measurements(scale, config).items():
            row: dict[str, Any] = {"scale": scale.name, "row": title_of(config), "config": config}
            row |= {"metric": metric, "through_imagenet": not needs_classifier([metric]), "snapshot": snapshot}
            row |= {"kimg": kimg, "value": value, "n": 1, "seed": record["seed"]}
            if (metric, snapshot) in baseline:
                row["relative"] = value / baseline[metric, snapshot][1]
            rows.append(row)
    return rows


def published_of(table: AblationTable, config: str) -> tuple[str, Published] | None:
    """What is published of a configuration, the FID itself before the relative one, and which of them it is."""
    for column in sorted(table.published, key=lambda column: column.quantity != "fid"):
        if config in column.rows:
            return column.quantity, read_published(column.published)[column.rows[config], column.quantity]
    return None


def cells_of(name: str, table: AblationTable, scales: Iterable[Scale]) -> list[Cell]:
    """The best of every row at every scale beside what is published, and its last G."""
    against = Against(table="table4", metric="fid", dataset=table.trained_on[0])
    found = []
    for scale in scales:
        for row in rows_of(table, scale):
            config, metric, curve = row["config"], row["metric"], scale.curves[row["config"]]
            quantity = f"{row['snapshot']} {metric}"
            cell = Cell(table=name, section="Ours", row=row["row"], config=config, quantity=quantity, scale=scale.name)
            if row["snapshot"] == LAST and metric in scale.ends.get(config, {"metrics": {}})["metrics"]:
                found.append(measured(cell, metric, [scale.ends[config]], against))
                continue
            printed = published_of(table, config) if row["snapshot"] == BEST else None
            cell = cell.with_published(printed[1] if printed else None)
            point = curve | {"metrics": {metric: curve["metrics"][metric] | {"value": row["value"]}}}
            cell = measured(cell, metric, [point], against)
            if printed and printed[0] != "fid" and cell.verdict != NOT_COMPARABLE:
                cell = cell.judged(Verdict(word=NOT_COMPARABLE, reason="the published number is relative"))
            found.append(replace(cell, records=(f"{curve['training']['run']}/convergence.json",)))
    run = {cell.config for cell in found}
    for config in table.configs:
        if config not in run:
            printed = published_of(table, config)
            cell = Cell(table=name, section="Ours", row=title_of(config), config=config, quantity="best fid")
            found.append(measured(cell.with_published(printed[1] if printed else None), "fid", [], against))
    return found


def rank_correlation(rows: list[dict[str, Any]]) -> tuple[float, str, str, int] | None:
    """Spearman's, of the last G's order by a metric without ImageNet and by one with; None unless there are both."""
    from scipy.stats import spearmanr

    last = [row for row in rows if row["snapshot"] == LAST]
    names = [next((row["metric"] for row in last if row["through_imagenet"] == there), None) for there in (False, True)]
    if None in names:
        return None
    one, other = ({row["config"]: row["value"] for row in last if row["metric"] == name} for name in names)
    common = [config for config in one if config in other]
    if len(common) < 3:
        return None
    found = spearmanr([one[c] for c in common], [other[c] for c in common])
    return float(found.statistic), str(names[0]), str(names[1]), len(common)


def networks_text(table: AblationTable) -> str:
    """What each row consists of at paper size, and what is published of it."""
    published = [read_published(column.published) for column in table.published]
    rows = []
    for config in table.configs:
        counts = count_discriminator(CONFIGS[config], table.counted_at)
        cells = []
        for column, found in zip(table.published, published, strict=True):
            by_row = {row: cell for (row, _), cell in found.items()}
            cells.append(printed(by_row.get(column.rows.get(config, ""))))
        rows.append([title_of(config), *map(number, counts), *cells])
    headers = ["Row", "D trained", "D frozen", *(column.title for column in table.published)]
    text = f"## Networks at paper size ({table.counted_at}), and what is published\n\n"
    protocols = shared(cell.protocol.partition(",")[0] for found in published for cell in found.values())
    return text + grid(rows, headers, range(1, len(headers))) + f"\n\nPublished on {protocols}; (quoted): by others."


def way_of(row: dict[str, Any]) -> str:
    """How a row was measured, in words."""
    return f"{row['metric']}{' (ImageNet)' if row['through_imagenet'] else ''}, {row['snapshot']}"


def scale_text(table: AblationTable, scale: Scale, rows: list[dict[str, Any]], verdicts: Mapping[str, str]) -> str:
    """A scale's table, and where its numbers come from."""
    by_key = {(row["config"], way_of(row)): row for row in rows}
    ways = {way_of(row): row["snapshot"] for row in rows}
    headers, lines = ["Row"], {config: [title_of(config)] for config in table.configs}
    for way, snapshot in ways.items():
        headers += [way, *(["at kimg"] if snapshot == BEST else []), "relative"]
        for config, line in lines.items():
            row = by_key.get((config, way), {})
            line.append(number(row.get("value")))
            if snapshot == BEST:
                line.append(number(row.get("kimg")))
            line.append(f"{row['relative']:.2f}" if "relative" in row else "-")
    shown = [[*line, verdicts.get(config, NOT_RUN) or "nothing published"] for config, line in lines.items()]
    titles = [f"- {metric}: {find_metric(metric).title}" for metric in dict.fromkeys(row["metric"] for row in rows)]
    parts = [f"## Ours, {scale.name} scale", "\n".join(titles)]
    parts.append(grid(shown, [*headers, "Verdict"], range(1, len(headers))))
    if correlation := rank_correlation(rows):
        rho, one, other, count = correlation
        said = f"Spearman rank correlation of the last G's order by {one} and by {other}: {rho:+.2f}"
        parts.append(f"{said} ({count} rows, single runs).")
    return "\n\n".join([*parts, footer(scale)])


def footer(scale: Scale) -> str:
    """Protocol and provenance of a scale's numbers, from its records alone."""
    records = [*scale.curves.values(), *scale.ends.values()]
    stamps = [record["training"]["provenance"] for record in records]
    ways = [metric for record in records for metric in record["metrics"].values()]
    data = shared(f"{record['data']['dataset']}, {record['data']['count']:,} images" for record in records)
    samples = shared(f"{metric['n_fake']:,} samples" for metric in ways)
    lines = [
        f"single runs (n = 1), seed {shared(record['seed'] for record in records)}; {data}; {samples}",
        *dict.fromkeys(f"feature network: {extractor_line(metric)}" for metric in ways),
        "device: " + shared(device_line(stamp["device"]) for stamp in stamps),
        "versions: " + shared(versions_line(stamp["versions"]) for stamp in stamps),
        "code: " + shared(code_line(stamp["code"]) for stamp in stamps),
    ]
    return "\n".join(f"- {line}" for line in lines)


def write_ablation(name: str, table: AblationTable, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.md, .csv, .json, a picture of the relative distances and a sheet of samples."""
    scales = read_ablation(table, studies, results)
    rows, cells = [row for scale in scales for row in rows_of(table, scale)], cells_of(name, table, scales)
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if "relative" in row:
            panels.setdefault(row["scale"], {}).setdefault(row["row"], {})[way_of(row)] = row["relative"]
    draw_relative(results / f"{name}.png", panels)
    draw_samples(results / f"{name}-samples.png", samples_of(table, scales, results))
    parts = [f"# {table.title}", networks_text(table)]
    for scale in scales:
        verdicts = {cell.config or "": cell.said for cell in reversed(cells) if cell.scale == scale.name}
        parts.append(scale_text(table, scale, [row for row in rows if row["scale"] == scale.name], verdicts))
    if scales:
        parts.append(f"![Relative distances]({name}.png)\n\n![Samples of every row]({name}-samples.png)")
    else:
        parts.append(f"## Ours\n\n{NOT_RUN.capitalize()}.")
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes))
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_cells(results, name, table.title, cells, rows=rows)
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(parts) + "\n")


def samples_of(table: AblationTable, scales: list[Scale], results: Path) -> dict[str, Path]:
    """The sample grid of every row's last G."""
    return {
        f"{title_of(config)}, {scale.name}": results / scale.ends[config]["training"]["run"] / "samples.png"
        for scale in scales
        for config in table.configs
        if config in scale.ends
    }
