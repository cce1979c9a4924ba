"""A table's files: Markdown that aligns as plain text, CSV with a line a cell, JSON with everything."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from r3gan.configs import CONFIGS
from r3gan.files import write_text
from r3gan.metrics import find_metric
from r3gan.tables.bands import find_band
from r3gan.tables.build import Content, ScaleResult
from r3gan.tables.cells import Cell, as_csv, write_cells
from r3gan.tables.figures import draw_curves, draw_samples
from r3gan.tables.verdict import NOT_MEASURED, NOT_RUN


def write_table(content: Content, results: Path, out: Path) -> None:
    """Write <name>.md, .csv, .json and the pictures the Markdown shows, of runs in `results`, into the folder `out`."""
    name = content.name
    pictures = []
    for scale in content.scales:
        stem = f"{name}-{scale.scale}"
        draw_samples(out / f"{stem}-samples.png", samples_of(scale, results))
        draw_curves(out / f"{stem}-curves.png", curves_of(scale, results))
        pictures.append((scale.scale, stem))
    write_cells(out, name, content.table.title, content.cells, **content.provenance())
    write_text(out / f"{name}.csv", as_csv(content.cells))
    write_text(out / f"{name}.md", as_markdown(content, pictures))


def samples_of(scale: ScaleResult, results: Path) -> dict[str, Path]:
    """The sample grid of each row's first seed."""
    first = {config: records[0]["training"]["run"] for config, records in scale.records.items()}
    return {CONFIGS[config].title: results / run / "samples.png" for config, run in first.items()}


def curves_of(scale: ScaleResult, results: Path) -> dict[str, Path]:
    first = {config: records[0]["training"]["run"] for config, records in scale.records.items()}
    return {CONFIGS[config].title: results / run / "loss.csv" for config, run in first.items()}


def grid(rows: list[list[str]], headers: list[str], right: Iterable[int]) -> str:
    """A GitHub table whose source is aligned too; columns in `right` are numbers."""
    align = ["right" if i in set(right) else "left" for i in range(len(headers))]
    return tabulate(rows, headers, tablefmt="github", colalign=align, disable_numparse=True)


def number(value: float | None, digits: int = 4) -> str:
    """A value for people: whole numbers whole, others at `digits` significant digits."""
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if abs(value) >= 1000 else text


def reproduced(cell: Cell) -> str:
    """Our number: "Fail" if a run diverged, one value, or mean +- standard deviation and 95% interval over seeds."""
    if cell.outcome in ("Fail", NOT_RUN, NOT_MEASURED):
        return cell.outcome
    spread = f" +- {number(cell.spread, 2)}" if cell.spread is not None else ""
    interval = f" [{number(cell.interval[0], 3)}, {number(cell.interval[1], 3)}]" if cell.interval else ""
    return number(cell.reproduced) + spread + interval


def band_notes(quantities: Iterable[tuple[str, str]]) -> list[str]:
    """The bands of (quantity, table of published.csv), as lines of a table's notes."""
    lines = [f"Reproduced {name}: within {find_band(name, table)}." for name, table in quantities]
    return list(dict.fromkeys(lines))


def as_markdown(content: Content, pictures: list[tuple[str, str]]) -> str:
    parts = [f"# {content.table.title}", counts_section(content)]
    for scale, (_, stem) in zip(content.scales, pictures, strict=True):
        parts.append(quality_section(content, scale))
        parts.append(
            f"![Samples of every row, {scale.scale} scale]({stem}-samples.png)\n\n"
            f"![Losses of every row, {scale.scale} scale]({stem}-curves.png)"
        )
    if not content.scales:
        parts.append("No run has been recorded yet.")
    bands = band_notes([(content.table.published_metric, content.table.published)])
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in (*content.table.notes, *bands)))
    parts += [footer(scale) for scale in content.scales]
    return "\n\n".join(parts) + "\n"


def counts_section(content: Content) -> str:
    """Published and counted parameters of the paper-size networks."""
    by_key = {(c.config, c.quantity): c for c in content.cells}
    rows = []
    for config in content.table.configs:
        g, d = by_key[config, "g_params"], by_key[config, "d_params"]
        verdict = "exact" if {g.verdict, d.verdict} == {"exact"} else f"G {g.verdict}, D {d.verdict}"
        counted = [f"{g.published}M", number(g.reproduced), f"{d.published}M", number(d.reproduced)]
        rows.append([g.row, *counted, verdict])
    headers = ["Configuration", "G published", "G counted", "D published", "D counted", "Verdict"]
    size = content.table.counted_at
    return f"## Parameters at paper size ({size})\n\n" + grid(rows, headers, right=(1, 2, 3, 4))


