"""Families of networks, each buildable at any data set's size. torch is imported when a network is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from r3gan.errors import UserError

if TYPE_CHECKING:
    from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork

LEAST_WIDTH = 8  # channels of a narrow DCGAN's layers, and FastGAN's ngf and ndf


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of all configurations' networks at a data set; `base_widths` are Config A's channels at 4x4, 8x8, ..."""

    base_widths: tuple[int, ...]
    group_size: int = 16
    classes: int = 0
    image_channels: int = 3
    bf16_from_px: int = 8  # with mixed precision: the lowest resolution in bfloat16
    narrowing: float = 1  # divides FastGAN's and Projected GAN's channels, which do not depend on `base_widths`
    feature_px: int = 224  # images are enlarged to this for Projected GAN's feature network
    published: bool = True  # a size of the paper, whose parameter counts are printed there

    @property
    def resolution(self) -> int:
        return int(4 * 2 ** (len(self.base_widths) - 1))


class Networks(Protocol):
    """A family of networks, buildable at any size it allows; equal ones build the same."""

    conditional: ClassVar[bool]  # whether labels can be given to them

    @property
    def piecewise_linear(self) -> bool:
        """Whether D is piecewise linear in its images, so that penalties need no double backward."""
        ...

    def __hash__(self) -> int: ...

    def generator(self, size: Size) -> GeneratorNetwork: ...

    def discriminator(self, size: Size) -> DiscriminatorNetwork: ...


def _refuse_classes(family: str, size: Size) -> None:
    if size.classes:
        raise UserError(f"{family} networks are unconditional, and this size has {size.classes} classes")


@dataclass(frozen=True, kw_only=True)
class StyleGAN2:
    """Config A; z = w = 512 at `paper256`, narrower in proportion to the widest layer at other sizes.

    `width_factor` multiplies the base widths, up to the widest: 2 is the published channel_base 32768 at 256 px.
    """

    z_dim: int | None = None  # None: as wide as the widest layer
    w_dim: int | None = None
    width_factor: int = 1
    mapping_layers: int = 8
    mapping_lr_multiplier: float = 0.01
    style_mixing_prob: float = 0.9
    stddev_group: int = 8
    conditional: ClassVar[bool] = False
    piecewise_linear: ClassVar[bool] = False

    def generator(self, size: Size) -> GeneratorNetwork:
        from r3gan.models import stylegan2

        _refuse_classes("Config A", size)
        widest = max(size.base_widths)
        return stylegan2.Generator(
            widths=[min(self.width_factor * width, widest) for width in size.base_widths],
            z_dim=self.z_dim or widest,
            w_dim=self.w_dim or widest,
            mapping_layers=self.mapping_layers,
            mapping_lr_multiplier=self.mapping_lr_multiplier,
            style_mixing_prob=self.style_mixing_prob,
            image_channels=size.image_channels,
        )

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import stylegan2

        _refuse_classes("Config A", size)
        return stylegan2.Discriminator(
            widths=size.base_widths, stddev_group=self.stddev_group, image_channels=size.image_channels
        )


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """Configs B and C."""

    z_dim: int = 64
    conditional: ClassVar[bool] = False
    piecewise_linear: ClassVar[bool] = True

    def generator(self, size: Size) -> GeneratorNetwork:
        from r3gan.models import stripped

        _refuse_classes("Config B and C", size)
        return stripped.Generator(widths=size.base_widths, z_dim=self.z_dim, image_channels=size.image_channels)

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import stripped

        _refuse_classes("Config B and C", size)
        return stripped.Discriminator(widths=size.base_widths, image_channels=size.image_channels)


@dataclass(frozen=True, kw_only=True)
class R3GAN:
    """Configs D and E: stem = stem_ratio * base width, inner width = inner_ratio * stem, 3x3 dense or grouped.

    Other activations and normalisations than the paper's are for variants (r3gan/models/nonlinear.py).
    """

    stem_ratio: float
    inner_ratio: float
    grouped: bool
    output_skips: bool = False
    z_dim: int = 64
    max_width: int | None = None
    activation: Literal["lrelu", "gelu", "swish"] = "lrelu"
    norm: Literal["none", "group"] = "none"
    conditional: ClassVar[bool] = True

    @property
    def piecewise_linear(self) -> bool:
        """Whether nothing but LeakyReLU stands between convolutions."""
        return self.activation == "lrelu" and self.norm == "none"

    def _body(self, size: Size) -> dict[str, Any]:
        from r3gan.models.nonlinear import Nonlinearity

        widths = tuple(int(self.stem_ratio * w) for w in size.base_widths)
        if self.max_width:
            widths = tuple(min(w, self.max_width) for w in widths)
        normed = self.norm == "group"
        if (self.grouped or normed) and any(int(w * self.inner_ratio) % size.group_size for w in widths):
            groups = f"groups of {size.group_size}"
            raise UserError(f"inner widths of {widths} x {self.inner_ratio:g} do not split into {groups}")
        return {
            "widths": widths,
            "inner_ratio": self.inner_ratio,
            "group_size": size.group_size if self.grouped else None,
            "between": Nonlinearity(self.activation, size.group_size if normed else None),
            "classes": size.classes,
            "image_channels": size.image_channels,
        }

    def generator(self, size: Size) -> GeneratorNetwork:
        from r3gan.models import r3gan

        return r3gan.Generator(**self._body(size), output_skips=self.output_skips, z_dim=self.z_dim)

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import r3gan

        return r3gan.Discriminator(**self._body(size))


