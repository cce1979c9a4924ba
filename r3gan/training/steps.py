"""One step of D and one of G on a global batch: new reals and z, gradients over micro-batches, one Adam step each.

The `lazy_` steps are Config A's regularisation, which has optimiser steps of its own (StyleGAN2, appendix B).
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from r3gan import augment, diffaug
from r3gan.configs import Recipe
from r3gan.ema import update_ema
from r3gan.interfaces import StyleBased
from r3gan.penalties import path_length_penalty, path_lengths
from r3gan.schedules import cosine_burn_in, ema_beta
from r3gan.training.draws import random_seed, random_source
from r3gan.training.engine import Engine
from r3gan.training.losses import Batch, Measured
from r3gan.training.run import Run
from r3gan.training.state import State

AUGMENTATIONS = {"ada": augment, "diffaug": diffaug}  # of what D sees; each draws one table for a whole batch


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """The scheduled values of one step."""

    lr: float
    gamma: float
    beta2: float
    ema_half_life_kimg: float
    augment_p: float

    @classmethod
    def at(cls, recipe: Recipe, images_seen: int) -> "Hyper":
        """Values before the step that starts after `images_seen` reals."""
        burn_in = recipe.burn_in_kimg * 1000

        def value(name: str) -> float:
            return cosine_burn_in(getattr(recipe, name), images_seen, burn_in)

        names = ("lr", "gamma", "beta2", "ema_half_life_kimg", "augment_p")
        return cls(**{name: value(name) for name in names})


def micro_batches(run: Run, state: State, hyper: Hyper, player: str) -> Iterator[Batch]:
    """Micro-batches of this rank for the step of `player` "d" or "g"; each player has reals and z of its own.

    Positions and random numbers are those of the global batch, so that the result does not depend on the number of
    ranks.
    """
    share = state.share
    start = share.batch * (2 * state.step + (player == "g"))
    draw = functools.partial(random_source, run.seed, state.step)
    z = torch.randn(share.batch, state.generator.z_dim, generator=draw(f"{player} z"))
    tables, augmentation = {}, AUGMENTATIONS[run.config.augmentation]
    if hyper.augment_p > 0:
        tables = {side: augmentation.draw(share.batch, draw(f"{player} {side} view")) for side in ("real", "fake")}
    slices = list(share.slices())
    starts = [start + part.start for part in slices]
    # The same rank's next micro-batch, in this step or in the other player's.
    following = [*starts[1:], start + share.batch + slices[0].start]
    for part, begin, after in zip(slices, starts, following, strict=True):
        reals, labels = state.stream.at(begin, share.micro, likely_next=after)
        views = {
            f"{side}_view": augmentation.augmentation(
                table[part].to(reals, non_blocking=True), hyper.augment_p, *reals.shape[1:3]
            )
            for side, table in tables.items()
        }
        yield Batch(
            reals=reals,
            z=z[part].to(state.device, non_blocking=True),
            labels=labels if state.generator.classes else None,
            **views,
        )


Part = TypeVar("Part")


def descend(
    engine: Engine,
    loss: Callable[[Part], tuple[Tensor, Measured]],
    parts: Iterable[Part],
    hyper: Hyper,
    lazy_interval: int = 0,
) -> Measured:
    """One Adam step on the mean `loss` over micro-batches; returns the means of what each measured.

    Where a penalty has steps of its own every k steps, lr is multiplied by k/(k+1) and beta2 raised to that power in
    both kinds of step, so that k + 1 steps equal k ordinary ones (StyleGAN2, appendix B).
    """
    measured: dict[str, list[Tensor]] = {}
    for part in parts:
        total, found = loss(part)
        engine.backward(total)
        for name, value in found.items():
            measured.setdefault(name, []).append(value.clone())  # the next replay of a CUDA graph overwrites it
    ratio = lazy_interval / (lazy_interval + 1) if lazy_interval else 1.0
    engine.step(hyper.lr * ratio, hyper.beta2**ratio)
    return {name: torch.stack(values).mean() for name, values in measured.items()}


def iterate(run: Run, state: State) -> tuple[Hyper, Measured]:
    """One iteration: a D step, a G step, the moving average; returns the scheduled values and the measurements."""
    hyper = Hyper.at(run.recipe, state.images_seen)
    measured = discriminator_step(run, state, hyper) | generator_step(run, state, hyper)
    update_ema(state.ema, state.generator, ema_beta(run.recipe.batch, hyper.ema_half_life_kimg * 1000))
    state.step += 1
    return hyper, measured


def discriminator_step(run: Run, state: State, hyper: Hyper) -> Measured:
    """Descend the objective + gamma/2 (R1 + R2); returns what it measured, as scalars."""
    losses, engine, interval = state.losses, state.discriminator_engine, run.config.penalty_interval
    # A network's own randomness (noise, style mixing) follows from the step too, so that no generator state is stored.
    torch.manual_seed(random_seed(run.seed, state.step, "network", state.world.rank))
    gamma = torch.tensor(hyper.gamma, device=state.device)
    lazy_interval = interval if losses.lazy else 0
    batches = micro_batches(run, state, hyper, "d")
    measured = descend(engine, lambda batch: losses.discriminator(batch, gamma), batches, hyper, lazy_interval)
    if losses.lazy and state.step % interval == 0:
        weight = hyper.gamma / 2 * interval
        batches = micro_batches(run, state, hyper, "d")
        measured |= descend(engine, lambda batch: losses.lazy_penalty(batch, weight), batches, hyper, interval)
    return measured


def generator_step(run: Run, state: State, hyper: Hyper) -> Measured:
    """Descend G's objective on its own reals and z, D frozen; returns what it measured, as scalars."""
    path_length = run.config.path_length
    lazy_interval = path_length.interval if path_length else 0
    state.discriminator.requires_grad_(False)
    batches = micro_batches(run, state, hyper, "g")
    measured = descend(state.generator_engine, state.losses.generator, batches, hyper, lazy_interval)
    if path_length and state.step % lazy_interval == 0:
        measured |= lazy_path_length_step(run, state, hyper)
    state.discriminator.requires_grad_(True)
    return measured


def lazy_path_length_step(run: Run, state: State, hyper: Hyper) -> Measured:
    """An Adam step on interval * weight * path length penalty, on a part of the batch."""
    settings, generator, share = run.config.path_length, state.generator, state.share
    assert settings is not None
    assert isinstance(generator, StyleBased)
    z = torch.randn(share.batch, generator.z_dim, generator=random_source(run.seed, state.step, "path length"))
    count = max(1, share.micro // settings.batch_shrink)
    means = []

    def penalty(z: Tensor) -> tuple[Tensor, Measured]:
        ws = generator.latents(z)
        lengths = path_lengths(generator.synthesis(ws), ws)
        penalties, mean = path_length_penalty(lengths, state.path_length_mean, settings.decay)
        means.append(mean)
        return settings.weight * settings.interval * penalties.mean(), {"path_length": lengths.mean().detach()}

    shares = [z[part][:count].to(state.device) for part in share.slices()]
    measured = descend(state.generator_engine, penalty, shares, hyper, settings.interval)
    state.path_length_mean = state.world.mean(torch.stack(means).mean())
    return measured
