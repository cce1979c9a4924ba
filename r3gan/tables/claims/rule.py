"""The rule of decision, fixed before the runs: paired differences over training seeds in, a verdict out.

An effect is positive where it goes as published. A verdict needs LEAST_SEEDS, an interval that excludes no effect, and
a p-value that stays below 5% after Holm's correction over the claims of its family. Nothing here raises a verdict: what
is missing, censored or without spread can only leave a claim undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from r3gan.tables.verdict import CONTRADICTED, LEAST_SEEDS, SUPPORTED, UNDECIDED, Interval

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

LEVEL = 0.05
POWER = 0.8  # at which the number of seeds that would decide is computed
MOST_SEEDS = 1000
ROUNDING = 1e-9  # relative; differences that are no further apart have no spread


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict with what it rests on; `needed` is how many seeds would decide, None where no number would."""

    word: str
    n: int
    effect: float | None = None
    interval: Interval | None = None
    bound: float = 0.0  # that the effect lies beyond or within, where it is decided
    differences: tuple[float, ...] = ()
    p: float = 1.0  # two-sided, before Holm's correction
    needed: int | None = None
    reason: str = ""


def paired(differences: NDArray[float64]) -> tuple[NDArray[float64], ...]:
    """Mean, 95% t-interval (low, high) and two-sided p-value of each row of [claims, seeds]; p = 1 without spread."""
    import numpy as np
    from scipy.stats import t

    n = differences.shape[1]
    mean = differences.mean(axis=1)
    # Of equal values the standard deviation may come out as rounding instead of zero.
    spreads = np.ptp(differences, axis=1) > ROUNDING * np.abs(differences).max(axis=1)
    error = np.where(spreads, differences.std(axis=1, ddof=1) / sqrt(n), 0.0)
    half = t.ppf(1 - LEVEL / 2, n - 1) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(spreads, 2 * t.sf(np.abs(mean) / error, n - 1), 1.0)
    return mean, mean - half, mean + half, p


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: at most 5% of families have any false one below 5%."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(1.0, largest)
    return adjusted


def verdict_of(effect: float, adjusted_p: float) -> str:
    """The word for an effect whose adjusted p-value is known."""
    return UNDECIDED if adjusted_p >= LEVEL else SUPPORTED if effect > 0 else CONTRADICTED


def decide_effect(
    differences: Sequence[float], censored: int = 0, margin: float | None = None, or_better: bool = False
) -> Decision:
    """The decision on one claim before Holm's correction; `censored` of the differences are only upper bounds.

    With a margin the claim is that there is no effect beyond it: supported where the whole interval lies within it, or
    with `or_better` where it lies above its lower end.
    """
    n = len(differences)
    if n < LEAST_SEEDS or not all(map(isfinite, differences)):
        return Decision(word=UNDECIDED, n=n, needed=LEAST_SEEDS, reason=f"n = {n}, at least {LEAST_SEEDS} are needed")
    mean, low, high, p = compared_with(differences, 0.0)
    found = Decision(
        word=verdict_of(mean, p), n=n, effect=mean, interval=(low, high), p=p,
        differences=tuple(differences), needed=seeds_needed(mean, spread_of(differences)),
    )  # fmt: skip
    if margin is not None:
        return with_margin(found, margin, or_better)
    if censored and found.word == SUPPORTED:
        return replace(found, word=UNDECIDED, p=1.0, needed=None, reason=f"{censored} of {n} runs are censored")
    return found


def compared_with(differences: Sequence[float], bound: float) -> tuple[float, ...]:
    """How far the mean lies above a bound, the ends of its 95% t-interval, and the two-sided p-value, of one claim."""
    import numpy as np

    return tuple(float(values[0]) for values in paired(np.array([differences]) - bound))


def with_margin(found: Decision, margin: float, or_better: bool) -> Decision:
    """The decision on no effect beyond the margin; the p-value is that of the bound which the interval excludes."""
    mean, low, high, _ = compared_with(found.differences, 0.0)
    above, *_, lower = compared_with(found.differences, -margin)
    below, *_, upper = compared_with(found.differences, margin)
    spread = spread_of(found.differences)
    bound, room = (-margin, above) if or_better or mean < 0 else (margin, below)
    found = replace(found, bound=bound, needed=seeds_needed(room, spread), word=UNDECIDED, p=1.0)
    if spread > 0 and high < -margin:
        return replace(found, word=CONTRADICTED, p=lower)
    if spread > 0 and -margin < low and (or_better or high < margin):
        return replace(found, word=SUPPORTED, p=lower if or_better else max(lower, upper))
    return found


