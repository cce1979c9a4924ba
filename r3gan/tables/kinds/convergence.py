"""How fast configurations converge: when each first reaches the baseline's best, in images and in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from r3gan.configs import CONFIGS
from r3gan.metrics import find_metric
from r3gan.records.schema import Convergence, Values
from r3gan.study import Study
from r3gan.tables.bands import BANDS, find_band
from r3gan.tables.cell import REPRODUCED, Cell
from r3gan.tables.charts import convergence
from r3gan.tables.crossing import Speedup, compare, values_of
from r3gan.tables.kind import Block, Content, Context, Kind
from r3gan.tables.markdown import band_notes, footer, grid, number
from r3gan.tables.measure import Against, best_of, measured
from r3gan.tables.panel import BOTH, Panel, Slot, by_row, by_section, panel, slots_of
from r3gan.tables.published import MARKS, read_published
from r3gan.tables.verdict import NOT_COMPARABLE, NOT_RUN, WORSE, Verdict, judge_value

Records = Mapping[str, Convergence]  # by configuration


@dataclass(frozen=True, kw_only=True)
class Line:
    """A configuration's best value of a metric, and when it first reached the baseline's best."""

    config: str
    metric: str
    best: float
    best_kimg: float
    speedup: Speedup | None  # None: the baseline has not been run
    is_baseline: bool

    @property
    def ratios(self) -> tuple[float | None, float | None]:
        """Speed-up in images and in time; None where the target was not reached or times are not comparable."""
        if self.speedup is None or self.is_baseline or not self.speedup.run.reached:
            return None, None
        return self.speedup.over("kimg"), self.speedup.over("train_seconds") if self.speedup.same_hardware else None

    def as_row(self, scale: str) -> Values:
        """A line of the CSV."""
        row: Values = {"scale": scale, "row": title_of(self.config), "config": self.config, "metric": self.metric}
        row |= {"best": self.best, "best_kimg": self.best_kimg}
        if self.speedup is not None:
            run = self.speedup.run
            row |= {"reached": run.reached, "kimg": run.kimg, "train_seconds": run.train_seconds}
            row |= {"total_seconds": run.total_seconds, "interval_kimg": run.interval_kimg}
            row |= dict(zip(("speedup_images", "speedup_train_time"), self.ratios, strict=True))
        return row | {"n": 1}

    def as_text(self) -> list[str]:
        """A line for people; what was not reached is "> N"."""
        crossing = ["-"] * 3
        if self.speedup is not None:
            run, more = self.speedup.run, "" if self.speedup.run.reached else "> "
            crossing = [f"{more}{number(value)}" for value in (run.kimg, run.train_seconds, run.total_seconds)]
        ratios = ["-" if ratio is None else f"{ratio:.3g}x" for ratio in self.ratios]
        return [title_of(self.config), number(self.best), number(self.best_kimg), *crossing, *ratios]


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
        return [each for section, found in by_section(cells).items() for each in section_panels(section, found)]

    def build(self, context: Context) -> Content:
        scales = read_scales(self.rows, self.trained_on, context)
        blocks: list[Block] = [self.published_text()]
        rows: list[Values] = []
        for scale, records in scales.items():
            lines = self.lines(records)
            rows += [line.as_row(scale) for line in lines]
            blocks += self.scale_blocks(scale, lines, records)
        if not scales:
            blocks.append(f"## Reproduced\n\n{NOT_RUN.capitalize()}.")
        bands = band_notes((name, self.published) for name in ("fid", "speedup_images", "speedup_wallclock"))
        return Content(cells=self.cells(context.name, scales), blocks=blocks, rows=rows, notes=bands)

    def lines(self, records: Records) -> list[Line]:
        """One line per configuration and metric."""
        baseline = records.get(self.baseline)
        found = []
        for metric in next(iter(records.values())).metrics:
            for config, record in records.items():
                values = values_of(record, metric)
                best = find_metric(metric).best(values)
                found.append(
                    Line(
                        config=config,
                        metric=metric,
                        best=best,
                        best_kimg=record.points[values.index(best)].kimg,
                        speedup=compare(record, baseline, metric) if baseline else None,
                        is_baseline=config == self.baseline,
                    )
                )
        return found

    def cells(self, name: str, scales: Mapping[str, Records]) -> list[Cell]:
        """Published numbers of systems that are trained here, at scales with that data set; then every scale's own."""
        found = []
        for (row, quantity), printed in read_published(self.published).items():
            method, _, dataset = row.partition(" / ")
            config, dataset = self.trained.get(method), self.datasets.get(dataset or self.speed_dataset, "")
            cell = Cell(table=name, section="Published", row=row, quantity=quantity).with_published(printed)
            if config and dataset and quantity in BANDS:
                found += self.published_cells(replace(cell, config=config), config, dataset, scales)
            else:
                found.append(cell)
        for scale, records in scales.items():
            found += self.reproduced_cells(name, scale, records)
        return found

    def published_cells(self, cell: Cell, config: str, dataset: str, scales: Mapping[str, Records]) -> list[Cell]:
        """The cell at every scale whose runs have the published data set and FID; not run if there is none."""
        against = Against(table=self.published, metric="fid", dataset=dataset)
        found = []
        for scale, records in scales.items():
            runs = {name: r for name, r in records.items() if r.dataset == dataset and "fid" in r.metrics}
            if config not in runs:
                continue
            best = measured(replace(cell, scale=scale), "fid", [best_of(runs[config], "fid")], against)
            if cell.quantity == "fid":
                found.append(best)
            elif self.baseline in runs:
                line = next(line for line in self.lines(runs) if (line.config, line.metric) == (config, "fid"))
                ratio = line.ratios[0 if cell.quantity == "speedup_images" else 1]
                found.append(judged_ratio(best, self.published, ratio))
        return found or [measured(cell, "fid", [], against)]

    def reproduced_cells(self, name: str, scale: str, records: Records) -> list[Cell]:
        """Each configuration's best, and how many kimg it took to the baseline's."""
        found = []
        for line in self.lines(records):
            record, metric = records[line.config], line.metric
            against = Against(table=self.published, metric=metric, dataset=record.dataset)
            cell = Cell(table=name, section=REPRODUCED, row=title_of(line.config), config=line.config, quantity="")
            cell = replace(cell, quantity=f"best {metric}", scale=scale)
            best = measured(cell, metric, [best_of(record, metric)], against)
            found.append(best)
            if line.speedup is not None:
                run = line.speedup.run
                reached, text = (run.kimg, "") if run.reached else (None, f"> {run.kimg:g}")
                quantity = f"kimg to target, {metric}"
                found.append(replace(best, quantity=quantity, reproduced=reached, text=text, metric=""))
        return found

    def scale_blocks(self, scale: str, lines: Sequence[Line], records: Records) -> list[Block]:
        """A scale's tables, one per metric with its chart, and where the numbers come from."""
        blocks: list[Block] = [f"## Reproduced, {scale} scale"]
        headers = ["Method", "Best", "at kimg", "kimg to target", "Training s", "With evaluation s"]
        headers += ["Speed-up, images", "Speed-up, time"]
        for metric in dict.fromkeys(line.metric for line in lines):
            found = [line for line in lines if line.metric == metric]
            found.sort(key=lambda line: line.speedup.run.kimg if line.speedup else 0.0)
            target = next((line.speedup.target for line in found if line.speedup), None)
            every = next(iter(records.values())).interval_kimg
            said = f"{find_metric(metric).title}; target {number(target)}, the best of {title_of(self.baseline)}"
            text = f"{said}, measured every {every:g} kimg."
            blocks.append(f"{text}\n\n" + grid([line.as_text() for line in found], headers, range(1, len(headers))))
            points = [
                {
                    "row": title_of(config),
                    "kimg": point.kimg,
                    "train_seconds": point.train_seconds,
                    "value": point.values[metric],
                }
                for config, record in records.items()
                for point in record.points
            ]
            chart = convergence(
                points,
                metric=find_metric(metric).title,
                target=target,
                name=f"{scale}-{metric}",
                title=f"{find_metric(metric).title} during training",
                caption=f"{scale} scale, single runs (n = 1); dashed: the best of {title_of(self.baseline)}",
            )
            blocks.append(chart)
        return [*blocks, footer([*records.values()])]

    def published_text(self) -> str:
        """The published numbers: FID of each system on each data set, and how fast the target was reached."""
        found = read_published(self.published)
        pairs = [(*row.partition(" / ")[::2], metric) for row, metric in found]
        methods = list(dict.fromkeys(method for method, _, _ in pairs))
        sets = list(dict.fromkeys(dataset for _, dataset, metric in pairs if metric == "fid"))
        rows = [[m, *(str(found.get((f"{m} / {d}", "fid"), "-")) for d in sets)] for m in methods]
        rows = [row for row in rows if set(row[1:]) != {"-"}]
        parts = [
            "## Published\n\nFID at 256 px, the best snapshot within 10 million images (Pokemon: at 0.8 million).",
            grid(rows, ["Method", *sets], right=range(1, len(sets) + 1)),
        ]
        speeds = [
            [row, p.protocol, f"{p.text} {p.unit}", MARKS[p.status].strip(" ()") or "paper"]
            for (row, metric), p in found.items()
            if metric != "fid"
        ]
        parts.append(grid(speeds, ["System", "Quantity", "Published", "Source"], right=(2,)))
        for extra in self.also:
            lines = [[row, p.protocol, str(p)] for (row, _), p in read_published(extra).items()]
            value = "FID, relative" if extra.endswith("-ablation") else "FID"
            parts.append(f"### {extra.removeprefix(self.published + '-').capitalize()}")
            parts.append(grid(lines, ["Row", "Protocol", value], right=(2,)))
        return "\n\n".join(parts)


