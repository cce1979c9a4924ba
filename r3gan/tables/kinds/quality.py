"""A table with one row per configuration: counted networks, and a published metric next to a reproduced one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric
from r3gan.records.curves import read_curve
from r3gan.records.schema import Evaluation
from r3gan.study import Study
from r3gan.tables.author_logs import SETTINGS, logged_cell
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart, loss_curves
from r3gan.tables.kind import Content, Context, Kind, Sheet, sample_sheet
from r3gan.tables.markdown import band_notes
from r3gan.tables.measure import COUNTED, Against, counted, evaluated, measured, rank_correlation
from r3gan.tables.panel import PUBLISHED, REPRODUCED, UNTRAINED, VERDICT, Panel, Slot, by_row, panel, title_of
from r3gan.tables.published import read_published

LOGGED = "authors"  # the scale of their logs
Records = Mapping[str, Sequence[Evaluation]]  # by configuration


@dataclass(frozen=True, kw_only=True)
class QualityTable(Kind):
    """Rows are configurations by their titles; the published metric and the first measured one are compared."""

    published: str  # `table` in published.csv; its rows are the titles of the configurations
    rows: tuple[str, ...]  # configurations
    counted_at: str  # data set at whose paper size the networks are counted
    published_metric: str
    logged: bool = False  # whether the authors' logs are shown as a scale of their own
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
        scales = dict.fromkeys(cell.scale for cell in cells if cell.scale)
        found = [by_row(f"Parameters at paper size ({self.counted_at})", "Configuration", counts)]
        return found + [self.quality_panel(scale, [c for c in cells if c.scale == scale]) for scale in scales]

    def quality_panel(self, scale: str, cells: Sequence[Cell]) -> Panel:
        """The published metric, then those measured at the scale, the first of them also of the untrained G."""
        slots = []
        for cell in cells:
            group = title_of(cell.quantity)
            if cell.published is not None:
                named = title_of(self.published_metric)
                slots.append((cell.row, Slot(group=named, label="published", side=PUBLISHED, cell=cell)))
            slots.append((cell.row, Slot(group=group, label="trained", side=REPRODUCED, cell=cell)))
            if cell.verdict:
                slots.append((cell.row, Slot(group=group, label="verdict", side=VERDICT, cell=cell)))
            if cell.published is not None:
                slots.append((cell.row, Slot(group=group, label="untrained", side=UNTRAINED, cell=cell)))
        return panel(f"Quality, {scale} scale", "Configuration", slots)

    def build(self, context: Context) -> Content:
        cells, remarks, pictures = self.counts(context), list[str](), list[Chart | Sheet]()
        shown = {}
        for study in context.studies:
            if records := self.read(context, study):
                quality = self.quality(context, study.scale, records)
                cells += quality
                pictures += self.pictures(context, study.scale, records)
                remarks += self.order(study.scale, quality)
                shown[study.scale] = [record for found in records.values() for record in found]
        remarks = remarks if shown else ["No run has been recorded yet."]
        cells += self.from_logs(context.name) if self.logged and len(context.studies) != 1 else []
        notes = band_notes([(self.published_metric, self.published)])
        return Content(cells=cells, pictures=pictures, remarks=remarks, notes=notes, records=shown)

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

    def from_logs(self, table: str) -> list[Cell]:
        """FID in the authors' logs of the rows whose networks they have; of two such runs the last."""
        published = read_published(self.published)
        found = {}
        for name, settings in SETTINGS.items():
            if printed := published.get((settings.row, "fid")):
                cell = Cell(table=table, row=settings.row, quantity="", scale=LOGGED, n=1, seeds=(0,), outcome="logged")
                found[settings.row] = logged_cell(cell, name).with_published(printed)
        return [found[title] for title in (CONFIGS[config].title for config in self.rows) if title in found]

    def quality(self, context: Context, scale: str, records: Records) -> list[Cell]:
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
        """How the order of the rows by the first metric agrees with the published one."""
        compared = [cell for cell in quality if cell.quantity == quality[0].quantity]
        pairs = [(c.published_value, c.reproduced) for c in compared]
        known = [(theirs, value) for theirs, value in pairs if theirs is not None and value is not None]
        rho = rank_correlation(known)
        if rho is None:
            return []
        single = ", single runs" if all(cell.n <= 1 for cell in compared) else ""
        said = f"{scale.capitalize()} scale, by {find_metric(compared[0].quantity).title}: Spearman rank correlation "
        return [f"{said}of the reproduced order with the published one {rho:+.2f} ({len(known)} rows{single})."]

    def pictures(self, context: Context, scale: str, records: Records) -> list[Chart | Sheet]:
        """Samples and loss curves of every row's first seed."""
        results, caption = context.store.results, f"{scale} scale, the first seed of every row (n = 1)"
        curves: list[Row] = [
            {"row": CONFIGS[config].title, "failed": found[0].outcome == "Fail", **point}
            for config, found in records.items()
            for point in read_curve(results / found[0].run / "loss.csv")
        ]
        runs = {CONFIGS[config].title: results / found[0].run for config, found in records.items()}
        return [
            sample_sheet(f"{scale}-samples", f"Samples, {caption}", runs),
            loss_curves(curves, name=f"{scale}-curves", title="Losses of D and G", caption=caption),
        ]
