"""Verdicts: what may be said of a published number and ours. Nothing that was not measured gets one."""

Verdict = str
NOT_RUN: Verdict = "not run"
NOT_MEASURED: Verdict = "not measured"  # trained, but the metric was not asked for


def count_verdict(published_millions: str, counted: int) -> Verdict:
    """Say "exact" if the count, rounded to the printed digits, is what is printed."""
    digits = len(published_millions.partition(".")[2])
    return "exact" if f"{counted / 1e6:.{digits}f}" == published_millions else "differs"


def quality_verdict(scale: str, published_metric: str, our_metric: str) -> Verdict:
    """Whether our number may be set against the published one at all: other metric or scale, not comparable."""
    if scale != "paper":
        return f"not comparable: {scale} scale"
    return "not comparable: another metric" if our_metric != published_metric else "inconclusive"


def measured_verdict(scale: str, outcome: str, published: str) -> Verdict:
    """What a number measured at a scale says of the published one of the same quantity."""
    if scale == "released":
        return "measured on the authors' checkpoint"
    if scale != "paper":
        return f"not comparable: {scale} scale"
    if outcome == "Fail":
        return "fails as published" if published == "Fail" else "fails, published does not"
    return "published fails, ours does not" if published == "Fail" else "measured at the paper's scale"
