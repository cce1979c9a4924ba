"""What a training run consists of at one moment."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from r3gan.configs import SIZES, Config
from r3gan.data.loader import Dataset, Stream
from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork
from r3gan.training.run import Run


@dataclass(kw_only=True)
class State:
    """What a run consists of at one moment."""

    generator: GeneratorNetwork
    discriminator: DiscriminatorNetwork
    ema: GeneratorNetwork
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    stream: Stream
    path_length_mean: Tensor
    images_seen: int = 0
    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def build_networks(config: Config, dataset: str, seed: int) -> tuple[GeneratorNetwork, DiscriminatorNetwork]:
    """Generator and discriminator at their seeded start, on the CPU, so that every device starts alike."""
    torch.manual_seed(seed)
    return config.networks.generator(SIZES[dataset]), config.networks.discriminator(SIZES[dataset])


def build_state(run: Run, dataset: Dataset, device: torch.device) -> State:
    """The state before the first step; the random state of `device` then belongs to this run."""
    generator, discriminator = build_networks(run.config, run.dataset, run.seed)
    generator.to(device)
    discriminator.to(device)
    recipe = run.recipe

    def adam(net: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(net.parameters(), lr=recipe.lr.base, betas=(0.0, recipe.beta2.base), eps=1e-8)

    return State(
        generator=generator,
        discriminator=discriminator,
        ema=copy.deepcopy(generator).eval().requires_grad_(False),
        generator_optimiser=adam(generator),
        discriminator_optimiser=adam(discriminator),
        stream=Stream(dataset, run.seed, recipe.xflip, device),
        path_length_mean=torch.zeros((), device=device),
    )
