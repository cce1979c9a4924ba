"""How fast configurations converge: when each first reaches the baseline's best, in images and in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from msgspec.structs import replace

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric
from r3gan.records.schema import Convergence
from r3gan.study import Study
from r3gan.tables.axes import Row
from r3gan.tables.bands import BANDS, find_band
from r3gan.tables.cell import REPRODUCED, Cell
from r3gan.tables.charts import Chart, convergence
from r3gan.tables.crossing import Clock, Speedup, compare, values_of
from r3gan.tables.kind import Content, Context, Kind, Sheet
from r3gan.tables.markdown import band_notes
from r3gan.tables.measure import Against, best_of, measured
from r3gan.tables.panel import BOTH, Panel, Slot, by_row, by_section, panel, slots_of, title_of
from r3gan.tables.published import read_published
from r3gan.tables.verdict import NOT_COMPARABLE, WORSE, Verdict, judge_value

Records = Mapping[str, Sequence[Convergence]]  # by configuration, one for each seed


@dataclass(frozen=True, kw_only=True)
class Line:
    """A configuration's best values of a metric, and when each seed first reached the best of the baseline's."""

    config: str
    metric: str
    best_kimg: float  # mean over the seeds
    speedups: Sequence[Speedup]  # of the seeds that the baseline has too
    is_baseline: bool

    @property
    def censored(self) -> int:
        """How many seeds did not reach their target."""
        return sum(not speedup.run.reached for speedup in self.speedups)

    @property
    def kimg(self) -> float:
        """To the target, or as long as the runs were."""
        return fmean(speedup.run.kimg for speedup in self.speedups) if self.speedups else 0.0

    @property
    def ratios(self) -> dict[str, float | None]:
        """Geometric means of the speed-ups in images and in time; None where a seed did not reach its target.

        Nor is there one in time where times are not comparable.
        """
        none: dict[str, float | None] = {"speedup_images": None, "speedup_wallclock": None}
        if not self.speedups or self.is_baseline or self.censored:
            return none
        found = none | {"speedup_images": mean_ratio([each.over("kimg") for each in self.speedups])}
        if all(speedup.same_hardware for speedup in self.speedups):
            found["speedup_wallclock"] = mean_ratio([each.over("train_seconds") for each in self.speedups])
        return found

    def quantities(self) -> dict[str, tuple[float | None, str]]:
        """What is known besides the best value, as a number or in words; what was not reached is "> N"."""
        found: dict[str, tuple[float | None, str]] = {"best at kimg": (self.best_kimg, "")}
        clocks: dict[str, Clock] = {"kimg": "kimg", "training s": "train_seconds", "total s": "total_seconds"}
        for name, clock in clocks.items() if self.speedups else ():
            value = fmean(speedup.run.at(clock) for speedup in self.speedups)
            part = f" ({self.censored} of {len(self.speedups)} not reached)" if len(self.speedups) > 1 else ""
            found[f"{name} to target"] = (None, f"> {value:,.4g}{part}") if self.censored else (value, "")
        if self.speedups:
            found |= {title_of(name): (ratio, "" if ratio else "-") for name, ratio in self.ratios.items()}
        return found


@dataclass(frozen=True, kw_only=True)
class ConvergenceTable(Kind):
    """How soon configurations reach the best of a baseline, next to what is published of it."""

    published: str
    also: tuple[str, ...]  # further tables of published.csv that belong to it
    trained: Mapping[str, str]  # published system -> configuration
    datasets: Mapping[str, str]  # as published -> data sets here, those that there are
    speed_dataset: str  # on which the published speed-ups were measured, as published
    baseline: str
    rows: tuple[str, ...]  # configurations
    trained_on: tuple[str, ...]  # at the scales, the paper's first

    @property
    def made_of(self) -> str:
        return f"published numbers, and the convergence of {', '.join(self.rows)}"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        return convergence_records(self.rows, self.trained_on, study)

    def band_key(self, cell: Cell) -> tuple[str, str]:
        return cell.quantity, self.published

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        found = []
        for section, of_section in by_section(cells).items():
            if any(" / " in cell.row for cell in of_section):
                found += published_panels(section, of_section)
            for scale in dict.fromkeys(cell.scale for cell in of_section if section == REPRODUCED):
                here = [cell for cell in of_section if cell.scale == scale]
                found.append(by_row(f"{section}, {scale} scale", "Configuration", here, scale))
            if section in self.also:
                found.append(by_row(f"Published: {section.removeprefix(f'{self.published}-')}", "Row", of_section))
        return found

    def build(self, context: Context) -> Content:
        scales = read_scales(self.rows, self.trained_on, context)
        cells = self.published_cells(context.name, scales)
        pictures, remarks = list[Chart | Sheet](), list[str]()
        for scale, records in scales.items():
            lines = self.lines(records)
            cells += [cell for line in lines for cell in self.reproduced_cells(context.name, scale, line, records)]
            pictures += [self.chart(scale, metric, lines, records) for metric in dict.fromkeys(x.metric for x in lines)]
            every = next(iter(records.values()))[0].interval_kimg
            remarks.append(f"{scale.capitalize()} scale: every snapshot was measured, one per {every:g} kimg.")
        bands = band_notes((name, self.published) for name in ("fid", "speedup_images", "speedup_wallclock"))
        shown = {scale: [run for runs in records.values() for run in runs] for scale, records in scales.items()}
        return Content(cells=cells, pictures=pictures, remarks=remarks, notes=bands, records=shown)

    def lines(self, records: Records) -> list[Line]:
        """One line per metric and configuration, the soonest at the target first."""
        baselines = {run.seed: run for run in records.get(self.baseline, ())}
        found = []
        for metric in next(iter(records.values()))[0].metrics:
            lines = [
                Line(
                    config=config,
                    metric=metric,
                    best_kimg=fmean(best_kimg(run, metric) for run in runs),
                    speedups=[compare(run, baselines[run.seed], metric) for run in runs if run.seed in baselines],
                    is_baseline=config == self.baseline,
                )
                for config, runs in records.items()
            ]
            found += sorted(lines, key=lambda line: line.kimg)
        return found

    def published_cells(self, name: str, scales: Mapping[str, Records]) -> list[Cell]:
        """Published numbers; of systems that are trained here, at every scale with that data set."""
        found = []
        for (row, quantity), printed in read_published(self.published).items():
            method, _, dataset = row.partition(" / ")
            config, dataset = self.trained.get(method), self.datasets.get(dataset or self.speed_dataset, "")
            cell = Cell(table=name, section="Published", row=row, quantity=quantity).with_published(printed)
            if config and dataset and quantity in BANDS:
                found += self.compared(replace(cell, config=config), config, dataset, scales)
            else:
                found.append(cell)
        for extra in self.also:
            for (row, quantity), printed in read_published(extra).items():
                cell = Cell(table=name, section=extra, row=row, quantity=quantity)
                found.append(cell.with_published(printed))
        return found

    def compared(self, cell: Cell, config: str, dataset: str, scales: Mapping[str, Records]) -> list[Cell]:
        """The cell at every scale whose runs have the published data set and FID; not run if there is none."""
        against = Against(table=self.published, metric="fid", dataset=dataset)
        found = []
        for scale, records in scales.items():
            runs = {name: r for name, r in records.items() if r[0].dataset == dataset and "fid" in r[0].metrics}
            if config not in runs:
                continue
            best = measured(replace(cell, scale=scale), "fid", [best_of(run, "fid") for run in runs[config]], against)
            if cell.quantity == "fid":
                found.append(best)
            elif self.baseline in runs:
                line = next(line for line in self.lines(runs) if (line.config, line.metric) == (config, "fid"))
                found.append(judged_ratio(best, self.published, line.ratios[cell.quantity]))
        return found or [measured(cell, "fid", [], against)]

    def reproduced_cells(self, name: str, scale: str, line: Line, records: Records) -> list[Cell]:
        """A configuration's best, and what it took to reach the baseline's."""
        runs, metric = records[line.config], line.metric
        against = Against(table=self.published, metric=metric, dataset=runs[0].dataset)
        cell = Cell(table=name, section=REPRODUCED, row=name_of(line.config), quantity=f"best {metric}", scale=scale)
        best = measured(replace(cell, config=line.config), metric, [best_of(run, metric) for run in runs], against)
        others = [
            replace(
                best,
                quantity=f"{quantity}, {metric}",
                reproduced=value,
                text=text,
                metric="",
                spread=None,
                interval=None,
            )
            for quantity, (value, text) in line.quantities().items()
        ]
        return [best, *others]

    def chart(self, scale: str, metric: str, lines: Sequence[Line], records: Records) -> Chart:
        """The metric over images and over time, means over the seeds, with the baseline's best."""
        points: list[Row] = [
            {
                "row": name_of(config),
                "kimg": points[0].kimg,
                "train_seconds": fmean(point.train_seconds for point in points),
                "value": fmean(point.values[metric] for point in points),
            }
            for config, runs in records.items()
            for points in zip(*(run.points for run in runs), strict=False)
        ]
        title = find_metric(metric).title
        targets = [speedup.target for line in lines if line.metric == metric for speedup in line.speedups]
        best = "each seed's best, averaged," if len(records.get(self.baseline, ())) > 1 else "the best"
        return convergence(
            points,
            metric=title,
            target=fmean(targets) if targets else None,
            name=f"{scale}-{metric}",
            title=f"{title} during training",
            caption=f"{scale} scale, {seeds_in_words(records)}; dashed: {best} of {name_of(self.baseline)}",
        )


