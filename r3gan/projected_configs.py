"""PROJECTED: the configurations of Projected GAN (arXiv 2111.01007) and FastGAN (arXiv 2101.04775).

The paper and its released code disagree in six places, which are the fields of `Preset`; everything else is common.
Recipes are those of the released code, FastGAN alone those of its own. `unpublished` names what neither says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from r3gan.models.families import R3GAN, FastGAN, Networks, Projected, StyleGAN2
from r3gan.recipes import AT_256, OFF, Config, Recipe, constant


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What the paper and the released code disagree about."""

    backbone: str
    csm_kernel: int
    mixing_init: Literal["kaiming", "default"]
    normalise_z: bool  # of FastGAN
    ngf: int
    loss: Literal["hinge-sum", "hinge-mean"]

    def projected(self, player: Networks, *, separable: bool = False) -> Projected:
        return Projected(
            player=player,
            backbone=self.backbone,
            csm_kernel=self.csm_kernel,
            mixing_init=self.mixing_init,
            separable=separable,
        )

    def fastgan(self, blocks: Literal["big", "lite"] = "big") -> FastGAN:
        """FastGAN's generator as it is used here: all blocks alike, no tanh."""
        return FastGAN(ngf=self.ngf, blocks=blocks, normalise_z=self.normalise_z, tanh=False)


PAPER = Preset(
    backbone="efficientnet-lite1",
    csm_kernel=3,
    mixing_init="kaiming",
    normalise_z=False,
    ngf=64,
    loss="hinge-sum",
)
RELEASE = Preset(
    backbone="efficientnet-lite0",
    csm_kernel=1,
    mixing_init="default",
    normalise_z=True,
    ngf=128,
    loss="hinge-mean",
)

# The released code: batch 64, Adam(2e-4, 0, 0.99), an EMA half-life of batch * 10/32 kimg, at most 10 M images.
_PROJECTED_256 = Recipe(
    batch=64,
    total_kimg=10_000,
    lr=constant(2e-4),
    gamma=OFF,
    beta2=constant(0.99),
    ema_half_life_kimg=constant(20.0),
    augment_p=constant(1.0),
    xflip=True,
    unpublished=("xflip",),
)
# At 2e-4 and so few steps G does not even get to the black of the background.
_PROJECTED_SMOKE = replace(
    _PROJECTED_256,
    batch=8,
    total_kimg=14,
    lr=constant(2e-3),
    ema_half_life_kimg=constant(0.5),
    xflip=False,
    unpublished=("batch", "total_kimg", "lr", "ema_half_life_kimg", "xflip"),
)


def _recipes(at_256: Recipe = _PROJECTED_256, smoke: Recipe = _PROJECTED_SMOKE) -> dict[str, Recipe]:
    """At all data sets; on CIFAR-10 as at 256 px, since the features are those of 224 px either way."""
    at_32 = replace(at_256, unpublished=tuple(dict.fromkeys((*at_256.unpublished, "total_kimg"))))
    return dict.fromkeys(AT_256, at_256) | {"cifar10-unlabelled": at_32, "stackedmnist5k-16": smoke}


