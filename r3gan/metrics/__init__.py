"""METRICS: one entry per metric; features of reals and fakes in, a number out. torch is imported when needed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from r3gan.errors import UserError, unknown
from r3gan.metrics.extractors import find_extractor

if TYPE_CHECKING:
    from r3gan.metrics.samples import Sample


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number computed from one feature network's outputs for reals and for fakes."""

    title: str
    better: Literal["lower", "higher"]
    protocol: str
    extractor: str  # an entry of EXTRACTORS
    output: str = "features"  # which of the network's outputs
    reals: Literal["none", "statistics", "features"]  # what is needed of them: mean and covariance, or all features
    compute: Callable[[Sample, Sample], float]
    floor: Callable[[int], float] | None = None  # what a perfect sampler is expected to score with n samples
    least: int = 1  # images of either side that it is defined for

    def score(self, reals: Sample, fakes: Sample) -> float:
        """The metric of two samples; UserError where one has too few images."""
        for side, sample in (("real", reals), ("fake", fakes)):
            if side == "fake" or (self.reals != "none" and sample.count):  # 0: statistics that do not say of how many
                self.check(side, sample.count)
        if self.reals == "statistics":
            warn_of_few(self.title, fakes.count, fakes.features.shape[1])
        return self.compute(reals, fakes)

    def check(self, side: str, count: int) -> None:
        """UserError where that many real or fake images are too few."""
        if count < self.least:
            raise UserError(f"{self.title} needs at least {self.least} {side} images, and there are {count}")

    def sort_key(self, value: float) -> float:
        """The value with the sign that makes smaller better."""
        return value if self.better == "lower" else -value

    def best(self, values: Iterable[float]) -> float:
        return min(values, key=self.sort_key)

    def reaches(self, value: float, target: float) -> bool:
        """Whether `value` is at least as good as `target`."""
        return self.sort_key(value) <= self.sort_key(target)


@functools.cache  # once for each
def warn_of_few(title: str, samples: int, features: int) -> None:
    if samples < features:
        print(
            f"warning: {title}: {samples:,} samples are fewer than its {features:,} features, and the distance is too"
            " large for it",
            file=sys.stderr,
        )


def _frechet(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.frechet import frechet_distance

    return frechet_distance(reals.statistics, fakes.statistics)


def _kernel(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.kernel import kernel_distance

    return kernel_distance(reals.features, fakes.features)


def _precision(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.precision_recall import coverage

    return coverage(of=fakes.features, by=reals.features)


def _recall(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.precision_recall import coverage

    return coverage(of=reals.features, by=fakes.features)


def _inception_score(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.inception_score import inception_score

    return inception_score(fakes.features)


def _modes(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.modes import covered_modes

    return float(covered_modes(fakes.features))


def _reverse_kl(reals: Sample, fakes: Sample) -> float:
    from r3gan.metrics.modes import reverse_kl

    return reverse_kl(fakes.features)


_MOMENTS = "all training reals without flips against the samples; covariance over N - 1"
_TRIPLES = "digit classifier on each channel; 1000 modes = triples of digits; among the samples drawn"
_KERNEL = "cubic kernel (x.y/d + 1)^3, unbiased, mean of 100 subsets of at most 1000, chosen by a fixed seed"
_NEIGHBOURS = "k = 3 nearest neighbours; the first 50,000 reals and samples at most; distances in float32"


def _fid(title: str, extractor: str) -> Metric:
    return Metric(
        title=title,
        better="lower",
        protocol=_MOMENTS,
        extractor=extractor,
        reals="statistics",
        compute=_frechet,
        least=2,
    )


def _kid(title: str, extractor: str) -> Metric:
    return Metric(
        title=title,
        better="lower",
        protocol=_KERNEL,
        extractor=extractor,
        reals="features",
        compute=_kernel,
        least=2,
    )


def _neighbours(name: str, extractor: str, compute: Callable[[Sample, Sample], float]) -> Metric:
    return Metric(
        title=f"{name} in {extractor} features",
        better="higher",
        protocol=_NEIGHBOURS,
        extractor=extractor,
        reals="features",
        compute=compute,
        least=4,  # the third nearest neighbour of each among the others
    )


METRICS: Mapping[str, Metric] = {
    "fid": _fid("FID, the papers' protocol (legacy_tensorflow)", "inception-tensorflow"),
    "fid-clean": _fid("FID, clean-fid's resizing (clean)", "inception-clean"),
    "fid-pytorch": _fid("FID, pytorch-fid's network and resizing (legacy_pytorch)", "inception-pytorch"),
    "kid": _kid("KID", "inception-tensorflow"),
    "inception-score": Metric(
        title="Inception Score",
        better="higher",
        protocol="exp of the mean KL to the marginal, mean of 10 splits; softmax without output bias, as originally",
        extractor="inception-tensorflow",
        output="probabilities",
        reals="none",
        compute=_inception_score,
    ),
    "precision": _neighbours("precision", "vgg16", _precision),
    "recall": _neighbours("recall", "vgg16", _recall),
    "lite1-frechet": _fid("Frechet distance in EfficientNet-lite1 features (not FID)", "efficientnet-lite1"),
    "lite1-frechet-64px": _fid(
        "Frechet distance in EfficientNet-lite1 features of 64-px images (not FID)", "efficientnet-lite1-64px"
    ),
    "lite1-kid": _kid("kernel distance in EfficientNet-lite1 features (not KID)", "efficientnet-lite1"),
    "lite1-precision": _neighbours("precision", "efficientnet-lite1", _precision),
    "lite1-recall": _neighbours("recall", "efficientnet-lite1", _recall),
    "digit-frechet": _fid("Frechet distance in digit-classifier features (not FID)", "digits"),
    "modes": Metric(
        title="modes covered, of 1000",
        better="higher",
        protocol=_TRIPLES,
        extractor="digits",
        output="classes",
        reals="none",
        compute=_modes,
    ),
    "kl": Metric(
        title="KL(generated || uniform over 1000 modes), nat",
        better="lower",
        protocol=_TRIPLES,
        extractor="digits",
        output="classes",
        reals="none",
        compute=_reverse_kl,
        floor=lambda samples: 999 / (2 * samples),
    ),
}


def find_metric(name: str) -> Metric:
    """The entry of METRICS, or a UserError that lists them."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def needs_classifier(metrics: list[str] | tuple[str, ...]) -> list[str]:
    """Those of `metrics` that use the pipeline's digit classifier."""
    return [name for name in metrics if find_metric(name).extractor == "digits"]


def describe(name: str) -> dict[str, Any]:
    """The entry as plain JSON values."""
    metric = find_metric(name)
    extractor = find_extractor(metric.extractor)
    return {
        "title": metric.title,
        "better": metric.better,
        "needs": [extractor.weights] if extractor.weights else [],
        "protocol": metric.protocol,
        "features": extractor.protocol,
    }
