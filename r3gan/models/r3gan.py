"""Configs D and E of R3GAN (arXiv 2501.05441): residual networks without normalisation, G and D mirror each other."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from r3gan.interfaces import Affine, DiscriminatorNetwork, GeneratorNetwork
from r3gan.models.layers import (
    Basis,
    Cast,
    Chain,
    ClassEmbedding,
    Conv2d,
    Layer,
    Linear,
    Pullback,
    chain_pullback,
    downsample2x,
    downsample2x_transpose,
    linear_pullback,
    normal_parameter,
    upsample2x,
)
from r3gan.models.nonlinear import LEAKY_RELU, Nonlinearity

BLOCKS_PER_STAGE = 2


class ResidualBlock(Layer):
    """y = x + conv3(conv2(conv1(x))) at constant width: 1x1 to the inner width, 3x3 (grouped), 1x1 back.

    The first two convolutions start at gain g * L^(-1/4) for a network of L blocks, the last at zero, so that every
    block starts as the identity and the variance of the sum does not grow with depth (Fixup). The branch comes first in
    every sum: a sum has the layout of its first term, and a convolution that of its weight.
    """

    def __init__(
        self, width: int, inner: int, groups: int, network_blocks: int, between: Nonlinearity = LEAKY_RELU
    ) -> None:
        super().__init__()
        scale = network_blocks**-0.25
        self.conv1 = between.conv2d(width, inner, scale=scale)
        self.conv2 = between.conv2d(inner, inner, 3, groups=groups, scale=scale)
        self.conv3 = Conv2d(inner, width, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.conv1(x))) + x

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        branch, back = chain_pullback((self.conv1, self.conv2, self.conv3), x)

        def pull(after: Affine) -> Affine:
            gradient, constant = back(after)
            return Affine(gradient + after.gradient, constant)

        return branch + x, pull


def residual_blocks(
    width: int, inner_ratio: float, group_size: int | None, network_blocks: int, between: Nonlinearity
) -> Chain:
    """The blocks of one stage; `group_size` None means a dense 3x3."""
    inner = int(width * inner_ratio)
    groups = 1 if group_size is None else inner // group_size
    blocks = [ResidualBlock(width, inner, groups, network_blocks, between) for _ in range(BLOCKS_PER_STAGE)]
    return Chain(*blocks)


class Upsample(nn.Module):
    """Transition of G: 1x1 at the lower resolution where the width changes, then twice the resolution."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = Conv2d(c_in, c_out) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return upsample2x(self.conv(x))


