"""What the parts of a configuration are worth: each row relative to a baseline, in ImageNet's features and without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_slot
from statistics import fmean

from msgspec.structs import replace

from r3gan.configs import CONFIGS
from r3gan.metrics import needs_classifier
from r3gan.records.schema import Convergence, Evaluation
from r3gan.study import Study
from r3gan.tables.axes import Row
from r3gan.tables.cell import REPRODUCED, Cell
from r3gan.tables.charts import Chart, relative_distances
from r3gan.tables.kind import Content, Context, Kind, Sheet, sample_sheet
from r3gan.tables.kinds.convergence import (
    best_kimg,
    convergence_records,
    mean_ratio,
    name_of,
    read_scales,
    seeds_in_words,
)
from r3gan.tables.measure import Against, Observation, best_of, evaluated, measured, rank_correlation
from r3gan.tables.panel import PUBLISHED, Panel, Slot, by_row, panel, slots_of, title_of
from r3gan.tables.published import Published, read_published
from r3gan.tables.verdict import NOT_COMPARABLE, Verdict

BEST, LAST = "best", "last"  # of a run's snapshots
NETWORKS = "Networks at paper size"


@dataclass(frozen=True, kw_only=True)
class PublishedColumn:
    """A table of published.csv as a column: which of its rows is which configuration."""

    title: str
    published: str
    quantity: str
    rows: Mapping[str, str]  # configuration -> published row

    def of(self, config: str) -> Published | None:
        return read_published(self.published).get((self.rows.get(config, ""), self.quantity))


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A scale's records by configuration: of every snapshot, and of the last G."""

    name: str
    curves: Mapping[str, Sequence[Convergence]]  # one for each seed
    ends: Mapping[str, Sequence[Evaluation]]
    cut_at_kimg: float | None = None  # what is longer is not shown


@dataclass(frozen=True, kw_only=True)
class Line:
    """One configuration measured by one metric at one snapshot, an observation for each seed."""

    scale: str
    config: str
    metric: str
    snapshot: str  # BEST or LAST
    kimg: float
    observed: Sequence[Observation]
    relative: float | None  # to the baseline of the same seed measured alike; the geometric mean

    @property
    def value(self) -> float:
        return fmean(each.value for each in self.observed if each.value is not None)

    @property
    def through_imagenet(self) -> bool:
        return not needs_classifier([self.metric])

    @property
    def measure(self) -> str:
        """How it was measured, in words."""
        return f"{self.snapshot} {self.metric}"


