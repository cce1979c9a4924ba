"""A table with one row per configuration: counted networks, and a published metric next to a reproduced one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric
from r3gan.records.curves import read_curve
from r3gan.records.schema import Evaluation
from r3gan.study import Study
from r3gan.tables.cell import Cell
from r3gan.tables.charts import loss_curves
from r3gan.tables.kind import Block, Content, Context, Kind, Sheet
from r3gan.tables.markdown import band_notes, footer, grid, number, reproduced
from r3gan.tables.measure import COUNTED, Against, counted, evaluated, measured, rank_correlation
from r3gan.tables.panel import Panel, by_row
from r3gan.tables.published import read_published


@dataclass(frozen=True, kw_only=True)
class QualityTable(Kind):
    """Rows are configurations by their titles; the published metric and the first measured one are compared."""

    published: str  # `table` in published.csv; its rows are the titles of the configurations
    rows: tuple[str, ...]  # configurations
    counted_at: str  # data set at whose paper size the networks are counted
    published_metric: str
    metrics: tuple[str, ...]  # in order; of those measured at a scale the first is compared with the published one

    @property
    def made_of(self) -> str:
        return ", ".join(self.rows)

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return [run_id.metrics for run_id, run in study.evaluated.items() if run.config in self.rows]

    def band_key(self, cell: Cell) -> tuple[str, str]:
        return self.published_metric, self.published

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        counts = [cell for cell in cells if cell.outcome == "counted"]
        quality = [cell for cell in cells if cell.outcome != "counted"]
        panels = [by_row(f"Parameters at paper size ({self.counted_at})", "Configuration", counts)]
        if quality:
            panels.append(by_row("Quality", "Configuration", quality, self.published_metric, show_untrained=True))
        return panels

    def build(self, context: Context) -> Content:
        counts = self.counts(context)
        cells, remarks = [*counts], list[str]()
        blocks: list[Block] = [self.counts_text(counts)]
        for study in context.studies:
            records = self.read(context, study)
            if not records:
                continue
            quality = self.quality(context, study.scale, records)
            cells += quality
            blocks += self.scale_blocks(context, study.scale, records, quality)
            remarks += self.order(study.scale, quality)
        if len(blocks) == 1:
            blocks.append("No run has been recorded yet.")
        notes = band_notes([(self.published_metric, self.published)])
        return Content(cells=cells, blocks=blocks, remarks=remarks, notes=notes)

    def read(self, context: Context, study: Study) -> dict[str, list[Evaluation]]:
        """The scale's records that exist, by configuration in the order of the table."""
        found: dict[str, list[Evaluation]] = {}
        for run_id, run in study.evaluated.items():
            if run.config in self.rows and context.store.has(run_id.metrics):
                found.setdefault(run.config, []).append(context.store.evaluation(run_id))
        return {config: found[config] for config in self.rows if config in found}

    def counts(self, context: Context) -> list[Cell]:
        """Counted parameters of G and D next to the printed ones."""
        published = read_published(self.published)
        found = []
        for config in self.rows:
            title = CONFIGS[config].title
            for quantity in COUNTED:
                cell = Cell(table=context.name, row=title, quantity=quantity)
                found.append(counted(cell.with_published(published[title, quantity]), config, self.counted_at))
        return found

    def quality(self, context: Context, scale: str, records: dict[str, list[Evaluation]]) -> list[Cell]:
        """Every metric that any record of the scale has, for every row."""
        everything = [record for found in records.values() for record in found]
        metrics = [name for name in self.metrics if any(name in r.metrics for r in everything)] or [*self.metrics[:1]]
        published = read_published(self.published)
        against = Against(table=self.published, metric=self.published_metric, dataset=self.counted_at)
        found = []
        for config in self.rows:
            title = CONFIGS[config].title
            for metric in metrics:
                cell = Cell(table=context.name, row=title, config=config, quantity=metric, scale=scale)
                if metric == metrics[0]:
                    cell = cell.with_published(published.get((title, self.published_metric)))
                observed = [evaluated(record, metric) for record in records.get(config, [])]
                found.append(measured(cell, metric, observed, against))
        return found

    def order(self, scale: str, quality: Sequence[Cell]) -> list[str]:
        """How the order of the rows agrees with the published one."""
        compared = [cell for cell in quality if cell.quantity == quality[0].quantity]
        pairs = [(c.published_value, c.reproduced) for c in compared]
        known = [(theirs, value) for theirs, value in pairs if theirs is not None and value is not None]
        rho = rank_correlation(known)
        if rho is None:
            return []
        single = ", single runs" if all(cell.n <= 1 for cell in compared) else ""
        said = f"Spearman rank correlation of the reproduced order with the published one, {scale} scale: {rho:+.2f}"
        return [f"{said} ({len(known)} rows{single})."]

    def counts_text(self, counts: Sequence[Cell]) -> str:
        """Published and counted parameters of the paper-size networks."""
        rows = []
        for g, d in zip(counts[::2], counts[1::2], strict=True):
            verdict = "exact" if {g.verdict, d.verdict} == {"exact"} else f"G {g.verdict}, D {d.verdict}"
            both = [f"{g.published}M", number(g.reproduced), f"{d.published}M", number(d.reproduced)]
            rows.append([g.row, *both, verdict])
        headers = ["Configuration", "G published", "G counted", "D published", "D counted", "Verdict"]
        return f"## Parameters at paper size ({self.counted_at})\n\n" + grid(rows, headers, right=(1, 2, 3, 4))

    def scale_blocks(
        self, context: Context, scale: str, records: dict[str, list[Evaluation]], quality: Sequence[Cell]
    ) -> list[Block]:
        """The scale's table, its pictures, and where its numbers come from."""
        results = context.store.results
        first = {CONFIGS[config].title: results / found[0].run for config, found in records.items()}
        text = [self.quality_text(quality), *self.order(scale, quality)]
        caption = f"{scale} scale, the first seed of every row"
        curves = [
            {"row": CONFIGS[config].title, "failed": found[0].outcome == "Fail", **point}
            for config, found in records.items()
            for point in read_curve(results / found[0].run / "loss.csv")
        ]
        grids = {title: folder / "samples.png" for title, folder in first.items()}
        return [
            f"## Quality, {scale} scale\n\n" + "\n\n".join(text),
            Sheet(name=f"{scale}-samples", caption=f"Samples, {caption}", grids=grids),
            loss_curves(curves, name=f"{scale}-curves", title="Losses of D and G", caption=caption),
            f"### Where the {scale} numbers come from\n\n" + footer([r for found in records.values() for r in found]),
        ]

    def quality_text(self, quality: Sequence[Cell]) -> str:
        """The published metric next to the reproduced one at one scale."""
        metrics = list(dict.fromkeys(cell.quantity for cell in quality))
        rows = []
        for start in range(0, len(quality), len(metrics)):
            main, *others = quality[start : start + len(metrics)]
            n = "-" if not main.n else "1 (single run)" if main.n == 1 else str(main.n)
            seeds = " ".join(map(str, main.seeds)) or "-"
            values = [number(main.untrained), reproduced(main), *map(reproduced, others)]
            rows.append([main.row, main.published or "-", *values, n, seeds, main.said])
        headers = ["Configuration", f"{self.published_metric.upper()} published", "Untrained", "Trained"]
        headers += [*metrics[1:], "n", "Seed", "Verdict"]
        table = grid(rows, headers, right=range(1, 3 + len(metrics)))
        return f"Untrained and Trained: {find_metric(metrics[0]).title}.\n\n{table}"
