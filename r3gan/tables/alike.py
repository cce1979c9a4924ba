"""Whether a metric of two runs can be compared: the same data, measured in the same way, by the same network."""

from __future__ import annotations

from r3gan.records.schema import Convergence, Evaluation


def way_of(run: Evaluation | Convergence, metric: str) -> tuple[object, ...]:
    """What must be the same for two values to be comparable; of a classifier that is fitted here not its weights."""
    how = run.metrics[metric]
    network = how.extractor
    fitted_here = network.test_accuracy is not None
    return (
        run.data.sha256, how.protocol, how.features, how.n_fake, how.reference,
        network.name, network.dataset, network.mode, None if fitted_here else network.sha256,
    )  # fmt: skip


def same_network(run: Evaluation | Convergence, other: Evaluation | Convergence, metric: str) -> bool:
    """False for digit classifiers of two processors, which differ by rounding.

    In eight runs that moved a distance by 1.4% at most (docs/measuring.md).
    """
    return run.metrics[metric].extractor.sha256 == other.metrics[metric].extractor.sha256