# Its own code trains with batch 8 and Adam(2e-4, 0.5, 0.999); batch, length and moving average are those of Projected
# GAN, beside which it stands.
_OWN_ADAM: dict[str, Any] = {"beta1": 0.5, "beta2": constant(0.999)}
_FASTGAN = Config(
    title="FastGAN",
    summary="its own discriminator with reconstruction decoders",
    networks=FastGAN(),
    loss="hinge-mean",
    penalties=(),
    augmentation="diffaug",
    unpublished=("initialisation", "perceptual", "input of D's second scale", "networks below 128 px"),
    recipes=_recipes(
        replace(_PROJECTED_256, **_OWN_ADAM, unpublished=("batch", "total_kimg", "ema_half_life_kimg", "xflip")),
        replace(_PROJECTED_SMOKE, **_OWN_ADAM),
    ),
)
_SILENT_PAPER = ("blocks", "biases and interpolation of CSM")  # the released code decides them, for both presets
_PROJECTED_FASTGAN = Config(
    title="Projected GAN",
    summary="FastGAN's generator against discriminators on frozen ImageNet features",
    networks=PAPER.projected(PAPER.fastgan()),
    loss=PAPER.loss,
    penalties=(),
    augmentation="diffaug",
    unpublished=(*_SILENT_PAPER, "networks below 128 px", "feature_px at smoke scale"),
    recipes=_recipes() | {"cifar10": replace(_PROJECTED_256, unpublished=("xflip", "total_kimg"))},
)
_STYLEGAN2_BACKBONE = StyleGAN2(z_dim=64, w_dim=128, width_factor=2, mapping_layers=2, style_mixing_prob=0.0)
_PROJECTED_STYLEGAN2 = replace(
    _PROJECTED_FASTGAN,
    title="Projected GAN, StyleGAN2 backbone",
    summary="StyleGAN2's generator (z 64, w 128, 2 mapping layers) against separable discriminators",
    networks=PAPER.projected(_STYLEGAN2_BACKBONE, separable=True),
    recipes=_recipes(replace(_PROJECTED_256, lr=constant(2e-3))),
)
_CONFIG_A = StyleGAN2()
_PROJECTED_A = replace(
    _PROJECTED_STYLEGAN2,
    title="Projected GAN, generator of Config A",
    summary="Config A's generator, with its mapping network and style mixing, under projected training",
    networks=PAPER.projected(_CONFIG_A, separable=True),
    unpublished=("lr", *_PROJECTED_STYLEGAN2.unpublished),
)
_CONFIG_E = R3GAN(stem_ratio=1.5, inner_ratio=2, grouped=True)
_PROJECTED_E = replace(
    _PROJECTED_FASTGAN,
    title="Projected GAN, generator of Config E",
    summary="R3GAN's generator under projected training",
    networks=PAPER.projected(_CONFIG_E),
    unpublished=("lr", *_PROJECTED_FASTGAN.unpublished),
    recipes=_recipes(),
)


def _released(config: Config, networks: Projected) -> Config:
    """The same as the released code has it."""
    return replace(
        config,
        title=f"{config.title} (released code)",
        summary=f"{config.summary}: the released code's choices",
        unpublished=tuple(name for name in config.unpublished if name not in _SILENT_PAPER),
        networks=networks,
        loss=RELEASE.loss,
    )


def _ablated(what: str, **changes: object) -> Config:
    """The paper's Projected GAN with its projector changed."""
    networks = replace(PAPER.projected(PAPER.fastgan()), **changes)  # type: ignore[arg-type]
    summary = f"the paper's Projected GAN, {what}"
    return replace(_PROJECTED_FASTGAN, title=f"Projected GAN, {what}", summary=summary, networks=networks)


PROJECTED: Mapping[str, Config] = {
    "fastgan": _FASTGAN,
    "projected-fastgan": _PROJECTED_FASTGAN,
    "projected-stylegan2": _PROJECTED_STYLEGAN2,
    "projected-A": _PROJECTED_A,
    "projected-E": _PROJECTED_E,
    "projected-fastgan-release": _released(_PROJECTED_FASTGAN, RELEASE.projected(RELEASE.fastgan())),
    "projected-fastgan-lite-release": _released(
        replace(_PROJECTED_FASTGAN, title="Projected GAN, lite blocks"), RELEASE.projected(RELEASE.fastgan("lite"))
    ),
    "projected-stylegan2-release": _released(
        _PROJECTED_STYLEGAN2, RELEASE.projected(_STYLEGAN2_BACKBONE, separable=True)
    ),
    "projected-A-release": _released(_PROJECTED_A, RELEASE.projected(_CONFIG_A, separable=True)),
    "projected-E-release": _released(_PROJECTED_E, RELEASE.projected(_CONFIG_E)),
    "projected-no-mixing": _ablated("no CCM, no CSM", mix_channels=False, mix_scales=False),
    "projected-ccm": _ablated("CCM without CSM", mix_scales=False),
    "projected-1": _ablated("one discriminator", discriminators=1),
    "projected-2": _ablated("two discriminators", discriminators=2),
    "projected-3": _ablated("three discriminators", discriminators=3),
    "projected-lite0": _ablated("EfficientNet-lite0", backbone="efficientnet-lite0"),
    "projected-random": _ablated("random features", pretrained=False),
}
