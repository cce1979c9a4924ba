"""Parameter counts of any configuration at any size, without memory for the weights."""

from r3gan.configs.recipe import Config
from r3gan.configs.sizes import SIZES
from r3gan.errors import unknown


def count_parameters(config: Config, dataset: str) -> dict[str, int]:
    """Trainable parameters of G and D, counted on torch's meta device: {"g_params": ..., "d_params": ...}."""
    import torch

    if dataset not in SIZES:
        raise unknown("data set", dataset, SIZES)
    with torch.device("meta"):
        networks = {
            "g_params": config.networks.generator(SIZES[dataset]),
            "d_params": config.networks.discriminator(SIZES[dataset]),
        }
    return {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()}


def count_discriminator(config: Config, dataset: str) -> tuple[int, int]:
    """Parameters that D trains, and those of its frozen feature networks.

    D is built with its weights, not on the meta device, where spectral norm takes seconds.
    """
    network = config.networks.discriminator(SIZES[dataset])
    frozen = (p.numel() for net in network.frozen for p in net.parameters())
    return sum(p.numel() for p in network.parameters()), sum(frozen)
