"""STACKED_MNIST: R3GAN's Table 2 except Config E: the loss ablation and the baseline DCGAN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from r3gan.configs.presets import PRESETS
from r3gan.configs.recipe import OFF, Config, Recipe, constant
from r3gan.configs.table1 import GENTLE_SMOKE
from r3gan.models.families import DCGAN, R3GAN
from r3gan.schedules import Ramp

# The loss ablation runs on "a small norm-free ResNet" of which the paper gives neither size nor recipe: here it has the
# residual blocks of Config D with at most 128 channels, and the recipe of Config E. At smoke scale the step is the
# gentle one of B and C; at their penalty RpGAN+R1+R2 covered 421 modes instead of about 680 (one seed).
_LOSS_PAPER = replace(
    PRESETS["stackedmnist"],
    unpublished=("batch", "total_kimg", "burn_in_kimg", "lr", "gamma", "beta2", "ema_half_life_kimg"),
)
_LOSS_SMOKE = replace(GENTLE_SMOKE, total_kimg=28, burn_in_kimg=28, gamma=Ramp(10, 1))


def _row(title: str, summary: str, loss: str, penalties: tuple[str, ...]) -> Config:
    return Config(
        title=title, summary=summary, networks=R3GAN(stem_ratio=1, inner_ratio=1, grouped=False, max_width=128),
        loss=loss, penalties=penalties, unpublished=("networks",),
        recipes={"stackedmnist": _LOSS_PAPER, "stackedmnist5k-16": _LOSS_SMOKE},
    )  # fmt: skip


# DCGAN as its paper trains it: batch 128, Adam(2e-4, 0.5, 0.999), no penalty, no moving average.
_DCGAN_PAPER = Recipe(
    batch=128, total_kimg=10_000, lr=constant(2e-4), gamma=OFF, beta1=0.5, beta2=constant(0.999),
    ema_half_life_kimg=OFF, unpublished=("total_kimg",),
)  # fmt: skip
_DCGAN_SMOKE = replace(
    _DCGAN_PAPER, batch=32, total_kimg=56, lr=constant(1e-3), unpublished=("batch", "total_kimg", "lr")
)

STACKED_MNIST: Mapping[str, Config] = {
    "loss-rpgan-r1r2": _row(
        "RpGAN+R1+R2", "Table 2's loss ablation on a small norm-free ResNet: the paper's objective",
        "relativistic", ("r1", "r2"),
    ),
    "loss-gan-r1r2": _row("GAN+R1+R2", "the same with the classic objective", "classic", ("r1", "r2")),
    "loss-rpgan-r1": _row("RpGAN+R1", "the same without R2", "relativistic", ("r1",)),
    "loss-gan-r1": _row("GAN+R1", "the classic objective without R2", "classic", ("r1",)),
    "dcgan": Config(
        title="DCGAN",
        summary="the classic baseline of Table 2: strided convolutions, batch norm, no penalty",
        networks=DCGAN(), loss="classic", penalties=(), unpublished=("networks",),
        recipes={"stackedmnist": _DCGAN_PAPER, "stackedmnist5k-16": _DCGAN_SMOKE},
    ),
}  # fmt: skip