class Downsample(Layer):
    """Transition of D: half the resolution, then 1x1 at the lower resolution where the width changes."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = Chain(Conv2d(c_in, c_out)) if c_in != c_out else Chain()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(downsample2x(x))

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        y, back = self.conv.pullback(downsample2x(x))
        before_halving = linear_pullback(downsample2x_transpose)
        return y, lambda after: before_halving(back(after))


class Generator(GeneratorNetwork):
    """z [N, z_dim], labels [N] or None -> images [N, C, R, R] in about [-1, 1], R = 4 * 2^(stages - 1).

    `widths` counts channels per resolution, 4x4 first. With `output_skips` every resolution has a 1x1 to the image
    and the results are summed through upsampling ("D + ResNet-ify"); without, only the last has one.
    """

    mixed_precision = True

    def __init__(
        self,
        *,
        widths: Sequence[int],
        inner_ratio: float,
        group_size: int | None,
        output_skips: bool = False,
        z_dim: int = 64,
        classes: int = 0,
        image_channels: int = 3,
        between: Nonlinearity = LEAKY_RELU,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        network_blocks = BLOCKS_PER_STAGE * len(widths)
        if classes:
            self.embed = ClassEmbedding(classes, z_dim)
        first = Basis(2 * z_dim if classes else z_dim, widths[0])
        later = [Upsample(a, b) for a, b in itertools.pairwise(widths)]
        self.transitions = nn.ModuleList([first, *later])
        stages = (residual_blocks(w, inner_ratio, group_size, network_blocks, between) for w in widths)
        self.stages = nn.ModuleList(stages)
        heads = [Conv2d(w, image_channels) for w in (widths if output_skips else widths[-1:])]
        self.to_image = nn.ModuleList(heads)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            z = torch.cat([z, self.embed(labels)], dim=1)
        x, images = z, []
        for i, (transition, stage) in enumerate(zip(self.transitions, self.stages, strict=True)):
            x = stage(transition(x.to(self.dtype_at(4 * 2**i, z.dtype))))
            images.append(x)
        # The last len(to_image) resolutions have an output: one, or all of them. Images are summed in full precision.
        image = self.to_image[0](images[-len(self.to_image)]).to(z.dtype)
        for head, x in zip(self.to_image[1:], images[1:], strict=False):
            image = upsample2x(image) + head(x).to(z.dtype)
        return image


class Discriminator(DiscriminatorNetwork):
    """images [N, C, R, R], labels [N] or None -> logits [N]; `widths` per resolution, 4x4 first, as in G."""

    mixed_precision = True
    mixes_samples = False

    def __init__(
        self,
        *,
        widths: Sequence[int],
        inner_ratio: float,
        group_size: int | None,
        classes: int = 0,
        image_channels: int = 3,
        between: Nonlinearity = LEAKY_RELU,
    ) -> None:
        super().__init__()
        self.classes = classes
        network_blocks = BLOCKS_PER_STAGE * len(widths)
        falling = list(reversed(widths))
        self.from_image = Conv2d(image_channels, falling[0])
        stages = (residual_blocks(w, inner_ratio, group_size, network_blocks, between) for w in falling)
        self.stages = nn.ModuleList(stages)
        self.transitions = nn.ModuleList(Downsample(a, b) for a, b in itertools.pairwise(falling))
        self.head = Head(widths[0], max(widths) if classes else 1)
        if classes:
            self.embed = ClassEmbedding(classes, max(widths), gain=max(widths) ** -0.5)

    def body(self, images: Tensor) -> list[Layer | Chain | Cast]:
        """The layers from images to [N, 1] or [N, W_max], in the precision of each stage; the head in the images'."""
        layers: list[Layer | Chain | Cast] = []
        for i, stage in enumerate(self.stages):
            layers.append(Cast(self.dtype_at(images.shape[2] // 2**i, images.dtype)))
            layers += [self.from_image] * (i == 0)
            layers.append(stage)  # type: ignore[arg-type]
            layers += [self.transitions[i]] if i < len(self.transitions) else [Cast(images.dtype), self.head]  # type: ignore[list-item]
        return layers

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        x = images
        for layer in self.body(images):
            x = layer(x)
        return (x * self.embed(labels)).sum(dim=1) if self.classes else x.squeeze(1)

    def pullback(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Pullback]:
        x, back = chain_pullback(self.body(images), images)
        if self.classes:
            logits = (x * self.embed(labels)).sum(dim=1)
            before_sum = linear_pullback(lambda g: g[:, None] * self.embed(labels))
        else:
            logits, before_sum = x.squeeze(1), linear_pullback(lambda g: g[:, None])
        return logits, lambda after: back(before_sum(after))


class Head(Layer):
    """Mirror of the generator's basis: a depthwise 4x4 valid convolution, then Linear: [N, W, 4, 4] -> [N, C_out]."""

    def __init__(self, width: int, c_out: int) -> None:
        super().__init__()
        self.basis = normal_parameter(width, 1, 4, 4, gain=1.0)
        self.linear = Linear(width, c_out)

    def forward(self, x: Tensor) -> Tensor:
        # A valid depthwise convolution over the whole 4x4 map is a weighted sum per channel.
        return self.linear((x * self.basis.squeeze(1)).sum(dim=(2, 3)))

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        def transpose(g: Tensor) -> Tensor:
            return self.linear.transpose(g)[:, :, None, None] * self.basis.squeeze(1)

        return self(x), linear_pullback(transpose)
