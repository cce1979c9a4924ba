"""Parameter counts of any configuration at any size, without memory for the weights."""

from functools import cache

from r3gan.configs.recipe import Config
from r3gan.configs.sizes import SIZES
from r3gan.errors import unknown
from r3gan.models.families import Networks


def count_parameters(config: Config, dataset: str) -> dict[str, int]:
    """Trainable parameters of G and D, counted on torch's meta device: {"g_params": ..., "d_params": ...}."""
    if dataset not in SIZES:
        raise unknown("data set", dataset, SIZES)
    g_params, d_params = _count(config.networks, dataset)
    return {"g_params": g_params, "d_params": d_params}


@cache
def _count(networks: Networks, dataset: str) -> tuple[int, int]:
    """Of G and D; configurations that differ in their losses alone have the same networks."""
    import torch

    with torch.device("meta"):
        g, d = networks.generator(SIZES[dataset]), networks.discriminator(SIZES[dataset])
    return sum(p.numel() for p in g.parameters()), sum(p.numel() for p in d.parameters())


@cache
def count_discriminator(networks: Networks, dataset: str) -> tuple[int, int]:
    """Parameters that D trains, and those of its frozen feature networks.

    D is built with its weights, not on the meta device, where spectral norm takes seconds.
    """
    network = networks.discriminator(SIZES[dataset])
    frozen = (p.numel() for net in network.frozen for p in net.parameters())
    return sum(p.numel() for p in network.parameters()), sum(frozen)
