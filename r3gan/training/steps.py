"""One step of D and one of G: the objective (arXiv 2501.05441, section 2).

The `lazy_` steps are Config A's regularisation, which has optimiser steps of its own (StyleGAN2, appendix B).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.configs import Recipe
from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork, StyleBased
from r3gan.losses import OBJECTIVES
from r3gan.penalties import PENALISED, path_length_penalty, path_lengths
from r3gan.schedules import cosine_burn_in
from r3gan.training.run import Run
from r3gan.training.state import State


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """The scheduled values of one step."""

    lr: float
    gamma: float
    beta2: float
    ema_half_life_kimg: float

    @classmethod
    def at(cls, recipe: Recipe, images_seen: int) -> "Hyper":
        """Values before the step that starts after `images_seen` reals."""
        burn_in = recipe.burn_in_kimg * 1000

        def value(name: str) -> float:
            return cosine_burn_in(getattr(recipe, name), images_seen, burn_in)

        return cls(
            lr=value("lr"), gamma=value("gamma"), beta2=value("beta2"), ema_half_life_kimg=value("ema_half_life_kimg")
        )


def optimise(optimiser: torch.optim.Optimizer, loss: Tensor, hyper: Hyper, lazy_interval: int = 0) -> None:
    """One Adam step down `loss`.

    Where a penalty has steps of its own every k steps, both kinds of step are shortened to k/(k+1), beta2 likewise,
    so that k + 1 of them move as far as k (StyleGAN2, appendix B).
    """
    ratio = lazy_interval / (lazy_interval + 1) if lazy_interval else 1.0
    for group in optimiser.param_groups:
        group["lr"], group["betas"] = hyper.lr * ratio, (0.0, hyper.beta2**ratio)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def sample_z(generator: GeneratorNetwork, like: Tensor) -> Tensor:
    """Z ~ N(0, I), one for each image of `like` [N, C, R, R]."""
    return torch.randn(len(like), generator.z_dim, device=like.device)


def network_labels(net: GeneratorNetwork | DiscriminatorNetwork, labels: Tensor) -> Tensor | None:
    return labels if net.classes else None


def discriminator_step(run: Run, state: State, hyper: Hyper) -> dict[str, Tensor]:
    """Mean softplus(...) + gamma/2 (R1 + R2) on fresh reals and fakes; returns what it measured, as scalars."""
    config, objective, penalised = (run.config, OBJECTIVES[run.config.loss], PENALISED[run.config.penalty])
    reals, all_labels = state.stream.next(run.recipe.batch)
    labels = network_labels(state.discriminator, all_labels)
    with torch.no_grad():
        fakes = state.generator(sample_z(state.generator, reals), labels)
    lazy = config.penalty_interval > 1

    measured: dict[str, Tensor] = {}
    logits = {}
    for side, penalty, images in (("real", "r1", reals), ("fake", "r2", fakes)):
        if penalty in config.penalties and not lazy:
            logits[side], norms = penalised(state.discriminator, images, labels)
            measured[penalty] = norms.mean()
        else:
            logits[side] = state.discriminator(images, labels)
    loss = objective.discriminator(logits["real"], logits["fake"]).mean()
    total = loss + hyper.gamma / 2 * sum(measured.values(), torch.zeros_like(loss))
    optimise(state.discriminator_optimiser, total, hyper, config.penalty_interval if lazy else 0)
    if lazy and state.step % config.penalty_interval == 0:
        measured |= lazy_penalty_step(run, state, hyper, {"r1": reals, "r2": fakes}, labels)
    return {"loss_d": loss.detach()} | {name: value.detach() for name, value in measured.items()}


def lazy_penalty_step(
    run: Run, state: State, hyper: Hyper, images: dict[str, Tensor], labels: Tensor | None
) -> dict[str, Tensor]:
    """A step on interval * gamma/2 * penalty alone, every `penalty_interval` steps."""
    penalised, interval = PENALISED[run.config.penalty], run.config.penalty_interval

    measured = {name: penalised(state.discriminator, images[name], labels)[1].mean() for name in run.config.penalties}
    total = hyper.gamma / 2 * interval * torch.stack(list(measured.values())).sum()
    optimise(state.discriminator_optimiser, total, hyper, interval)
    return measured


def generator_step(run: Run, state: State, hyper: Hyper) -> dict[str, Tensor]:
    """G's loss on its own fresh reals and z, with D frozen; returns what it measured, as scalars."""
    config, objective = run.config, OBJECTIVES[run.config.loss]
    reals, all_labels = state.stream.next(run.recipe.batch)
    labels = network_labels(state.generator, all_labels)
    state.discriminator.requires_grad_(False)
    fake_logits = state.discriminator(state.generator(sample_z(state.generator, reals), labels), labels)
    real_logits = torch.zeros_like(fake_logits)
    if objective.generator_sees_reals:
        with torch.no_grad():  # D(r) moves no parameter of G
            real_logits = state.discriminator(reals, labels)
    loss = objective.generator(real_logits, fake_logits).mean()
    lazy_interval = config.path_length.interval if config.path_length else 0
    optimise(state.generator_optimiser, loss, hyper, lazy_interval)
    measured = {"loss_g": loss.detach()}
    if config.path_length and state.step % config.path_length.interval == 0:
        measured |= lazy_path_length_step(run, state, hyper, reals)
    state.discriminator.requires_grad_(True)
    return measured


def lazy_path_length_step(run: Run, state: State, hyper: Hyper, reals: Tensor) -> dict[str, Tensor]:
    """A step on interval * weight * path length penalty, on a part of the batch."""
    settings, generator = run.config.path_length, state.generator
    assert settings is not None
    assert isinstance(generator, StyleBased)
    z = sample_z(generator, reals[: max(1, len(reals) // settings.batch_shrink)])
    ws = generator.latents(z)
    lengths = path_lengths(generator.synthesis(ws), ws)
    penalty, mean = path_length_penalty(lengths, state.path_length_mean, settings.decay)
    state.path_length_mean = mean
    total = settings.weight * settings.interval * penalty.mean()
    optimise(state.generator_optimiser, total, hyper, settings.interval)
    return {"path_length": lengths.mean().detach()}