@dataclass(frozen=True, kw_only=True)
class DCGAN:
    """The classic baseline; widths halve at every doubling, from Config A's at 4x4 on."""

    z_dim: int = 100
    conditional: ClassVar[bool] = False
    piecewise_linear: ClassVar[bool] = False

    def _widths(self, size: Size) -> tuple[int, ...]:
        """At 4x4 up to half the resolution."""
        return tuple(max(LEAST_WIDTH, size.base_widths[0] >> i) for i in range(len(size.base_widths) - 1))

    def generator(self, size: Size) -> GeneratorNetwork:
        from r3gan.models import dcgan

        _refuse_classes("DCGAN", size)
        return dcgan.Generator(widths=self._widths(size), z_dim=self.z_dim, image_channels=size.image_channels)

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import dcgan

        _refuse_classes("DCGAN", size)
        return dcgan.Discriminator(widths=self._widths(size), image_channels=size.image_channels)


@dataclass(frozen=True, kw_only=True)
class FastGAN:
    """FastGAN, unconditional: its generator, and its own discriminator with reconstruction decoders."""

    ngf: int = 64
    ndf: int = 64
    z_dim: int = 256
    blocks: Literal["big", "lite", "alternating"] = "alternating"
    normalise_z: bool = False
    tanh: bool = True
    perceptual: str = "efficientnet-lite1"  # an entry of BACKBONES, in whose features reconstructions are compared
    conditional: ClassVar[bool] = False
    piecewise_linear: ClassVar[bool] = False
    leaks_imagenet: ClassVar[bool] = True  # training uses features learned on ImageNet, as FID does

    def generator(self, size: Size) -> GeneratorNetwork:
        from r3gan.models import fastgan

        return fastgan.Generator(
            resolution=size.resolution,
            ngf=max(LEAST_WIDTH, int(self.ngf / size.narrowing)),
            blocks=self.blocks,
            normalise_z=self.normalise_z,
            tanh=self.tanh,
            z_dim=self.z_dim,
            image_channels=size.image_channels,
        )

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import fastgan_discriminator, projector

        return fastgan_discriminator.Discriminator(
            projector.FeatureMaps(self.perceptual, pretrained=True),
            resolution=size.resolution,
            ndf=max(LEAST_WIDTH, int(self.ndf / size.narrowing)),
            image_channels=size.image_channels,
        )


@dataclass(frozen=True, kw_only=True)
class Projected:
    """Another family's generator against Projected GAN's discriminators."""

    player: Networks
    backbone: str  # an entry of BACKBONES
    csm_kernel: int
    mixing_init: Literal["kaiming", "default"]
    pretrained: bool = True  # false: random features
    mix_channels: bool = True
    mix_scales: bool = True
    discriminators: int = 4
    separable: bool = False
    ccm_widths: tuple[int, ...] = (64, 128, 256, 512)
    conditional: ClassVar[bool] = False
    piecewise_linear: ClassVar[bool] = False

    @property
    def leaks_imagenet(self) -> bool:
        """Whether training uses features learned from ImageNet's labels, as FID does."""
        return self.pretrained

    def generator(self, size: Size) -> GeneratorNetwork:
        return self.player.generator(size)

    def discriminator(self, size: Size) -> DiscriminatorNetwork:
        from r3gan.models import projected, projector

        return projected.Discriminator(
            projector.Projector(
                projector.FeatureMaps(self.backbone, pretrained=self.pretrained),
                widths=[int(width / size.narrowing) for width in self.ccm_widths],
                mix_channels=self.mix_channels,
                mix_scales=self.mix_scales,
                csm_kernel=self.csm_kernel,
                kaiming=self.mixing_init == "kaiming",
            ),
            discriminators=self.discriminators,
            separable=self.separable,
            feature_px=size.feature_px,
            narrowing=size.narrowing,
        )
