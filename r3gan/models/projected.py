"""Projected GAN's discriminator (arXiv 2111.01007): one small discriminator for each map of a frozen projector."""

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.parametrizations import spectral_norm

from r3gan.interfaces import DiscriminatorNetwork
from r3gan.models.layers import LRELU_SLOPE
from r3gan.models.projector import Projector

# Channels by the size that a map would have for an image of 256 px, so that the number of halvings, down to 8 px of
# 256, does not depend on the data.
WIDTHS: Mapping[int, int] = {128: 64, 64: 64, 32: 128, 16: 256, 8: 512}
NOMINAL_PX = 256


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm by the batch's own statistics in any mode: a discriminator always gets whole batches."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def halving(c_in: int, c_out: int) -> nn.Sequential:
    """4x4 at stride 2, spectrally normalised: [N, C_in, H, W] -> [N, C_out, H/2, W/2]."""
    conv = spectral_norm(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1))
    return nn.Sequential(conv, batch_norm(c_out), nn.LeakyReLU(LRELU_SLOPE))


def separable_halving(c_in: int, c_out: int) -> nn.Sequential:
    """A depthwise 3x3 and a 1x1, then the mean of 2x2: [N, C_in, H, W] -> [N, C_out, H/2, W/2]."""
    depthwise = spectral_norm(nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False))
    pointwise = spectral_norm(nn.Conv2d(c_in, c_out, 1, bias=False))
    return nn.Sequential(depthwise, pointwise, batch_norm(c_out), nn.LeakyReLU(LRELU_SLOPE), nn.AvgPool2d(2))


class MapDiscriminator(nn.Sequential):
    """One map [N, C, R / stride, R / stride] -> logits [N, 1, R / 32 - 3, R / 32 - 3]: 4x4 at 224 px, 5x5 at 256.

    The head is 4x4; below 128 px as small as the remaining map, which is not published.
    """

    def __init__(
        self, channels: int, stride: int, block: Callable[[int, int], nn.Module], *, feature_px: int, narrowing: float
    ) -> None:
        sizes = [px for px in WIDTHS if px < NOMINAL_PX // stride]
        widths = [channels, *(int(WIDTHS[px] / narrowing) for px in sizes)]
        head = spectral_norm(nn.Conv2d(widths[-1], 1, min(4, feature_px // 32), bias=False))
        super().__init__(*(block(a, b) for a, b in itertools.pairwise(widths)), head)


class Discriminator(DiscriminatorNetwork):
    """Images [N, 3, R, R] -> logits [N, discriminators, positions], on the projector's maps, finest first.

    Images below `feature_px` are enlarged to it, bilinearly.
    """

    def __init__(
        self, projector: Projector, *, discriminators: int, separable: bool, feature_px: int, narrowing: float = 1
    ) -> None:
        super().__init__()
        self.classes, self.feature_px = 0, feature_px
        self.frozen = (projector,)
        block = separable_halving if separable else halving
        maps = list(zip(projector.channels, projector.strides, strict=True))[:discriminators]
        self.discriminators = nn.ModuleList(
            MapDiscriminator(channels, stride, block, feature_px=feature_px, narrowing=narrowing)
            for channels, stride in maps
        )

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if images.shape[2] < self.feature_px:
            images = interpolate(images, size=(self.feature_px, self.feature_px), mode="bilinear")
        maps = self.frozen[0](images)
        logits = [net(x).flatten(1) for net, x in zip(self.discriminators, maps, strict=False)]
        return torch.stack(logits, dim=1)
