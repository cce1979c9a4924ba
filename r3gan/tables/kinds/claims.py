"""Which of the papers' claims hold: published evidence, effect with its interval, and a verdict by the rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import ClassVar

import msgspec

from r3gan.records.run_id import RunId
from r3gan.records.schema import Benchmark, Convergence, Evaluation
from r3gan.study import Study, StudyRun
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart
from r3gan.tables.claims.evidence import RATE, Found, ScaleRecords
from r3gan.tables.claims.registry import CLAIMS, Claim
from r3gan.tables.claims.rule import MOST_SEEDS, bootstrap, corrected, spread_of
from r3gan.tables.forest import forest
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.panel import PUBLISHED, REPRODUCED, VERDICT, Panel, Slot, by_section, panel
from r3gan.tables.verdict import CONTRADICTED, LEAST_SEEDS, NOT_TESTED, SUPPORTED, UNDECIDED, Verdict

COLUMNS = {"verdict": VERDICT, "as published": PUBLISHED, "effect": REPRODUCED}


@dataclass(frozen=True, kw_only=True)
class ClaimTable(Kind):
    """One line per claim; it is made of the runs that a study repeats with several seeds."""

    corner: ClassVar[str] = "Claim"
    draws_every_scale: ClassVar[bool] = True  # other claims are tested at each

    @property
    def made_of(self) -> str:
        return f"the {len(CLAIMS)} entries of CLAIMS and runs with several seeds"

    def records(self, study: Study, released: Sequence[str] = ()) -> list[str]:
        evaluated = [run_id.metrics for run_id, run in repeated(study.evaluated)]
        converging = [run_id.convergence for run_id, _ in repeated(study.converging)]
        return [*evaluated, *converging, *repeated_toys(study)]

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        found = []
        for section, of_paper in by_section(cells).items():
            slots = [
                (claim_at(cell), Slot(group="", label=label, side=side, cell=cell))
                for label, side in COLUMNS.items()
                for cell in of_paper
            ]
            found.append(panel(section, self.corner, slots))
        return found

    def build(self, context: Context) -> Content:
        scales = [records for study in context.studies if (records := read_scale(context, study))]
        cells = [*computed_cells(context.name)]
        for records in scales:
            cells += scale_cells(context.name, records)
        known = {cell.quantity for cell in cells}
        cells += [not_tested(context.name, name, claim) for name, claim in CLAIMS.items() if name not in known]
        order = list(CLAIMS)
        cells.sort(key=lambda cell: order.index(cell.quantity))
        charts = [effects(records.scale, [c for c in cells if c.scale == records.scale]) for records in scales]
        return Content(
            cells=cells, pictures=charts, remarks=[summary(cells)],
            records={records.scale: every_record(records) for records in scales},
        )  # fmt: skip


def claim_at(cell: Cell) -> str:
    """The claim and the scale of its evidence, if it has any: a claim has a line for each."""
    return f"{cell.row} ({cell.scale} scale)" if cell.scale else cell.row


def repeated(runs: Mapping[RunId, StudyRun]) -> Iterator[tuple[RunId, StudyRun]]:
    """The runs whose configuration and data set occur with several seeds."""
    arms = [(run.config, run.dataset) for run in runs.values()]
    return ((run_id, run) for run_id, run in runs.items() if arms.count((run.config, run.dataset)) > 1)


def repeated_toys(study: Study) -> list[str]:
    """The record of the study's toys, if they have several seeds."""
    return study.toy_records if len((study.toys or {}).get("seeds", ())) > 1 else []


def read_scale(context: Context, study: Study) -> ScaleRecords | None:
    """The records that there are of a study's repeated runs; None without any."""
    store = context.store
    evaluations: dict[str, dict[int, Evaluation]] = {}
    convergences: dict[str, dict[int, Convergence]] = {}
    for run_id, run in repeated(study.evaluated):
        if store.has(run_id.metrics):
            evaluations.setdefault(run.config, {})[run.seed] = store.evaluation(run_id)
    for run_id, run in repeated(study.converging):
        if store.has(run_id.convergence):
            convergences.setdefault(run.config, {})[run.seed] = store.convergence(run_id)
    toys = next((store.toys(file) for file in repeated_toys(study) if store.has(file)), None)
    if not (evaluations or convergences or toys):
        return None
    return ScaleRecords(
        scale=study.scale, results=store.results, evaluations=evaluations, convergences=convergences, toys=toys
    )


def every_record(records: ScaleRecords) -> list[Evaluation | Convergence | Benchmark]:
    ends = [run for found in records.evaluations.values() for run in found.values()]
    curves = [run for found in records.convergences.values() for run in found.values()]
    return [*ends, *curves, *([records.toys] if records.toys else [])]


