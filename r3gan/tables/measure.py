"""From records to cells: one value for the runs of a row, and whether it is comparable with the published one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from msgspec.structs import replace

from r3gan.configs import CONFIGS, find_config
from r3gan.metrics import METRICS, find_metric
from r3gan.records.schema import Convergence, Evaluation, Protocol
from r3gan.tables.bands import PUBLISHED_SAMPLES, find_band
from r3gan.tables.cell import Cell
from r3gan.tables.intervals import interval_of
from r3gan.tables.verdict import (
    BETTER,
    NOT_COMPARABLE,
    NOT_MEASURED,
    NOT_RUN,
    Verdict,
    judge_count,
    judge_failure,
    judge_value,
)

COUNTED = ("g_params", "d_params")


@dataclass(frozen=True, kw_only=True)
class Against:
    """Under which conditions a published number was taken; a reproduced one is judged if it was taken alike."""

    table: str  # of published.csv, whose band counts
    metric: str
    dataset: str


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one run's record says of one metric."""

    record: Evaluation | Convergence
    file: str  # below results/
    protocol: Protocol | None  # None: not measured
    value: float | None = None
    untrained: float | None = None
    draws: int = 0
    weights: str = ""

    @property
    def failed(self) -> bool:
        return self.record.outcome == "Fail"


def evaluated(record: Evaluation, metric: str) -> Observation:
    """A metric of an evaluation."""
    found = record.metrics.get(metric)
    return Observation(
        record=record,
        file=f"{record.run}/metrics.json",
        protocol=found,
        value=found.value if found else None,
        untrained=found.untrained if found else None,
        draws=len(found.draws) if found else 0,
        weights=record.generator_sha256[:12],
    )


def best_of(record: Convergence, metric: str) -> Observation:
    """The best of a metric among the snapshots of a run."""
    value = find_metric(metric).best([point.values[metric] for point in record.points])
    return Observation(
        record=record, file=f"{record.run}/convergence.json", protocol=record.metrics[metric], value=value
    )


def counted(cell: Cell, config: str, dataset: str) -> Cell:
    """The cell with G's or D's parameters, counted at the data set's size."""
    from r3gan.configs.counts import count_parameters

    count = count_parameters(CONFIGS[config], dataset)[cell.quantity]
    cell = replace(cell, config=config, reproduced=count, n=1, outcome="counted")
    return cell if cell.published is None else cell.judged(judge_count(cell.published, count))


def measured(cell: Cell, metric: str, found: Sequence[Observation], against: Against) -> Cell:
    """The cell with a metric's mean over the runs of one row at one scale, one observation per training seed."""
    if not found:
        return replace(cell, outcome=NOT_RUN).judged(Verdict(word=NOT_RUN))
    known = [each for each in found if each.value is not None]
    values = [each.value for each in known if each.value is not None]
    untrained = [each.untrained for each in known if each.untrained is not None]
    failed = sum(each.failed for each in found)
    cell = replace(
        cell,
        reproduced=fmean(values) if values else None,
        spread=stdev(values) if len(values) > 1 else None,
        interval=interval_of(metric, values),
        draws=known[0].draws if known else 0,
        untrained=fmean(untrained) if untrained else None,
        n=len(values) or failed,
        seeds=tuple(each.record.seed for each in found),
        outcome="Fail" if failed else "trained" if values else NOT_MEASURED,
        metric=metric,
        conditions=conditions(known[0] if known else found[0]),
        devices=tuple(sorted({each.record.training.provenance.device.name for each in found})),
        weights=tuple(each.weights for each in found if each.weights),
        records=tuple(each.file for each in found),
    )
    if cell.outcome == NOT_MEASURED:
        return cell.judged(Verdict(word=NOT_MEASURED))
    if cell.published is None:
        return cell
    if hindrance := next(filter(None, (obstacle(each, metric, against) for each in found)), ""):
        return cell.judged(Verdict(word=NOT_COMPARABLE, reason=hindrance))
    return set_against(cell, metric, failed, against, found[0].record.is_released)


def conditions(observation: Observation) -> str:
    """The data, the length of training and the protocol, in words."""
    record, protocol = observation.record, observation.protocol
    recipe = record.training.recipe
    words = [f"{record.data.dataset} {record.data.sha256[:12]}"]
    if not record.is_released:
        words.append(f"{recipe.total_kimg:g} kimg at batch {recipe.batch}")
    if protocol is not None:
        words.append(f"{protocol.n_fake:,} samples, {protocol.protocol}")
    return ", ".join(words)


def set_against(cell: Cell, metric: str, failed: int, against: Against, released: bool) -> Cell:
    """The verdict on a comparable cell."""
    assert cell.published is not None
    published_fails = cell.published == "Fail"
    if failed:
        return cell.judged(judge_failure(published_fails, failed, len(cell.seeds)))
    if published_fails:
        return cell.judged(Verdict(word=BETTER, reason="published fails, reproduced does not"))
    assert cell.reproduced is not None
    band = find_band(against.metric, against.table).around(float(cell.published))
    verdict = judge_value(cell.reproduced, cell.interval, band, METRICS[metric].better, cell.n)
    if released:
        reason = f"the authors' checkpoint{', ' + verdict.reason if verdict.reason else ''}"
        verdict = Verdict(word=verdict.word, reason=reason)
    return cell.judged(verdict, band)


def obstacle(observation: Observation, metric: str, against: Against) -> str:
    """Why an observation cannot be compared with a published number; empty if it can."""
    record = observation.record
    if metric != against.metric:
        return "another metric"
    if record.dataset != against.dataset:
        return "another data set"
    if not record.is_released:
        planned = record.training.recipe.total_kimg
        budget = find_config(record.config).recipe(against.dataset).total_kimg
        if planned < 0.99 * budget:
            return f"{planned:,g} of {budget:,g} kimg"
    samples, needed = observation.protocol.n_fake if observation.protocol else None, PUBLISHED_SAMPLES[metric]
    return "" if samples is None or samples >= needed else f"{samples:,} of {needed:,} samples"


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rho; None below three pairs, where every order correlates, and where one side is all equal."""
    if len(pairs) < 3 or any(len(set(side)) == 1 for side in zip(*pairs, strict=True)):
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(*zip(*pairs, strict=True)).statistic)
