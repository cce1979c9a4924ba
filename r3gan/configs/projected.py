"""PROJECTED: the configurations of Projected GAN (arXiv 2111.01007) and FastGAN (arXiv 2101.04775).

The paper and its released code disagree in six places, which are the fields of `Preset`; everything else is common.
Recipes are those of the released code, FastGAN alone those of its own. `unpublished` names what neither says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from r3gan.configs.presets import E
from r3gan.configs.recipe import OFF, Config, Recipe, constant
from r3gan.configs.sizes import AT_256
from r3gan.models.families import FastGAN, Networks, Projected, StyleGAN2


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
            player=player, backbone=self.backbone, csm_kernel=self.csm_kernel, mixing_init=self.mixing_init,
            separable=separable,
        )  # fmt: skip

    def fastgan(self, blocks: Literal["big", "lite"] = "big") -> FastGAN:
        """FastGAN's generator as it is used here: all blocks alike, no tanh."""
        return FastGAN(ngf=self.ngf, blocks=blocks, normalise_z=self.normalise_z, tanh=False)


PAPER = Preset(
    backbone="efficientnet-lite1", csm_kernel=3, mixing_init="kaiming", normalise_z=False, ngf=64, loss="hinge-sum"
)
RELEASE = Preset(
    backbone="efficientnet-lite0", csm_kernel=1, mixing_init="default", normalise_z=True, ngf=128, loss="hinge-mean"
)

# The released code: batch 64, Adam(2e-4, 0, 0.99), an EMA half-life of batch * 10/32 kimg, at most 10 M images.
_PROJECTED_256 = Recipe(
    batch=64, total_kimg=10_000, lr=constant(2e-4), gamma=OFF, beta2=constant(0.99), ema_half_life_kimg=constant(20.0),
    augment_p=constant(1.0), xflip=True, unpublished=("xflip",),
)  # fmt: skip
# At 2e-4 G does not reach the black of the background in so few steps.
_PROJECTED_SMOKE = replace(
    _PROJECTED_256, batch=8, total_kimg=14, lr=constant(2e-3), ema_half_life_kimg=constant(0.5), xflip=False,
    unpublished=("batch", "total_kimg", "lr", "ema_half_life_kimg", "xflip"),
)  # fmt: skip


def _recipes(at_256: Recipe = _PROJECTED_256, smoke: Recipe = _PROJECTED_SMOKE) -> dict[str, Recipe]:
    """At all data sets; on CIFAR-10 as at 256 px, since features are computed at 224 px in both cases."""
    at_32 = replace(at_256, unpublished=tuple(dict.fromkeys((*at_256.unpublished, "total_kimg"))))
    return dict.fromkeys(AT_256, at_256) | {"cifar10-unlabelled": at_32, "stackedmnist5k-16": smoke}


# FastGAN's own code trains with batch 8 and Adam(2e-4, 0.5, 0.999); batch, length and moving average are those of
# Projected GAN, with which it is compared.
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
_RECIPES = _recipes() | {"cifar10": replace(_PROJECTED_256, unpublished=("xflip", "total_kimg"))}
_STYLEGAN2_RECIPES = _recipes(replace(_PROJECTED_256, lr=constant(2e-3)))


def _row(
    preset: Preset,
    title: str,
    summary: str,
    networks: Projected,
    recipes: Mapping[str, Recipe],
    unpublished: tuple[str, ...] = (),
) -> Config:
    released = preset is RELEASE
    silent = () if released else ("blocks", "biases and interpolation of CSM")  # of the paper; the code decides them
    return Config(
        title=f"{title} (released code)" if released else title,
        summary=f"{summary}: the released code's choices" if released else summary,
        networks=networks, loss=preset.loss, penalties=(), augmentation="diffaug", recipes=recipes,
        unpublished=(*unpublished, *silent, "networks below 128 px", "feature_px at smoke scale"),
    )  # fmt: skip


def _fastgan_row(preset: Preset, title: str, blocks: Literal["big", "lite"] = "big") -> Config:
    networks = preset.projected(preset.fastgan(blocks))
    return _row(
        preset, title, "FastGAN's generator against discriminators on frozen ImageNet features", networks, _RECIPES
    )


def _other_rows(preset: Preset, suffix: str = "") -> dict[str, Config]:
    """Projected training of other generators."""
    stylegan2 = StyleGAN2(z_dim=64, w_dim=128, width_factor=2, mapping_layers=2, style_mixing_prob=0.0)
    return {
        f"projected-stylegan2{suffix}": _row(
            preset,
            "Projected GAN, StyleGAN2 backbone",
            "StyleGAN2's generator (z 64, w 128, 2 mapping layers) against separable discriminators",
            preset.projected(stylegan2, separable=True),
            _STYLEGAN2_RECIPES,
        ),
        f"projected-A{suffix}": _row(
            preset,
            "Projected GAN, generator of Config A",
            "Config A's generator, with its mapping network and style mixing, under projected training",
            preset.projected(StyleGAN2(), separable=True),
            _STYLEGAN2_RECIPES,
            unpublished=("lr",),
        ),
        f"projected-E{suffix}": _row(
            preset,
            "Projected GAN, generator of Config E",
            "R3GAN's generator under projected training",
            preset.projected(E.networks),
            _recipes(),
            unpublished=("lr",),
        ),
    }


def _ablated(what: str, **changes: object) -> Config:
    """The paper's Projected GAN with its projector changed."""
    networks = replace(PAPER.projected(PAPER.fastgan()), **changes)  # type: ignore[arg-type]
    return _row(PAPER, f"Projected GAN, {what}", f"the paper's Projected GAN, {what}", networks, _RECIPES)


PROJECTED: Mapping[str, Config] = {
    "fastgan": _FASTGAN,
    "projected-fastgan": _fastgan_row(PAPER, "Projected GAN"),
    **_other_rows(PAPER),
    "projected-fastgan-release": _fastgan_row(RELEASE, "Projected GAN"),
    "projected-fastgan-lite-release": _fastgan_row(RELEASE, "Projected GAN, lite blocks", "lite"),
    **_other_rows(RELEASE, "-release"),
    "projected-no-mixing": _ablated("no CCM, no CSM", mix_channels=False, mix_scales=False),
    "projected-ccm": _ablated("CCM without CSM", mix_scales=False),
    "projected-1": _ablated("one discriminator", discriminators=1),
    "projected-2": _ablated("two discriminators", discriminators=2),
    "projected-3": _ablated("three discriminators", discriminators=3),
    "projected-lite0": _ablated("EfficientNet-lite0", backbone="efficientnet-lite0"),
    "projected-random": _ablated("random features", pretrained=False),
}