@dataclass(frozen=True, kw_only=True)
class AblationTable(Kind):
    """One part changed at a time, all relative to a baseline without them."""

    baseline: str
    rows: tuple[str, ...]  # configurations
    trained_on: tuple[str, ...]  # at the scales, the paper's first
    counted_at: str  # data set at whose paper size the networks are counted
    published: tuple[PublishedColumn, ...]

    @property
    def made_of(self) -> str:
        return f"published numbers, and the convergence and the end of {', '.join(self.rows)}"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        ends = [
            run_id.metrics
            for run_id, run in study.at_end.items()
            if run.config in self.rows and run.dataset in self.trained_on
        ]
        return convergence_records(self.rows, self.trained_on, study) + ends

    def band_key(self, cell: Cell) -> tuple[str, str]:
        printed = self.published_of(cell.config or "")
        return printed[0] if printed else cell.quantity, "table4"

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        networks = [cell for cell in cells if cell.section == NETWORKS]
        found = [by_row(f"{NETWORKS} ({self.counted_at}), and what is published", "Row", networks)]
        for scale in dict.fromkeys(cell.scale for cell in cells if cell.section == REPRODUCED):
            here = [cell for cell in cells if cell.section == REPRODUCED and cell.scale == scale]
            slots = [(cell.row, slot) for cell in here for slot in ablation_slots(cell)]
            slots.sort(key=lambda placed: placed[1].side != PUBLISHED)
            title = f"Reproduced, {scale} scale" if scale else "Not run"
            found.append(panel(title, "Row", slots, rows=[cell.row for cell in here]))
        return found

    def build(self, context: Context) -> Content:
        cells, remarks, pictures = self.networks(context.name), list[str](), list[Chart | Sheet]()
        shown, run = dict[str, list[Evaluation | Convergence]](), set[str]()
        for scale in self.read(context):
            lines = self.lines(scale)
            cells += [cell for line in lines for cell in self.cells(context.name, line)]
            if scale.cut_at_kimg is not None:
                remarks.append(
                    f"{scale.name} scale: every row up to {scale.cut_at_kimg:g} kimg, as long as its shortest run."
                )
            remarks += order(scale.name, lines)
            pictures += self.pictures(context, scale, lines)
            curves = [run for runs in scale.curves.values() for run in runs]
            shown[scale.name] = [*curves, *(run for runs in scale.ends.values() for run in runs)]
            run |= set(scale.curves)
        cells += [self.not_run(context.name, config) for config in self.rows if config not in run]
        return Content(cells=cells, pictures=pictures, remarks=remarks, records=shown)

    def read(self, context: Context) -> list[Scale]:
        """The scales that have records, in the order of the studies, each as long as its shortest run."""
        curves = read_scales(self.rows, self.trained_on, context)
        found = []
        for study in context.studies:
            here = curves.get(study.scale, {})
            ends: dict[str, list[Evaluation]] = {}
            for run_id, run in study.at_end.items():
                if run.config in here and context.store.has(run_id.metrics):
                    ends.setdefault(run.config, []).append(context.store.evaluation(run_id))
            if here:
                found.append(equally_long(Scale(name=study.scale, curves=here, ends=ends)))
        return found

    def lines(self, scale: Scale) -> list[Line]:
        """One line per configuration, metric and snapshot, in the order of the table."""
        known = {config: observations(scale, config) for config in self.rows if config in scale.curves}
        found = []
        for config, measurements in known.items():
            for (metric, snapshot), (kimg, observed) in measurements.items():
                _, base = known.get(self.baseline, {}).get((metric, snapshot), (0.0, []))
                at_seed = {each.record.seed: each.value for each in base}
                pairs = [(each.value, at_seed.get(each.record.seed)) for each in observed]
                ratios = [value / other for value, other in pairs if value is not None and other]
                found.append(
                    Line(
                        scale=scale.name,
                        config=config,
                        metric=metric,
                        snapshot=snapshot,
                        kimg=kimg,
                        observed=observed,
                        relative=mean_ratio(ratios) if ratios else None,
                    )
                )
        return found

    def published_of(self, config: str) -> tuple[str, Published] | None:
        """What is published of a configuration, the FID itself before the relative one, and which of them it is."""
        for column in sorted(self.published, key=lambda column: column.quantity != "fid"):
            if printed := column.of(config):
                return column.quantity, printed
        return None

    def cells(self, name: str, line: Line) -> list[Cell]:
        """A line as cells: its value, for the best snapshot when that was, and its value relative to the baseline's.

        The best of a row is compared with what is published of it.
        """
        against = Against(table="table4", metric="fid", dataset=self.trained_on[0])
        cell = Cell(
            table=name,
            section=REPRODUCED,
            row=name_of(line.config),
            config=line.config,
            quantity=f"{line.snapshot} {line.metric}",
        )
        printed = self.published_of(line.config) if line.snapshot == BEST else None
        cell = replace(cell, scale=line.scale).with_published(printed[1] if printed else None)
        value = measured(cell, line.metric, line.observed, against)
        if printed and printed[0] != "fid" and value.verdict != NOT_COMPARABLE:
            value = value.judged(Verdict(word=NOT_COMPARABLE, reason="the published number is relative"))
        plain = replace(
            value, published=None, source="", status="", protocol="", unit="", metric="", untrained=None, spread=None,
            interval=None,
        )  # fmt: skip
        plain = plain.judged(Verdict(word=""))
        others = {"at kimg": line.kimg if line.snapshot == BEST else None, "relative": line.relative}
        return [value] + [
            replace(plain, quantity=f"{value.quantity}, {quantity}", reproduced=number)
            for quantity, number in others.items()
            if number is not None
        ]

    def not_run(self, name: str, config: str) -> Cell:
        against = Against(table="table4", metric="fid", dataset=self.trained_on[0])
        printed = self.published_of(config)
        cell = Cell(table=name, section=REPRODUCED, row=name_of(config), config=config, quantity="best fid")
        return measured(cell.with_published(printed[1] if printed else None), "fid", [], against)

    def networks(self, name: str) -> list[Cell]:
        """What each row consists of at paper size, and what is published of it."""
        from r3gan.configs.counts import count_discriminator

        found = []
        for config in self.rows:
            cell = Cell(table=name, section=NETWORKS, row=name_of(config), config=config, quantity="")
            trained, frozen = count_discriminator(CONFIGS[config].networks, self.counted_at)
            counts = {"D trained": trained, "D frozen": frozen}
            found += [replace(cell, quantity=q, reproduced=n, n=1, outcome="counted") for q, n in counts.items()]
            printed = [(column.title, column.of(config)) for column in self.published]
            found += [replace(cell, quantity=title).with_published(known) for title, known in printed if known]
        return found

    def pictures(self, context: Context, scale: Scale, lines: Sequence[Line]) -> list[Chart | Sheet]:
        """Distances relative to the baseline, and samples of every row's last G."""
        caption = f"{scale.name} scale, {seeds_in_words(scale.curves)}"
        imagenet = dict.fromkeys(line.metric for line in lines if line.through_imagenet)
        through = f"; {' and '.join(imagenet)}: in features learned on ImageNet" if imagenet else ""
        relative: list[Row] = [
            {"scale": scale.name, "row": name_of(x.config), "measured": x.measure, "relative": x.relative}
            for x in lines
            if x.relative is not None
        ]
        ends = [(config, scale.ends[config][0]) for config in self.rows if config in scale.ends]
        runs = {name_of(config): context.store.results / end.run for config, end in ends}
        name, title = f"{scale.name}-relative", "Distances relative to the row without projection"
        drawn: list[Chart | Sheet] = [relative_distances(relative, name=name, title=title, caption=caption + through)]
        if runs:
            about = f"Samples of every row's last G (the first seed), {caption}"
            drawn.append(sample_sheet(f"{scale.name}-samples", about, runs))
        return drawn


