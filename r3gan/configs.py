"""CONFIGS: one entry a configuration of the papers; those of Projected GAN are in r3gan/projected_configs.py.

Sources here: arXiv 2501.05441 (configuration table and hyperparameter table) and the official code where the paper is
silent; `unpublished` names what neither says and we chose. Only data and look-ups are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from r3gan.errors import unknown
from r3gan.models.families import DCGAN, R3GAN, Stripped, StyleGAN2
from r3gan.projected_configs import PROJECTED
from r3gan.recipes import SIZES, Config, PathLength, Recipe, constant
from r3gan.schedules import Ramp

__all__ = ["CONFIGS", "SIZES", "Config", "Recipe", "find_config"]

# Table 1. Every row inherits Config A's training on FFHQ-256, 5 M images, unless said otherwise; from B on z has 64
# dimensions, lr is 5e-5 and nothing is lazy. Smoke is ours: small networks want a larger step.
_A_FFHQ = Recipe(
    batch=64,
    total_kimg=5000,
    lr=constant(2.5e-3),
    gamma=constant(1.0),
    beta2=constant(0.99),
    ema_half_life_kimg=constant(20.0),
    xflip=True,
    unpublished=("xflip",),
)
_A_SMOKE = replace(
    _A_FFHQ,
    batch=8,
    total_kimg=14,
    ema_half_life_kimg=constant(0.5),
    xflip=False,
    unpublished=("batch", "total_kimg", "ema_half_life_kimg", "xflip"),
)
# At smoke scale B to E have 1,750 steps: a large step and a strong penalty that fall over the whole run, by the
# schedule of the hyperparameter table.
_ABLATION_SMOKE = replace(
    _A_SMOKE,
    burn_in_kimg=14,
    lr=Ramp(4e-3, 3e-4),
    gamma=Ramp(5, 0.5),
    unpublished=(*_A_SMOKE.unpublished, "burn_in_kimg", "lr", "gamma", "beta2"),
)
# B to D take a gentler recipe. At the step and penalty of E the rows with R1 alone did not learn (B and C + RpGAN ended
# no better than untrained, B's R1 falling to 0.006 on the way; C + R2 did learn), and D had spikes of G's loss to 132,
# with a penalty four times as strong still in some runs (to 80, by rounding alone), from which it did not recover.
_GENTLE_SMOKE = replace(_ABLATION_SMOKE, lr=Ramp(2e-3, 2e-4), gamma=Ramp(3, 0.3))
_ABLATION_FFHQ = replace(_A_FFHQ, lr=constant(5e-5), unpublished=("gamma", "augment_p", "xflip"))
_ABLATION = {"ffhq-256": _ABLATION_FFHQ, "stackedmnist5k-16": _ABLATION_SMOKE}
_ABLATION_GENTLE = {"ffhq-256": _ABLATION_FFHQ, "stackedmnist5k-16": _GENTLE_SMOKE}

# Not in the paper: rows of Table 1 beside Projected GAN on unlabelled CIFAR-10, trained as on FFHQ and as
# Config E on CIFAR-10.
_A_CIFAR10 = replace(_A_FFHQ, unpublished=("batch", "total_kimg", "lr", "gamma", "ema_half_life_kimg", "xflip"))

_A = Config(
    title="A StyleGAN2",
    summary="StyleGAN2, paper256: mapping network, modulation, noise, style mixing, path length, lazy R1",
    networks=StyleGAN2(),
    loss="classic",
    penalties=("r1",),
    penalty_interval=16,
    path_length=PathLength(),
    recipes={"ffhq-256": _A_FFHQ, "cifar10-unlabelled": _A_CIFAR10, "stackedmnist5k-16": _A_SMOKE},
)
_B = Config(
    title="B Stripped StyleGAN2",
    summary="all of StyleGAN2's tricks removed, R1 at every step",
    networks=Stripped(),
    loss="classic",
    penalties=("r1",),
    penalty="transposed",
    unpublished=("initialisation",),
    recipes=_ABLATION_GENTLE,
)
_C_RPGAN = replace(_B, title="C + RpGAN loss", summary="relativistic pairing loss", loss="relativistic")
_C_R2 = replace(_C_RPGAN, title="C + R2 gradient penalty", summary="R2 beside R1", penalties=("r1", "r2"))
_D_RESNET = replace(
    _C_R2,
    title="D + ResNet-ify G & D",
    summary="1-3-1 residual bottlenecks, learned basis, output skips kept",
    networks=R3GAN(stem_ratio=3, inner_ratio=0.25, grouped=False, output_skips=True),
    unpublished=(),
)
_D_NOSKIP = replace(
    _D_RESNET,
    title="D - Output skips",
    summary="one 1x1 to RGB",
    networks=R3GAN(stem_ratio=3, inner_ratio=0.25, grouped=False),
)
_E_RESNEXT = replace(
    _D_NOSKIP,
    title="E + ResNeXt-ify G & D",
    summary="grouped 3x3, inner width half the stem",
    networks=R3GAN(stem_ratio=3, inner_ratio=0.5, grouped=True),
    recipes=_ABLATION,
)
_E_INVERTED = replace(
    _E_RESNEXT,
    title="E + Inverted bottleneck",
    summary="stem 1.5 base widths, inner width twice the stem: the networks of R3GAN",
    networks=R3GAN(stem_ratio=1.5, inner_ratio=2, grouped=True),
)

# The hyperparameter table (paper and official code agree): Config E trained to the end.
_PRESET = Recipe(
    batch=512,
    total_kimg=250_000,
    burn_in_kimg=20_000,
    lr=Ramp(2e-4, 5e-5),
    gamma=Ramp(0.05, 0.005),
    beta2=Ramp(0.9, 0.99),
    ema_half_life_kimg=Ramp(0, 5000),
    augment_p=Ramp(0, 0.55),
    xflip=True,
)
_FFHQ = replace(_PRESET, batch=256, ema_half_life_kimg=Ramp(0, 500), augment_p=Ramp(0, 0.3))
_IMAGENET = replace(_PRESET, batch=4096, total_kimg=1_000_000, burn_in_kimg=200_000, ema_half_life_kimg=Ramp(0, 50_000))
_E_CIFAR10 = replace(
    _PRESET,
    unpublished=(
        "batch",
        "total_kimg",
        "burn_in_kimg",
        "lr",
        "gamma",
        "beta2",
        "ema_half_life_kimg",
        "augment_p",
        "xflip",
    ),
)
_E_INVERTED = replace(_E_INVERTED, recipes={**_ABLATION, "cifar10-unlabelled": _E_CIFAR10})
_E = replace(
    _E_INVERTED,
    title="R3GAN Config E",
    summary="Config E with the hyperparameter table's schedules, per data set",
    recipes={
        "stackedmnist": replace(
            _PRESET,
            total_kimg=10_000,
            burn_in_kimg=2000,
            lr=constant(2e-4),
            gamma=Ramp(1, 0.1),
            ema_half_life_kimg=Ramp(0, 500),
            augment_p=constant(0.0),
            xflip=False,
        ),
        "stackedmnist5k-16": replace(_ABLATION_SMOKE, total_kimg=42, burn_in_kimg=42),
        "cifar10": _PRESET,
        "ffhq-64": replace(_FFHQ, total_kimg=100_000, gamma=Ramp(2, 0.2)),
        "ffhq-256": replace(_FFHQ, total_kimg=200_000, gamma=Ramp(150, 15)),
        "imagenet-32": replace(_IMAGENET, gamma=Ramp(0.5, 0.05), augment_p=Ramp(0, 0.5)),
        "imagenet-64": replace(_IMAGENET, gamma=Ramp(1, 0.1), augment_p=Ramp(0, 0.4)),
    },
)

# Table 2's loss ablation, on "a small norm-free ResNet" of which the paper gives neither size nor recipe: ours has the
# residual blocks of Config D with at most 128 channels, and the recipe of Config E on StackedMNIST. At smoke scale the
# step is the gentle one of B and C; at their penalty RpGAN+R1+R2 covered 421 modes instead of about 680 (one seed).
_LOSSES_PAPER = replace(
    _E.recipes["stackedmnist"],
    unpublished=("batch", "total_kimg", "burn_in_kimg", "lr", "gamma", "beta2", "ema_half_life_kimg"),
)
_LOSS_RPGAN_R1R2 = replace(
    _D_NOSKIP,
    title="RpGAN+R1+R2",
    summary="Table 2's loss ablation on a small norm-free ResNet: the paper's objective",
    networks=R3GAN(stem_ratio=1, inner_ratio=1, grouped=False, max_width=128),
    unpublished=("networks",),
    recipes={
        "stackedmnist": _LOSSES_PAPER,
        "stackedmnist5k-16": replace(_GENTLE_SMOKE, total_kimg=28, burn_in_kimg=28, gamma=Ramp(10, 1)),
    },
)
_LOSS_GAN_R1R2 = replace(
    _LOSS_RPGAN_R1R2, title="GAN+R1+R2", summary="the same with the classic objective", loss="classic"
)
_LOSS_RPGAN_R1 = replace(_LOSS_RPGAN_R1R2, title="RpGAN+R1", summary="the same without R2", penalties=("r1",))
_LOSS_GAN_R1 = replace(_LOSS_GAN_R1R2, title="GAN+R1", summary="the classic objective without R2", penalties=("r1",))

# DCGAN as its paper trains it: batch 128, Adam(2e-4, 0.5, 0.999), no penalty, no moving average.
_DCGAN_PAPER = Recipe(
    batch=128,
    total_kimg=10_000,
    lr=constant(2e-4),
    gamma=constant(0.0),
    beta1=0.5,
    beta2=constant(0.999),
    ema_half_life_kimg=constant(0.0),
    unpublished=("total_kimg",),
)
_DCGAN = Config(
    title="DCGAN",
    summary="the classic baseline of Table 2: strided convolutions, batch norm, no penalty",
    networks=DCGAN(),
    loss="classic",
    penalties=(),
    unpublished=("networks",),
    recipes={
        "stackedmnist": _DCGAN_PAPER,
        "stackedmnist5k-16": replace(
            _DCGAN_PAPER, batch=32, total_kimg=56, lr=constant(1e-3), unpublished=("batch", "total_kimg", "lr")
        ),
    },
)

CONFIGS: Mapping[str, Config] = {
    "A": _A,
    "B": _B,
    "C-rpgan": _C_RPGAN,
    "C-r2": _C_R2,
    "D-resnet": _D_RESNET,
    "D-noskip": _D_NOSKIP,
    "E-resnext": _E_RESNEXT,
    "E-inverted": _E_INVERTED,
    "E": _E,
    "loss-rpgan-r1r2": _LOSS_RPGAN_R1R2,
    "loss-gan-r1r2": _LOSS_GAN_R1R2,
    "loss-rpgan-r1": _LOSS_RPGAN_R1,
    "loss-gan-r1": _LOSS_GAN_R1,
    "dcgan": _DCGAN,
    **PROJECTED,
}


def find_config(name: str) -> Config:
    """The entry of CONFIGS, or a UserError that lists them."""
    if name not in CONFIGS:
        raise unknown("configuration", name, CONFIGS)
    return CONFIGS[name]