def corrected(found: Sequence[Decision]) -> list[Decision]:
    """The decisions of one family after Holm's correction over those that have an interval.

    What it leaves open needs the seeds that would decide at the least level of the correction.
    """
    compared = [i for i, decision in enumerate(found) if decision.interval is not None]
    after = list(found)
    for i, p in zip(compared, holm([found[i].p for i in compared]), strict=True):
        decision = found[i]
        if decision.word != UNDECIDED and p >= LEVEL:
            decision = replace(decision, word=UNDECIDED, reason=decision.reason or f"p = {p:.2g} by Holm's correction")
        if decision.word == UNDECIDED and decision.needed is not None and decision.effect is not None:
            room = decision.effect - decision.bound
            needed = seeds_needed(room, spread_of(decision.differences), LEVEL / len(compared))
            decision = replace(decision, needed=needed)
        after[i] = decision
    return after


def decide_rates(fail: Mapping[str, Sequence[bool]], sound: Mapping[str, Sequence[bool]]) -> Decision:
    """The claim that runs of every group of `fail` mostly fail and runs of `sound`, if it has groups, mostly do not.

    Supported where the rate is above a half in every group of the one and below it in every group of the other;
    contradicted where that of all runs of a side together is on the wrong side. The effect is the difference of rates,
    to a half where nothing is named that is sound.
    """
    failing, others = ([run for group in side.values() for run in group] for side in (fail, sound))
    n = min(len(runs) for runs in (failing, others if sound else failing))
    if n < LEAST_SEEDS:
        return Decision(word=UNDECIDED, n=n, needed=LEAST_SEEDS, reason=f"n = {n}, at least {LEAST_SEEDS} are needed")
    holds = all(mostly(runs) == 1 for runs in fail.values()) and all(mostly(runs) == -1 for runs in sound.values())
    wrong = mostly(failing) == -1 or mostly(others) == 1
    word = SUPPORTED if holds else CONTRADICTED if wrong else UNDECIDED
    (low, high), rate = wilson(failing), sum(failing) / len(failing)
    (other_low, other_high), other = (wilson(others), sum(others) / len(others)) if sound else ((0.5, 0.5), 0.5)
    said = f"{sum(failing)} of {len(failing)} runs fail"
    return Decision(
        word=word, n=n, effect=rate - other, interval=(low - other_high, high - other_low), p=0.0,
        reason=f"{said}, of the others {sum(others)} of {len(others)}" if sound else said,
    )  # fmt: skip


def mostly(failed: Sequence[bool]) -> int:
    """1 where a failure rate is above a half, -1 below, 0 undecided: by Wilson's interval and the exact test, both.

    The interval alone is too short for some numbers of runs (6.4% false verdicts at 24).
    """
    from scipy.stats import binomtest

    if not failed or binomtest(sum(failed), len(failed)).pvalue >= LEVEL:
        return 0
    low, high = wilson(failed)
    return 1 if low > 0.5 else -1 if high < 0.5 else 0


def wilson(failed: Sequence[bool]) -> Interval:
    """Wilson's 95% interval of a failure rate."""
    from scipy.stats import binomtest

    interval = binomtest(sum(failed), len(failed)).proportion_ci(1 - LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(differences: Sequence[float]) -> Interval | None:
    """95% percentile interval of the mean over resampled seeds, with a fixed seed; None without spread."""
    if len(set(differences)) <= 1:
        return None
    from scipy.stats import bootstrap as resample

    found = resample((differences,), lambda x, axis: x.mean(axis=axis), method="percentile", n_resamples=2000, rng=0)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def spread_of(differences: Sequence[float]) -> float:
    """The standard deviation; 0 where differences are no further apart than rounding."""
    import numpy as np

    if not differences:
        return 0.0
    apart = np.ptp(differences) > ROUNDING * max(map(abs, differences))
    return float(np.std(differences, ddof=1)) if apart else 0.0


def seeds_needed(effect: float, spread: float, level: float = LEVEL) -> int | None:
    """The least number of seeds with which an effect of this size and spread is found at 80% power; None above 1000."""
    if spread <= 0 or effect == 0:
        return None
    smallest = abs(effect) / spread  # that is found with n seeds, in units of the spread
    return next((n for n, found in enumerate(found_with(level), LEAST_SEEDS) if found <= smallest), None)


@cache
def found_with(level: float) -> tuple[float, ...]:
    """The effect over its spread that LEAST_SEEDS, LEAST_SEEDS + 1, ... seeds find at 80% power."""
    import numpy as np
    from scipy.stats import t

    n = np.arange(LEAST_SEEDS, MOST_SEEDS + 1)
    return tuple(((t.ppf(1 - level / 2, n - 1) + t.ppf(POWER, n - 1)) / np.sqrt(n)).tolist())