def scale_cells(table: str, records: ScaleRecords) -> Iterator[Cell]:
    """The claims that a scale's records say something of, each family corrected by itself."""
    found = {name: result for name, claim in CLAIMS.items() if (result := claim.test.of(records)) is not None}
    for family in dict.fromkeys(CLAIMS[name].corrected_with for name in found):
        names = [name for name in found if CLAIMS[name].corrected_with == family]
        for name, decision in zip(names, corrected([found[name].decision for name in names]), strict=True):
            yield cell_of(table, name, CLAIMS[name], found[name].with_decision(decision), records.scale)


def computed_cells(table: str) -> Iterator[Cell]:
    for name, claim in CLAIMS.items():
        if (found := claim.test.by_computation()) is not None:
            yield cell_of(table, name, claim, found, "")


def blank(table: str, name: str, claim: Claim) -> Cell:
    return Cell(
        table=table, section=claim.paper, row=claim.statement, quantity=name, published=claim.published,
        source=f"{claim.paper}, {claim.where}", status="paper", conditions=claim.test.arms,
    )  # fmt: skip


def not_tested(table: str, name: str, claim: Claim) -> Cell:
    cell = msgspec.structs.replace(blank(table, name, claim), outcome=NOT_TESTED)
    return cell.judged(Verdict(word=NOT_TESTED))


def cell_of(table: str, name: str, claim: Claim, found: Found, scale: str) -> Cell:
    """What a scale's records say of a claim, word for word as the rule decided."""
    decision = found.decision
    where = "" if scale == claim.own_scale else "at a smaller scale, with its networks and data"
    reasons = [decision.reason, found.note, decides_in_words(found) if decision.word == UNDECIDED else "", where]
    about = [claim.test.arms, found.metric]
    if resampled := bootstrap(decision.differences):
        about.append(f"bootstrap interval of the effect {resampled[0]:.3g} to {resampled[1]:.3g}")
    cell = msgspec.structs.replace(
        blank(table, name, claim), scale=scale, reproduced=decision.effect, text=found.effect_in_words,
        interval=decision.interval, n=decision.n, seeds=found.seeds, outcome="trained" if scale else "computed",
        conditions="; ".join(about), records=found.files,
    )  # fmt: skip
    return cell.judged(Verdict(word=decision.word, reason="; ".join(filter(None, reasons))))


def decides_in_words(found: Found) -> str:
    """How many seeds would decide, and what the missing ones cost."""
    decision = found.decision
    if decision.needed is None:
        too_many = not decision.reason and spread_of(decision.differences) > 0
        return f"more than {MOST_SEEDS:,} seeds would be needed" if too_many else ""
    if decision.needed <= decision.n:
        return ""
    hours = (decision.needed - decision.n) * found.seconds / 3600
    cost = f", {float(f'{hours:.2g}'):g} more hours of training at this speed" if hours else ""
    return f"{decision.needed} seeds would decide{cost}"


def summary(cells: Sequence[Cell]) -> str:
    """The outcome in a sentence: of each claim the verdict at the scale that says most."""
    order = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTED)
    best = {name: min((c.verdict for c in cells if c.quantity == name), key=order.index) for name in CLAIMS}
    counts = {word: sum(verdict == word for verdict in best.values()) for word in order}
    said = ", ".join(f"{n} {word}" for word, n in counts.items())
    return f"Of {len(CLAIMS)} claims: {said}. A verdict needs at least {LEAST_SEEDS} training seeds."


def effects(scale: str, cells: Sequence[Cell]) -> Chart:
    """The effects of a scale's claims: ratios, and differences in other units."""
    shown = [cell for cell in cells if cell.interval is not None]
    rows = [effect_row(cell) for cell in shown if not cell.text.endswith(RATE)]  # judged against a half, not zero
    about = "ratios of distances, KL or gradient norms, and differences; dashed: no effect"
    caption = f"{scale} scale, means over paired seeds with 95% intervals: {about}"
    return forest(rows, name=f"{scale}-effects", title="Effects of the claims", caption=caption)


def effect_row(cell: Cell) -> Row:
    """A claim's effect and interval as a chart shows them; a ratio's logarithm as the ratio."""
    assert cell.reproduced is not None
    assert cell.interval is not None
    is_ratio = cell.text.startswith("x ")
    effect, low, high = map(exp if is_ratio else float, (cell.reproduced, *cell.interval))
    unit = "Ratio" if is_ratio else f"Difference ({cell.text.rpartition('] ')[2]})"
    return {
        "row": CLAIMS[cell.quantity].title, "effect": effect, "low": low, "high": high, "none": float(is_ratio),
        "unit": unit, "verdict": cell.verdict,
    }  # fmt: skip
