"""DCGAN (arXiv 1511.06434), the classic baseline: strided 4x4 convolutions with batch norm, G ends in tanh.

Widths follow the paper's rule, halved at every doubling of the resolution; N(0, 0.02) weights, batch-norm gains
N(1, 0.02), no norm at D's input and G's output. Convolutions before a norm have no bias.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from r3gan.interfaces import DiscriminatorNetwork, GeneratorNetwork

WEIGHT_STD = 0.02


def initialised(net: nn.Module) -> nn.Module:
    """DCGAN's initialisation."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=WEIGHT_STD)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=WEIGHT_STD)
    return net


class Generator(GeneratorNetwork):
    """z [N, z_dim] -> images [N, C, R, R] in [-1, 1]; `widths` at 4x4, 8x8, ... R/2 x R/2."""

    def __init__(self, *, widths: Sequence[int], z_dim: int = 100, image_channels: int = 3) -> None:
        super().__init__()
        self.z_dim, self.classes = z_dim, 0
        blocks: list[nn.Module] = []
        channels = z_dim
        for i, width in enumerate(widths):
            stride, padding = (1, 0) if i == 0 else (2, 1)  # 1x1 -> 4x4, then doubling
            up = nn.ConvTranspose2d(channels, width, 4, stride, padding, bias=False)
            blocks += [up, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        blocks += [nn.ConvTranspose2d(channels, image_channels, 4, 2, 1), nn.Tanh()]
        self.blocks = initialised(nn.Sequential(*blocks))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.blocks(z[:, :, None, None])  # [N, z_dim, 1, 1] -> [N, C, R, R]


class Discriminator(DiscriminatorNetwork):
    """Images [N, C, R, R] -> logits [N]; batch norm mixes samples, so reals and fakes are separate batches."""

    def __init__(self, *, widths: Sequence[int], image_channels: int = 3) -> None:
        super().__init__()
        self.classes = 0
        blocks: list[nn.Module] = []
        channels = image_channels
        for i, width in enumerate(reversed(widths)):
            blocks.append(nn.Conv2d(channels, width, 4, 2, 1, bias=i == 0))
            blocks += [nn.BatchNorm2d(width)] if i else []
            blocks.append(nn.LeakyReLU(0.2))
            channels = width
        blocks.append(nn.Conv2d(channels, 1, 4))  # 4x4 -> 1x1
        self.blocks = initialised(nn.Sequential(*blocks))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.blocks(images).flatten()
