"""What the parts of a configuration are worth: each row relative to a baseline, in ImageNet's features and without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS
from r3gan.counts import count_discriminator
from r3gan.files import read_json, write_json, write_text
from r3gan.metrics import find_metric, needs_classifier
from r3gan.metrics.crossing import values_of
from r3gan.study import Study
from r3gan.tables import AblationTable
from r3gan.tables.convergence import printed, read_scales, title_of
from r3gan.tables.figures import draw_relative, draw_samples
from r3gan.tables.records import read_published
from r3gan.tables.render import code_line, device_line, extractor_line, grid, number, shared, versions_line
from r3gan.tables.verdict import NOT_RUN, quality_verdict

Record = dict[str, Any]
BEST, LAST = "best", "last"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One configuration measured in one way at one scale."""

    scale: str
    row: str
    config: str
    metric: str
    imagenet: bool  # whether the metric looks through ImageNet's features
    snapshot: str  # best of the run's, or its last
    kimg: float
    value: float
    relative: float | None  # to the baseline's value, None without one
    n: int
    seed: int
    verdict: str

    @property
    def measured(self) -> str:
        """The way of measuring, in words."""
        return f"{self.metric}{' (ImageNet)' if self.imagenet else ''}, {self.snapshot}"


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
        best = (min if find_metric(metric).better == "lower" else max)(values)
        found[metric, BEST] = kimg[values.index(best)], best
        found[metric, LAST] = kimg[-1], values[-1]
    for metric, measured in scale.ends.get(config, {"metrics": {}})["metrics"].items():
        found[metric, LAST] = kimg[-1], measured["value"]
    return found


def rows_of(table: AblationTable, scale: Scale) -> list[Row]:
    """One entry a configuration and way of measuring, in the order of the table."""
    baseline = measurements(scale, table.baseline) if table.baseline in scale.curves else {}
    rows = []
    for config in table.configs:
        if config not in scale.curves:
            continue
        for (metric, snapshot), (kimg, value) in measurements(scale, config).items():
            reference = baseline.get((metric, snapshot))
            rows.append(
                Row(
                    scale=scale.name,
                    row=title_of(config),
                    config=config,
                    metric=metric,
                    imagenet=not needs_classifier([metric]),
                    snapshot=snapshot,
                    kimg=kimg,
                    value=value,
                    relative=value / reference[1] if reference else None,
                    n=1,
                    seed=scale.curves[config]["seed"],
                    verdict=verdict_of(table, scale.name, config, metric),
                )
            )
    return rows


def verdict_of(table: AblationTable, scale: str, config: str, metric: str) -> str:
    """What may be said of our number and the published one of the same configuration."""
    if not any(config in column.rows for column in table.published):
        return "nothing published"
    return quality_verdict(scale, "fid", metric)


def rank_correlation(rows: list[Row]) -> tuple[float, str, str, int] | None:
    """Spearman's, of the last G's order by a metric without ImageNet and by one with; None unless there are both."""
    from scipy.stats import spearmanr

    last = [row for row in rows if row.snapshot == LAST]
    names = [next((row.metric for row in last if row.imagenet == imagenet), None) for imagenet in (False, True)]
    if None in names:
        return None
    one, other = ({row.config: row.value for row in last if row.metric == name} for name in names)
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


def scale_text(table: AblationTable, scale: Scale, rows: list[Row]) -> str:
    """A scale's table, and where its numbers come from."""
    ways = list(dict.fromkeys((row.metric, row.snapshot, row.measured) for row in rows))
    by_key = {(row.config, row.metric, row.snapshot): row for row in rows}
    headers, lines = ["Row"], [[title_of(config)] for config in table.configs]
    for metric, snapshot, measured in ways:
        headers += [measured, *(["at kimg"] if snapshot == BEST else []), "relative"]
        for line, config in zip(lines, table.configs, strict=True):
            row = by_key.get((config, metric, snapshot))
            cells = [number(row.value if row else None)]
            cells += [number(row.kimg if row else None)] if snapshot == BEST else []
            line += [*cells, f"{row.relative:.2f}" if row and row.relative is not None else "-"]
    verdicts = {row.config: row.verdict for row in reversed(rows)}
    lines = [[*line, verdicts.get(config, NOT_RUN)] for line, config in zip(lines, table.configs, strict=True)]
    titles = [f"- {metric}: {find_metric(metric).title}" for metric in dict.fromkeys(metric for metric, _, _ in ways)]
    parts = [f"## Ours, {scale.name} scale", "\n".join(titles)]
    parts.append(grid(lines, [*headers, "Verdict"], range(1, len(headers))))
    if correlation := rank_correlation(rows):
        rho, one, other, count = correlation
        said = f"Spearman rank correlation of the last G's order by {one} and by {other}: {rho:+.2f}"
        parts.append(f"{said} ({count} rows, single runs).")
    return "\n\n".join([*parts, footer(scale)])


def footer(scale: Scale) -> str:
    """Protocol and provenance of a scale's numbers, from its records alone."""
    records = [*scale.curves.values(), *scale.ends.values()]
    stamps = [record["training"]["provenance"] for record in records]
    measured = [metric for record in records for metric in record["metrics"].values()]
    data = shared(f"{record['data']['dataset']}, {record['data']['count']:,} images" for record in records)
    samples = shared(f"{metric['n_fake']:,} samples" for metric in measured)
    lines = [
        f"single runs (n = 1), seed {shared(record['seed'] for record in records)}; {data}; {samples}",
        *dict.fromkeys(f"feature network: {extractor_line(metric)}" for metric in measured),
        "device: " + shared(device_line(stamp["device"]) for stamp in stamps),
        "versions: " + shared(versions_line(stamp["versions"]) for stamp in stamps),
        "code: " + shared(code_line(stamp["code"]) for stamp in stamps),
    ]
    return "\n".join(f"- {line}" for line in lines)


def write_ablation(name: str, table: AblationTable, studies: Iterable[Study], results: Path) -> None:
    """Write <name>.md, .csv, .json, a picture of the relative distances and a sheet of samples."""
    scales = read_ablation(table, studies, results)
    rows = [row for scale in scales for row in rows_of(table, scale)]
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row.relative is not None:
            panels.setdefault(row.scale, {}).setdefault(row.row, {})[row.measured] = row.relative
    draw_relative(results / f"{name}.png", panels)
    draw_samples(results / f"{name}-samples.png", samples_of(table, scales, results))
    parts = [f"# {table.title}", networks_text(table)]
    parts += [scale_text(table, scale, [row for row in rows if row.scale == scale.name]) for scale in scales]
    if scales:
        parts.append(f"![Relative distances]({name}.png)\n\n![Samples of every row]({name}-samples.png)")
    else:
        parts.append(f"## Ours\n\n{NOT_RUN.capitalize()}.")
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes))
    out = io.StringIO()
    writer = csv.DictWriter(out, Row.__dataclass_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_json(results / f"{name}.json", {"table": name, "title": table.title, "rows": [asdict(row) for row in rows]})
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
