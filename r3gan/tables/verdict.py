"""Verdicts on a published number and a reproduced one; what was not measured gets none that sounds like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REPRODUCED = "reproduced"
BETTER = "better"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
NOT_COMPARABLE = "not comparable"
NOT_RUN = "not run"
NOT_MEASURED = "not measured"  # trained, but the metric was not asked for
EXACT = "exact"  # of what has no uncertainty: counts, hyperparameters, proofs
DIFFERS = "differs"
# Of a claim, by the rule in claims/rule.py.
SUPPORTED = "supported"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"
NOT_TESTED = "not tested"
CONSISTENT = "consistent (n = 1)"
# Every verdict with what it means, in the order in which a reader wants to see them.
VERDICTS = {
    SUPPORTED: "a claim: the 95% interval over at least 3 seeds excludes no effect, on the published side",
    CONTRADICTED: "a claim: the 95% interval over at least 3 seeds excludes no effect, against the published side",
    UNDECIDED: "a claim: the interval includes no effect; the reason says how many seeds would decide",
    NOT_TESTED: "a claim for which nothing has been run yet",
    WORSE: "outside the band, on the bad side, with the whole 95% interval (a single run: with its value)",
    DIFFERS: "a count, a hyperparameter or a proof's statement that is not as published",
    BETTER: "outside the band, on the good side: worth a second look too",
    INCONCLUSIVE: "the 95% interval over the seeds reaches over an edge of the band, or there are only two seeds",
    REPRODUCED: "inside the band with the whole 95% interval of at least 3 seeds",
    CONSISTENT: "a single run inside the band: no evidence against the published number, and not yet a reproduction",
    EXACT: "a count, a hyperparameter or a proof's statement as published, at every printed digit",
    NOT_COMPARABLE: "measured under other conditions than the published number; the reason says which",
    NOT_MEASURED: "trained, but this metric was not asked for",
    NOT_RUN: "nobody has run it in this tree yet",
}
REGRESSIONS = (WORSE, DIFFERS)
JUDGED = (REPRODUCED, CONSISTENT, BETTER, WORSE, INCONCLUSIVE)
OF_CLAIMS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTED)
LEAST_SEEDS = 3  # with fewer nothing is reproduced and no claim is decided
MISSING = (NOT_MEASURED, NOT_RUN)
Better = Literal["lower", "higher"]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A word of VERDICTS, and what a reader should know with it."""

    word: str
    reason: str = ""


def judge_count(published_millions: str, counted: int) -> Verdict:
    """Exact if the count, rounded to the printed digits, is what is printed."""
    digits = len(published_millions.partition(".")[2])
    return Verdict(word=EXACT if f"{counted / 1e6:.{digits}f}" == published_millions else DIFFERS)


def judge_failure(published_fails: bool, failed: int, runs: int) -> Verdict:
    """What it says that `failed` of `runs` runs diverged, where published ones did or did not; failed is not 0."""
    if failed < runs:
        return Verdict(word=INCONCLUSIVE, reason=f"{failed} of {runs} runs fail")
    if published_fails:
        return inside(runs, "fails as published")
    return Verdict(word=WORSE, reason="fails, published does not")


def inside(n: int, reason: str = "") -> Verdict:
    """What so many seeds inside the band say."""
    if 1 < n < LEAST_SEEDS:
        return Verdict(word=INCONCLUSIVE, reason=f"{n} seeds, {LEAST_SEEDS} are needed")
    return Verdict(word=REPRODUCED if n >= LEAST_SEEDS else CONSISTENT, reason=reason)


def judge_value(value: float, interval: Interval | None, band: Interval, better: Better, n: int) -> Verdict:
    """Where the mean of n seeds and its interval (None: a single run, or no spread) lie relative to the band."""
    low, high = interval or (value, value)
    reason = "single run" if n == 1 else ""
    if band[0] <= low and high <= band[1]:
        return inside(n)
    if low <= band[1] and high >= band[0]:
        return Verdict(word=INCONCLUSIVE, reason="the interval reaches over the band's edge")
    return Verdict(word=BETTER if (high < band[0]) == (better == "lower") else WORSE, reason=reason)