def quality_section(content: Content, scale: ScaleResult) -> str:
    """The published metric beside ours at one scale."""
    table = content.table
    cells = {(c.config, c.quantity): c for c in content.cells if c.scale == scale.scale}
    rows = []
    for config in table.configs:
        main = cells[config, scale.metrics[0]]
        others = [reproduced(cells[config, metric]) for metric in scale.metrics[1:]]
        n = "-" if not main.n else "1 (single run)" if main.n == 1 else str(main.n)
        seeds = " ".join(map(str, main.seeds)) or "-"
        rows.append(
            [main.row, main.published or "-", number(main.untrained), reproduced(main), *others, n, seeds, main.said]
        )
    headers = ["Configuration", f"{table.published_metric.upper()} published", "Untrained", "Trained"]
    headers += [*scale.metrics[1:], "n", "Seed", "Verdict"]
    right = range(1, 4 + len(scale.metrics) - 1)
    text = f"## Quality, {scale.scale} scale\n\n"
    text += f"Untrained and Trained: {find_metric(scale.metrics[0]).title}.\n\n" + grid(rows, headers, right)
    if scale.rank_correlation is not None:
        text += (
            f"\n\nSpearman rank correlation of our order with the published one: {scale.rank_correlation:+.2f} "
            f"({scale.rank_rows} rows{', single runs' if all(len(r) == 1 for r in scale.records.values()) else ''})."
        )
    return text


def shared(values: Iterable[Any]) -> str:
    """The values that occur, joined; one if all records agree."""
    return "; ".join(dict.fromkeys(str(value) for value in values)) or "-"


def footer(scale: ScaleResult) -> str:
    """Protocol and provenance of a scale's numbers, from its records alone."""
    records = [record for records in scale.records.values() for record in records]
    trained = [record["training"] for record in records]
    stamps = [training["provenance"] for training in trained]
    lines = [f"## Where the {scale.scale} numbers come from", ""]
    protocols: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for name, metric in record["metrics"].items():
            protocols.setdefault(name, []).append(metric)
    for name, measured in protocols.items():
        counts = shared(
            f"{m['n_fake']:,} samples, {m['n_real'] or 'no'} reals, {m['snapshot']} snapshot" for m in measured
        )
        floor = (
            f"; a perfect sampler is expected at {number(measured[0]['floor'], 3)}" if "floor" in measured[0] else ""
        )
        lines.append(f"- {name}: {find_metric(name).title}; {shared(m['protocol'] for m in measured)}; {counts}{floor}")
    lines += [
        f"- feature network: {line}"
        for line in dict.fromkeys(extractor_line(m) for measured in protocols.values() for m in measured)
    ]
    seconds = sum(training["seconds"] for training in trained)
    days = sorted(stamp["date"][:10] for stamp in stamps)
    lines += [
        "- data: " + shared(data_line(record["data"]) for record in records),
        f"- training: {shared(budget_line(t) for t in trained)}; {seconds:,.0f} s in all, parallel runs added up",
        "- device: " + shared(device_line(stamp["device"]) for stamp in stamps),
        "- versions: " + shared(versions_line(stamp["versions"]) for stamp in stamps),
        "- code: " + shared(code_line(stamp["code"]) for stamp in stamps),
        f"- date: {shared((days[0], days[-1])).replace('; ', ' to ')}",
    ]
    return "\n".join(lines)


def data_line(data: dict[str, Any]) -> str:
    pool = f", from {data['digit_pool']:,} digits" if "digit_pool" in data else ""
    made = f"; {data['protocol']}" if "protocol" in data else ""
    return f"{data['dataset']}, {data['count']:,} images{pool}{made}; sha256 {data['sha256']}"


def budget_line(training: dict[str, Any]) -> str:
    return f"{training['images_seen'] / 1000:g} kimg at batch {training['recipe']['batch']}"


def device_line(device: dict[str, Any]) -> str:
    threads = f", {device['threads']} thread(s) a run" if "threads" in device else ""
    return f"{device['count']} x {device['name']}{threads}"


def versions_line(versions: dict[str, str]) -> str:
    return ", ".join(f"{package} {versions[package]}" for package in ("python", "torch", "numpy", "scipy"))


def extractor_line(metric: dict[str, Any]) -> str:
    """Which network a metric's features come from."""
    extractor = metric["extractor"]
    accuracy = ""
    if "test_accuracy" in extractor:
        accuracy = f", right on {extractor['test_accuracy']:.1%} of held-out digits of {extractor['dataset']}"
    return f"{extractor['name']}: {metric['features']}{accuracy}, sha256 {extractor['sha256']}"


def code_line(code: dict[str, Any]) -> str:
    if code["commit"] is None:
        return "no git commit"
    return f"commit {code['commit'][:12]}" + (" with uncommitted changes" if code["dirty"] else "")