def seeds_in_words(records: Records) -> str:
    counts = sorted({len(runs) for runs in records.values()})
    return "single runs (n = 1)" if counts == [1] else f"means over n = {', '.join(map(str, counts))} seeds"


def mean_ratio(values: Sequence[float]) -> float:
    """The geometric mean; of one value that value, without rounding."""
    return geometric_mean(values) if len(values) > 1 else values[0]


def best_kimg(run: Convergence, metric: str) -> float:
    """When a run was at its best."""
    values = values_of(run, metric)
    return run.points[values.index(find_metric(metric).best(values))].kimg


def name_of(config: str) -> str:
    """The configuration's title, with a star where its training looks through ImageNet's features."""
    networks = CONFIGS[config].networks
    return CONFIGS[config].title + ("*" if getattr(networks, "leaks_imagenet", False) else "")


def convergence_records(rows: Iterable[str], trained_on: Iterable[str], study: Study) -> list[str]:
    """Convergence records of a study's runs of these configurations on these data sets."""
    rows, trained_on = set(rows), set(trained_on)
    return [
        run_id.convergence
        for run_id, run in study.converging.items()
        if run.config in rows and run.dataset in trained_on
    ]


def read_scales(
    rows: Iterable[str], trained_on: Iterable[str], context: Context
) -> dict[str, dict[str, list[Convergence]]]:
    """Convergence records of the configurations, by scale and configuration, in the order of the study."""
    rows, trained_on = set(rows), set(trained_on)
    found: dict[str, dict[str, list[Convergence]]] = {}
    for study in context.studies:
        for run_id, run in study.converging.items():
            if run.config in rows and run.dataset in trained_on and context.store.has(run_id.convergence):
                found.setdefault(study.scale, {}).setdefault(run.config, []).append(context.store.convergence(run_id))
    return found


