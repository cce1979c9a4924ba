"""R3GAN's hyperparameter table (arXiv 2501.05441; paper and official code agree): Config E trained to the end.

At smoke scale the step and the penalty are larger and fall over the whole run of a few thousand steps; `unpublished`
names what was chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from r3gan.configs.recipe import OFF, Config, Recipe, constant
from r3gan.models.families import R3GAN
from r3gan.schedules import Ramp

SMOKE = Recipe(
    batch=8, total_kimg=14, burn_in_kimg=14, lr=Ramp(4e-3, 3e-4), gamma=Ramp(5, 0.5), beta2=constant(0.99),
    ema_half_life_kimg=constant(0.5),
    unpublished=("batch", "total_kimg", "ema_half_life_kimg", "xflip", "burn_in_kimg", "lr", "gamma", "beta2"),
)  # fmt: skip
_LR = Ramp(2e-4, 5e-5)


def _row(
    batch: int,
    total_kimg: float,
    burn_in_kimg: float,
    gamma: tuple[float, float],
    ema_half_life_kimg: float,
    augment_p: Ramp,
    *,
    lr: Ramp = _LR,
    xflip: bool = True,
) -> Recipe:
    """The half-life of the moving average rises from 0."""
    return Recipe(
        batch=batch,
        total_kimg=total_kimg,
        burn_in_kimg=burn_in_kimg,
        lr=lr,
        gamma=Ramp(*gamma),
        beta2=Ramp(0.9, 0.99),
        ema_half_life_kimg=Ramp(0, ema_half_life_kimg),
        augment_p=augment_p,
        xflip=xflip,
    )


# fmt: off
PRESETS: Mapping[str, Recipe] = {
    #                     batch  total_kimg  burn_in  gamma          EMA     augment_p
    "stackedmnist":  _row(512,   10_000,     2000,    (1, 0.1),      500,    OFF, lr=constant(2e-4), xflip=False),
    "stackedmnist5k-16": replace(SMOKE, total_kimg=42, burn_in_kimg=42),
    "cifar10":       _row(512,   250_000,    20_000,  (0.05, 0.005), 5000,   Ramp(0, 0.55)),
    "ffhq-64":       _row(256,   100_000,    20_000,  (2, 0.2),      500,    Ramp(0, 0.3)),
    "ffhq-256":      _row(256,   200_000,    20_000,  (150, 15),     500,    Ramp(0, 0.3)),
    "imagenet-32":   _row(4096,  1_000_000,  200_000, (0.5, 0.05),   50_000, Ramp(0, 0.5)),
    "imagenet-64":   _row(4096,  1_000_000,  200_000, (1, 0.1),      50_000, Ramp(0, 0.4)),
}
# fmt: on

E = Config(
    title="R3GAN Config E",
    summary="Config E with the hyperparameter table's schedules, per data set",
    networks=R3GAN(stem_ratio=1.5, inner_ratio=2, grouped=True),
    loss="relativistic",
    penalties=("r1", "r2"),
    recipes=PRESETS,
)
