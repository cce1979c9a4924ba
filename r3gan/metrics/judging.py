"""One metric of a G that is still training."""

from collections.abc import Callable

import torch

from r3gan.data.loader import Dataset
from r3gan.interfaces import GeneratorNetwork
from r3gan.metrics.evaluate import Plan, draw_samples, open_networks, real_samples, score
from r3gan.metrics.ranks import Ranks


def scorer(plan: Plan, dataset: Dataset, device: torch.device, ranks: Ranks) -> Callable[[GeneratorNetwork], float]:
    """A function from G to the plan's one metric on the plan's first draw, as `converge` would measure it.

    Feature networks are opened and the reals looked at once, here.
    """
    (metric,) = plan.metrics
    networks = open_networks(plan, device)
    reals, _ = real_samples(plan, dataset, networks, ranks)

    def value(generator: GeneratorNetwork) -> float:
        batches = draw_samples(generator, plan.samples, 0, dataset.labels, ranks)
        return score(plan, reals, networks, batches, ranks, metric)[metric]

    return value
