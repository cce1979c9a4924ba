"""The state of a training run: networks, optimisers, counters, and how this process computes its share."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from r3gan.configs import Config
from r3gan.data.loader import Dataset, Stream
from r3gan.distributed import ALONE, World
from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork
from r3gan.training.batching import Share, share_of
from r3gan.training.best import Snapshot
from r3gan.training.engine import Engine, build_engine
from r3gan.training.execution import Execution, choose_execution
from r3gan.training.losses import Losses
from r3gan.training.memory import images_that_fit
from r3gan.training.run import Run

if TYPE_CHECKING:
    from r3gan.training.start import StartingWeights


@dataclass(kw_only=True)
class State:
    """The state of a run after `step` steps, and how this process computes its share of the next."""

    generator: GeneratorNetwork
    discriminator: DiscriminatorNetwork
    ema: GeneratorNetwork
    generator_engine: Engine
    discriminator_engine: Engine
    losses: Losses
    stream: Stream
    share: Share
    world: World
    device: torch.device
    execution: Execution
    path_length_mean: Tensor
    step: int = 0
    seconds: float = 0.0  # of training, up to the newest checkpoint
    continued_at_images: list[int] = field(default_factory=list)  # at each resumption
    curve: list[dict[str, float]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    @property
    def images_seen(self) -> int:
        """Reals of the D steps so far, by which everything is scheduled (G steps see the same number again)."""
        return self.step * self.share.batch


def build_networks(config: Config, dataset: str, seed: int) -> tuple[GeneratorNetwork, DiscriminatorNetwork]:
    """Generator and discriminator with their seeded initial weights, on the CPU: the same for every device."""
    torch.manual_seed(seed)
    size = config.sizes[dataset]
    return config.networks.generator(size), config.networks.discriminator(size)


def build_state(
    run: Run,
    dataset: Dataset,
    device: torch.device,
    *,
    wanted: Mapping[str, str | None] | None = None,
    micro: int | None = None,
    world: World = ALONE,
    zero_stage: int | None = None,
    start: StartingWeights | None = None,
) -> State:
    """The state before the first step; `wanted` overrides the device's Execution, `micro` the micro-batch.

    `zero_stage` None trains by plain torch, else by DeepSpeed. `start` replaces random weights.
    """
    generator, discriminator = build_networks(run.config, run.dataset, run.seed)
    if start:
        start.load("generator", generator, run.seed)
        start.load("discriminator", discriminator, run.seed)
    execution = choose_execution(run.config, generator, device, wanted or {}, zero_stage)
    for network in (generator, discriminator):
        network.to(device)
        execution.prepare(network, run.config.sizes[run.dataset])
    fitting = None if micro else images_that_fit(discriminator, dataset.images.shape[1:], generator.classes, device)
    share = share_of(run.recipe.batch, world.size, world.rank, micro, fitting)
    ema = copy.deepcopy(generator).eval().requires_grad_(False)
    if start:
        start.load("ema", ema, run.seed)
    betas = run.recipe.beta1, run.recipe.beta2.base
    generator_engine, discriminator_engine = (
        build_engine(network, execution.adam, betas, share, zero_stage) for network in (generator, discriminator)
    )
    for network in (generator, discriminator, ema):
        execution.set_layout(network)
    return State(
        generator=generator,
        discriminator=discriminator,
        ema=ema,
        generator_engine=generator_engine,
        discriminator_engine=discriminator_engine,
        losses=Losses(run.config, generator, discriminator, compile_as=execution.compile),
        stream=Stream(dataset, run.seed, run.recipe.xflip, device),
        share=share,
        world=world,
        device=device,
        execution=execution,
        path_length_mean=torch.zeros((), device=device),
    )
