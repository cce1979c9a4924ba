"""METRICS: one entry a metric; features in, one number and its protocol out. Entries import torch when they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from r3gan.errors import unknown

if TYPE_CHECKING:
    from r3gan.metrics.features import Features


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number computed from the features of reals and of fakes."""

    title: str
    better: Literal["lower", "higher"]
    protocol: str
    compute: Callable[[Features, Features], float]
    floor: Callable[[int], float] | None = None  # what a perfect sampler is expected to score with n samples


def _digit_frechet(reals: Features, fakes: Features) -> float:
    from r3gan.metrics.frechet import frechet_distance, statistics

    return frechet_distance(statistics(reals.features), statistics(fakes.features))


def _modes(reals: Features, fakes: Features) -> float:
    from r3gan.metrics.modes import covered_modes

    return float(covered_modes(fakes.classes))


def _reverse_kl(reals: Features, fakes: Features) -> float:
    from r3gan.metrics.modes import reverse_kl

    return reverse_kl(fakes.classes)


_TRIPLES = "digit classifier on each channel; 1000 modes = triples of digits; among the samples drawn"
METRICS: Mapping[str, Metric] = {
    "digit-frechet": Metric(
        title="Frechet distance in digit-classifier features (not FID)",
        better="lower",
        protocol="last convolution of the pipeline's digit classifier averaged over positions, channels concatenated; "
        "all training reals against the samples; covariance over N - 1",
        compute=_digit_frechet,
    ),
    "modes": Metric(title="modes covered, of 1000", better="higher", protocol=_TRIPLES, compute=_modes),
    "kl": Metric(
        title="KL(generated || uniform over 1000 modes), nat",
        better="lower",
        protocol=_TRIPLES,
        compute=_reverse_kl,
        floor=lambda samples: 999 / (2 * samples),
    ),
}


def find_metric(name: str) -> Metric:
    """The entry of METRICS, or a UserError that lists them."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def describe(name: str) -> dict[str, Any]:
    """The entry as plain JSON values."""
    metric = find_metric(name)
    return {"title": metric.title, "better": metric.better, "protocol": metric.protocol}