def title_of(config: str) -> str:
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


def read_scales(rows: Iterable[str], trained_on: Iterable[str], context: Context) -> dict[str, dict[str, Convergence]]:
    """Convergence records of the configurations, by scale and configuration, in the order of the study."""
    rows, trained_on = set(rows), set(trained_on)
    found: dict[str, dict[str, Convergence]] = {}
    for study in context.studies:
        for run_id, run in study.converging.items():
            if run.config in rows and run.dataset in trained_on and context.store.has(run_id.convergence):
                found.setdefault(study.scale, {})[run.config] = context.store.convergence(run_id)
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
    return cell.judged(judge_value(ratio, None, band, "higher"), band)


def section_panels(section: str, cells: Sequence[Cell]) -> list[Panel]:
    """Published FID by method and data set, then what else is published; reproduced ones as elsewhere."""
    if not any(" / " in cell.row for cell in cells):
        return [by_row(section, "Configuration", cells)]
    slots, others = [], []
    for cell in cells:
        method, _, dataset = cell.row.partition(" / ")
        if cell.quantity == "fid":
            slots.append((method, Slot(group=dataset, label="", side=BOTH, cell=cell)))
        else:
            others += [(f"{cell.row}: {cell.protocol}", slot) for slot in slots_of(cell, group="")]
    return [panel(f"{section}: FID", "Method", slots), panel(f"{section}: speed", "Quantity", others)]
