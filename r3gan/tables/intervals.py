"""95% intervals over training seeds, by what is known of a quantity: how it scatters, and its range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from statistics import fmean, stdev

from r3gan.tables.verdict import Interval


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """How a quantity differs from seed to seed, and between which values it can lie."""

    by_factor: bool = False  # positive, and by a factor: the interval is that of the mean logarithm
    least: float = -inf
    most: float = inf


_DISTANCE = Scatter(by_factor=True, least=0.0)
_SHARE = Scatter(least=0.0, most=1.0)
# By metric, and by quantity of the toys. Not in METRICS, whose entries are part of what an evaluation depends on.
INTERVALS: Mapping[str, Scatter] = {
    **dict.fromkeys(("fid", "fid-clean", "fid-pytorch", "digit-frechet"), _DISTANCE),
    **dict.fromkeys(("lite1-frechet", "lite1-frechet-64px", "kl", "distance", "grad_norm_fake"), _DISTANCE),
    **dict.fromkeys(("precision", "recall", "lite1-precision", "lite1-recall", "coverage", "on_data"), _SHARE),
    **dict.fromkeys(("kid", "lite1-kid"), Scatter()),  # unbiased, so that it can be negative
    "modes": Scatter(least=0.0, most=1000.0),
    "inception-score": Scatter(least=1.0),
}


def interval_of(quantity: str, values: Sequence[float]) -> Interval | None:
    """The 95% interval over training seeds; None for fewer than two values, or where they are all equal."""
    scatter = INTERVALS.get(quantity, Scatter())
    if scatter.by_factor and all(value > 0 for value in values):
        of_logs = t_interval([log(value) for value in values])
        return of_logs and (exp(of_logs[0]), exp(of_logs[1]))
    interval = t_interval(values)
    return interval and (max(scatter.least, interval[0]), min(scatter.most, interval[1]))


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Student's interval of the mean of independent values; None for fewer than two, or where they are all equal."""
    if len(values) < 2 or stdev(values) == 0:
        return None
    from scipy.stats import t

    low, high = t.interval(confidence, len(values) - 1, loc=fmean(values), scale=stdev(values) / len(values) ** 0.5)
    return float(low), float(high)


def interval_notes(quantities: Iterable[str]) -> list[str]:
    """What the intervals of these quantities are, as lines of a table's notes."""
    named = [name for name in dict.fromkeys(quantities) if name in INTERVALS]
    by_factor = [name for name in named if INTERVALS[name].by_factor]
    limited = [name for name in named if not INTERVALS[name].by_factor]
    said = "In brackets: 95% t-interval over training seeds, of the mean"
    lines = {
        f"{said} logarithm (about the geometric mean) for {', '.join(by_factor)}: they scatter by a factor.": by_factor,
        f"{said} for {', '.join(limited)}, cut off at the ends of the quantity's range.": limited,
    }
    return [line for line, names in lines.items() if names]