def ablation_slots(cell: Cell) -> list[Slot]:
    """The places of a cell; what is published of a row is its FID, also where it is compared with another metric."""
    slots = slots_of(cell, title_of(cell.quantity), cell.scale)
    return [replace_slot(slot, group="FID") if slot.side == PUBLISHED else slot for slot in slots]


def equally_long(scale: Scale) -> Scale:
    """The scale with its curves up to the images that every run has seen which did not diverge.

    A row that was trained for longer would be better for that.
    """
    lasts = [run.points[-1].kimg for runs in scale.curves.values() for run in runs if run.outcome != "Fail"]
    least = min(lasts, default=0.0)
    if least == max(lasts, default=0.0):
        return scale

    def cut(run: Convergence) -> Convergence:
        return replace(run, points=tuple(point for point in run.points if point.kimg <= least) or run.points[:1])

    curves = {config: [cut(run) for run in runs] for config, runs in scale.curves.items()}
    long = {config for config, runs in scale.ends.items() for run in runs if run.training.images_seen > 1000 * least}
    ends = {config: runs for config, runs in scale.ends.items() if config not in long}
    return Scale(name=scale.name, curves=curves, ends=ends, cut_at_kimg=least)


def observations(scale: Scale, config: str) -> dict[tuple[str, str], tuple[float, list[Observation]]]:
    """(mean kimg, one observation for each seed) of a configuration by (metric, snapshot)."""
    curves, ends = scale.curves[config], scale.ends.get(config, [])
    last = fmean(curve.points[-1].kimg for curve in curves)
    found = {}
    for metric in curves[0].metrics:
        at = fmean(best_kimg(curve, metric) for curve in curves)
        found[metric, BEST] = at, [best_of(curve, metric) for curve in curves]
        found[metric, LAST] = last, [best_of(replace(curve, points=curve.points[-1:]), metric) for curve in curves]
    for metric in ends[0].metrics if ends else ():
        found[metric, LAST] = last, [evaluated(end, metric) for end in ends]
    return found


def order(scale: str, lines: Iterable[Line]) -> list[str]:
    """How the order of the last Gs by a metric without ImageNet agrees with that by one with it, if there are both."""
    last = [line for line in lines if line.snapshot == LAST]
    one, other = (next((x.metric for x in last if x.through_imagenet == there), None) for there in (False, True))
    first, second = ({x.config: x.value for x in last if x.metric == name} for name in (one, other))
    pairs = [(first[config], second[config]) for config in first if config in second]
    rho = rank_correlation(pairs)
    if one is None or other is None or rho is None:
        return []
    said = f"Spearman rank correlation of the last G's order by {one} and by {other}, {scale} scale: {rho:+.2f}"
    seeds = max(len(line.observed) for line in last)
    return [f"{said} ({len(pairs)} rows, {'single runs' if seeds == 1 else f'means over {seeds} seeds'})."]
