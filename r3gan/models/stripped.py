"""Configs B and C of R3GAN: StyleGAN2 without its tricks, which leaves a DCGAN-like G and a residual D.

Removed: z normalisation, mapping network, style injection, weight (de)modulation, noise, mixing, minibatch-stddev,
equalised learning rate. Not published, chosen here: the initialisation is variance-preserving (gain of the following
activation over sqrt(fan_in)), biases start at 0, activations carry no gain, residual sums are scaled by sqrt(1/2) as
in Config A.
"""

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from r3gan.interfaces import Affine, DiscriminatorNetwork, GeneratorNetwork
from r3gan.models.layers import (
    LRELU_GAIN,
    ActivatedConv2d,
    Basis,
    BiasedLeakyReLU,
    Chain,
    Conv2d,
    Layer,
    Linear,
    Pullback,
    chain_pullback,
    downsampling_conv2d,
    downsampling_conv2d_transpose,
    linear_pullback,
    upsample2x,
)


class BiasedConv2d(Conv2d):
    """Convolution with a bias started at 0, for ToRGB."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out)
        self.bias = BiasedLeakyReLU(c_out).bias

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias[:, None, None]


class Generator(GeneratorNetwork):
    """z [N, z_dim] -> images [N, C, R, R]: 4x4 basis, two 3x3 a resolution, outputs summed through upsampled skips."""

    def __init__(self, *, widths: Sequence[int], z_dim: int = 64, image_channels: int = 3) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, 0
        self.basis = Basis(z_dim, widths[0])
        self.first = ActivatedConv2d(widths[0], widths[0], 3)
        self.stages = nn.ModuleList(
            nn.Sequential(ActivatedConv2d(a, b, 3), ActivatedConv2d(b, b, 3)) for a, b in itertools.pairwise(widths)
        )
        self.to_image = nn.ModuleList(BiasedConv2d(w, image_channels) for w in widths)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.first(self.basis(z))
        image = self.to_image[0](x)
        for stage, head in zip(self.stages, self.to_image[1:], strict=True):
            x = stage(upsample2x(x))
            image = upsample2x(image) + head(x)
        return image


class DownBlock(Layer):
    """Two 3x3, the second halving, plus a 1x1 shortcut: [N, C_in, H, W] -> [N, C_out, H/2, W/2]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = ActivatedConv2d(c_in, c_in, 3)
        self.conv2 = Conv2d(c_in, c_out, 3, gain=LRELU_GAIN)
        self.act2 = BiasedLeakyReLU(c_out)
        self.shortcut = Conv2d(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act2(downsampling_conv2d(self.conv1(x), self.conv2.weight))
        return (y + downsampling_conv2d(x, self.shortcut.weight)) * math.sqrt(0.5)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        y, back1 = self.conv1.pullback(x)
        y, back2 = self.act2.pullback(downsampling_conv2d(y, self.conv2.weight))

        def pull(after: Affine) -> Affine:
            g = after.gradient * math.sqrt(0.5)
            before_act2, constant = back2(Affine(g, after.constant))
            main, constant = back1(Affine(downsampling_conv2d_transpose(before_act2, self.conv2.weight), constant))
            return Affine(main + downsampling_conv2d_transpose(g, self.shortcut.weight), constant)

        return (y + downsampling_conv2d(x, self.shortcut.weight)) * math.sqrt(0.5), pull


class Discriminator(DiscriminatorNetwork):
    """images [N, C, R, R] -> logits [N]: Config A's residual D without the minibatch-stddev channel."""

    mixes_samples = False

    def __init__(self, *, widths: Sequence[int], image_channels: int = 3) -> None:
        super().__init__()
        self.classes = 0
        falling = list(reversed(widths))
        self.from_image = ActivatedConv2d(image_channels, falling[0])
        self.stages = Chain(*[DownBlock(a, b) for a, b in itertools.pairwise(falling)])
        self.last_conv = ActivatedConv2d(widths[0], widths[0], 3)
        self.linear = Linear(16 * widths[0], widths[0], gain=LRELU_GAIN)
        self.act = BiasedLeakyReLU(widths[0])
        self.logit = BiasedLinear(widths[0], 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.last_conv(self.stages(self.from_image(images)))
        return self.logit(self.act(self.linear(x.flatten(1)))).squeeze(1)

    def pullback(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Pullback]:
        x, back = chain_pullback((self.from_image, self.stages, self.last_conv), images)
        shape = x.shape
        logits, head_back = chain_pullback((self.linear, self.act, self.logit), x.flatten(1))

        def pull(after: Affine) -> Affine:
            gradient, constant = head_back(Affine(after.gradient[:, None], after.constant))
            return back(Affine(gradient.reshape(shape), constant))

        return logits.squeeze(1), pull


class BiasedLinear(Linear):
    """Matrix product with a bias started at 0, for the logit."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out)
        self.bias = BiasedLeakyReLU(c_out).bias

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.bias

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        before_product = linear_pullback(self.transpose)
        return self(x), lambda after: before_product(after.before_bias(self.bias))
