"""What the parts of a configuration are worth: each row relative to a baseline, in ImageNet's features and without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric, needs_classifier
from r3gan.records.schema import Convergence, Evaluation, Values
from r3gan.study import Study
from r3gan.tables.cell import REPRODUCED, Cell
from r3gan.tables.charts import relative_distances
from r3gan.tables.crossing import values_of
from r3gan.tables.kind import Block, Content, Context, Kind, Sheet
from r3gan.tables.kinds.convergence import convergence_records, read_scales, title_of
from r3gan.tables.markdown import footer, grid, number, shared
from r3gan.tables.measure import Against, Observation, best_of, evaluated, measured, rank_correlation
from r3gan.tables.published import Published, read_published
from r3gan.tables.verdict import NOT_COMPARABLE, NOT_RUN, Verdict

BEST, LAST = "best", "last"  # of a run's snapshots


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
    curves: Mapping[str, Convergence]
    ends: Mapping[str, Evaluation]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One configuration measured by one metric at one snapshot."""

    scale: str
    config: str
    metric: str
    snapshot: str  # BEST or LAST
    kimg: float
    observation: Observation
    relative: float | None  # to the baseline measured alike

    @property
    def value(self) -> float:
        assert self.observation.value is not None
        return self.observation.value

    @property
    def through_imagenet(self) -> bool:
        return not needs_classifier([self.metric])

    @property
    def measure(self) -> str:
        """How it was measured, in words."""
        return f"{self.metric}{' (ImageNet)' if self.through_imagenet else ''}, {self.snapshot}"

    def as_row(self) -> Values:
        """A line of the CSV."""
        return {
            "scale": self.scale,
            "row": title_of(self.config),
            "config": self.config,
            "metric": self.metric,
            "through_imagenet": self.through_imagenet,
            "snapshot": self.snapshot,
            "kimg": self.kimg,
            "value": self.value,
            "relative": self.relative,
            "n": 1,
            "seed": self.observation.record.seed,
        }


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

    def build(self, context: Context) -> Content:
        blocks: list[Block] = [self.networks_text()]
        cells, rows, remarks, run = list[Cell](), list[Values](), list[str](), set[str]()
        for scale in self.read(context):
            lines = self.lines(scale)
            found = [self.cell(context.name, line) for line in lines]
            cells += found
            rows += [line.as_row() for line in lines]
            run |= {line.config for line in lines}
            remarks += order(scale.name, lines)
            blocks += self.scale_blocks(context, scale, lines, found)
        if not rows:
            blocks.append(f"## Reproduced\n\n{NOT_RUN.capitalize()}.")
        cells += [self.not_run(context.name, config) for config in self.rows if config not in run]
        return Content(cells=cells, blocks=blocks, rows=rows, remarks=remarks)

    def read(self, context: Context) -> list[Scale]:
        """The scales that have records, in the order of the studies."""
        curves = read_scales(self.rows, self.trained_on, context)
        found = []
        for study in context.studies:
            here = curves.get(study.scale, {})
            ends = {
                run.config: context.store.evaluation(run_id)
                for run_id, run in study.at_end.items()
                if run.config in here and context.store.has(run_id.metrics)
            }
            if here:
                found.append(Scale(name=study.scale, curves=here, ends=ends))
        return found

    def lines(self, scale: Scale) -> list[Line]:
        """One line per configuration, metric and snapshot, in the order of the table."""
        known = {config: observations(scale, config) for config in self.rows if config in scale.curves}
        baseline = {key: seen.value for key, (_, seen) in known.get(self.baseline, {}).items()}
        found = []
        for config, measurements in known.items():
            for (metric, snapshot), (kimg, observation) in measurements.items():
                base = baseline.get((metric, snapshot))
                relative = observation.value / base if observation.value is not None and base else None
                found.append(
                    Line(
                        scale=scale.name,
                        config=config,
                        metric=metric,
                        snapshot=snapshot,
                        kimg=kimg,
                        observation=observation,
                        relative=relative,
                    )
                )
        return found

    def published_of(self, config: str) -> tuple[str, Published] | None:
        """What is published of a configuration, the FID itself before the relative one, and which of them it is."""
        for column in sorted(self.published, key=lambda column: column.quantity != "fid"):
            if printed := column.of(config):
                return column.quantity, printed
        return None

    def cell(self, name: str, line: Line) -> Cell:
        """A line as a cell; the best of a row is compared with what is published of it."""
        against = Against(table="table4", metric="fid", dataset=self.trained_on[0])
        quantity = f"{line.snapshot} {line.metric}"
        cell = Cell(table=name, section=REPRODUCED, row=title_of(line.config), config=line.config, quantity=quantity)
        printed = self.published_of(line.config) if line.snapshot == BEST else None
        cell = replace(cell, scale=line.scale).with_published(printed[1] if printed else None)
        cell = measured(cell, line.metric, [line.observation], against)
        if printed and printed[0] != "fid" and cell.verdict != NOT_COMPARABLE:
            cell = cell.judged(Verdict(word=NOT_COMPARABLE, reason="the published number is relative"))
        return cell

    def not_run(self, name: str, config: str) -> Cell:
        against = Against(table="table4", metric="fid", dataset=self.trained_on[0])
        printed = self.published_of(config)
        cell = Cell(table=name, section=REPRODUCED, row=title_of(config), config=config, quantity="best fid")
        return measured(cell.with_published(printed[1] if printed else None), "fid", [], against)

    def networks_text(self) -> str:
        """What each row consists of at paper size, and what is published of it."""
        from r3gan.configs.counts import count_discriminator

        rows = []
        for config in self.rows:
            counts = map(number, count_discriminator(CONFIGS[config], self.counted_at))
            rows.append([title_of(config), *counts, *(str(column.of(config) or "-") for column in self.published)])
        headers = ["Row", "D trained", "D frozen", *(column.title for column in self.published)]
        found = [cell for column in self.published for cell in read_published(column.published).values()]
        protocols = shared(cell.protocol.partition(",")[0] for cell in found)
        text = f"## Networks at paper size ({self.counted_at}), and what is published\n\n"
        return (
            text + grid(rows, headers, range(1, len(headers))) + f"\n\nPublished on {protocols}; (quoted): by others."
        )

    def scale_blocks(self, context: Context, scale: Scale, lines: Sequence[Line], cells: Sequence[Cell]) -> list[Block]:
        """A scale's table, its pictures, and where its numbers come from."""
        caption = f"{scale.name} scale, single runs (n = 1)"
        relative = [
            {"scale": scale.name, "row": title_of(x.config), "measured": x.measure, "relative": x.relative}
            for x in lines
            if x.relative is not None
        ]
        metrics = dict.fromkeys(line.metric for line in lines)
        text = [f"## Reproduced, {scale.name} scale", "\n".join(f"- {m}: {find_metric(m).title}" for m in metrics)]
        grids = {
            title_of(config): context.store.results / scale.ends[config].run / "samples.png"
            for config in self.rows
            if config in scale.ends
        }
        return [
            "\n\n".join([*text, self.scale_text(lines, cells), *order(scale.name, lines)]),
            relative_distances(
                relative, name=f"{scale.name}-relative", title="Distances relative to the baseline", caption=caption
            ),
            Sheet(name=f"{scale.name}-samples", caption=f"Samples of the last G of every row, {caption}", grids=grids),
            footer([*scale.curves.values(), *scale.ends.values()]),
        ]

    def scale_text(self, lines: Sequence[Line], cells: Sequence[Cell]) -> str:
        """A scale's numbers, one line per configuration, a group of columns per metric and snapshot."""
        by_key = {(line.config, line.measure): line for line in lines}
        verdicts = {cell.config: cell.said for cell in reversed(cells)}
        headers, table = ["Row"], {config: [title_of(config)] for config in self.rows}
        for measure, snapshot in {line.measure: line.snapshot for line in lines}.items():
            headers += [measure, *(["at kimg"] if snapshot == BEST else []), "relative"]
            for config, row in table.items():
                line = by_key.get((config, measure))
                row.append(number(line.value if line else None))
                if snapshot == BEST:
                    row.append(number(line.kimg if line else None))
                row.append(f"{line.relative:.2f}" if line and line.relative is not None else "-")
        rows = [[*row, verdicts.get(config, NOT_RUN) or "nothing published"] for config, row in table.items()]
        return grid(rows, [*headers, "Verdict"], range(1, len(headers)))


def observations(scale: Scale, config: str) -> dict[tuple[str, str], tuple[float, Observation]]:
    """(kimg, observation) of a configuration by (metric, snapshot)."""
    curve, end = scale.curves[config], scale.ends.get(config)
    kimg = [point.kimg for point in curve.points]
    found = {}
    for metric in curve.metrics:
        values, best = values_of(curve, metric), best_of(curve, metric)
        assert best.value is not None
        found[metric, BEST] = kimg[values.index(best.value)], best
        found[metric, LAST] = kimg[-1], best_of(replace(curve, points=curve.points[-1:]), metric)
    for metric in end.metrics if end else ():
        assert end is not None
        found[metric, LAST] = kimg[-1], evaluated(end, metric)
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
    return [f"{said} ({len(pairs)} rows, single runs)."]