def judged_ratio(cell: Cell, table: str, ratio: float | None) -> Cell:
    """The cell with a speed-up in the place of the FID; None where the target was not reached."""
    printed = float(cell.published or "")
    cell = replace(cell, reproduced=ratio, untrained=None, metric="", band=None)
    if cell.verdict == NOT_COMPARABLE:
        return cell
    if ratio is None:
        return replace(cell, text="target not reached").judged(Verdict(word=WORSE, reason="target not reached"))
    band = find_band(cell.quantity, table).around(printed)
    return cell.judged(judge_value(ratio, None, band, "higher", cell.n), band)


def published_panels(section: str, cells: Sequence[Cell]) -> list[Panel]:
    """Published FID by method and data set, then what else is published."""
    slots, others = [], []
    for cell in cells:
        method, _, dataset = cell.row.partition(" / ")
        if cell.quantity == "fid":
            slots.append((method, Slot(group=dataset, label="", side=BOTH, cell=cell)))
        else:
            others += [(f"{cell.row}: {cell.protocol}", slot) for slot in slots_of(cell, group="")]
    title = "FID at 256 px, the best snapshot within 10 million images (Pokemon: at 0.8 million)"
    return [panel(f"{section}: {title}", "Method", slots), panel(f"{section}: speed", "Quantity", others)]
