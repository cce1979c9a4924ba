"""The frozen part of Projected GAN's discriminator (arXiv 2111.01007, section 3): a feature network, random mixing.

Images -> feature maps at strides 4, 8, 16, 32 -> cross-channel mixing (CCM), a random 1x1 convolution a map -> cross-
scale mixing (CSM), a random top-down path. Nothing here is trained; what is random follows from the run's seed.
"""

from collections.abc import Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from r3gan.models.backbones import find_backbone, load_backbone, random_backbone

STRIDES = (4, 8, 16, 32)


class Frozen(nn.Module):
    """Never trained, always in eval mode."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class FeatureMaps(Frozen):
    """Images [N, 3, R, R] in [-1, 1] -> four maps [N, channels[i], R / STRIDES[i], R / STRIDES[i]].

    A feature network of BACKBONES with its ImageNet weights, or with random ones where `pretrained` is false. Maps of a
    transformer, which all have one size, are resized, which is not published.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, name: str, *, pretrained: bool) -> None:
        super().__init__()
        network = cast(Any, load_backbone(name) if pretrained else random_backbone(name))
        self.taps = find_backbone(name).taps
        self.channels = [network.feature_info[tap]["num_chs"] for tap in self.taps]
        network.prune_intermediate_layers(list(self.taps), prune_norm=False, prune_head=True)
        self.network = network
        # From [-1, 1] to the range that the network was trained on; for the lite networks that is [-1, 1].
        mean, std = (torch.tensor(network.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
        self.register_buffer("scale", 0.5 / std)
        self.register_buffer("shift", (0.5 - mean) / std)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        x = images * self.scale + self.shift
        maps: list[Tensor] = self.network.forward_intermediates(x, indices=list(self.taps), intermediates_only=True)
        if len({x.shape[2:] for x in maps}) > 1:
            return maps
        sizes = [images.shape[2] // stride for stride in STRIDES]
        return [interpolate(x, size=(size, size), mode="bilinear") for x, size in zip(maps, sizes, strict=True)]


def mixing_conv(c_in: int, c_out: int, kernel: int, *, kaiming: bool) -> nn.Conv2d:
    """A random size-preserving convolution; Kaiming: weights N(0, 2 / fan_in), no bias; else torch's default."""
    conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
    if kaiming:
        nn.init.kaiming_normal_(conv.weight)
        nn.init.zeros_(cast(Tensor, conv.bias))
    return conv


class Projector(Frozen):
    """Images [N, 3, R, R] -> maps [N, channels[i], R / strides[i], R / strides[i]], fine to coarse, strides rising.

    `widths` are the channels after CCM, fine to coarse. CSM upsamples every map and adds it to the next finer one:
    y3 = conv(up(c3)), y2 = conv(up(y3 + c2)), y1 = conv(up(y2 + c1)), y0 = conv(up(y1 + c0)).
    """

    def __init__(
        self,
        features: FeatureMaps,
        *,
        widths: Sequence[int],
        mix_channels: bool,
        mix_scales: bool,
        csm_kernel: int,
        kaiming: bool,
    ) -> None:
        super().__init__()
        self.features = features
        self.channels, self.strides = list(features.channels), list(STRIDES)
        self.ccm, self.csm = nn.ModuleList(), nn.ModuleList()
        if mix_channels:
            pairs = zip(self.channels, widths, strict=True)
            self.ccm.extend(mixing_conv(a, b, 1, kaiming=kaiming) for a, b in pairs)
            self.channels = list(widths)
        if mix_scales:
            upsampled_to = [self.channels[0], *self.channels[:-1]]  # the width of the finer map that each is added to
            pairs = zip(self.channels, upsampled_to, strict=True)
            self.csm.extend(mixing_conv(a, b, csm_kernel, kaiming=kaiming) for a, b in pairs)
            self.channels, self.strides = upsampled_to, [stride // 2 for stride in STRIDES]
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.features(images)  # at 224 px and lite networks: 24x56x56, 40x28x28, 112x14x14, 320x7x7
        if self.ccm:
            maps = [conv(x) for conv, x in zip(self.ccm, maps, strict=True)]
        if not self.csm:
            return maps
        mixed = [upsampled(self.csm[-1], maps[-1])]
        for conv, finer in zip(reversed(self.csm[:-1]), reversed(maps[:-1]), strict=True):
            mixed.append(upsampled(conv, mixed[-1] + finer))
        return mixed[::-1]  # 64x112x112, 64x56x56, 128x28x28, 256x14x14


def upsampled(conv: nn.Module, x: Tensor) -> Tensor:
    """The convolution of `x` at twice its resolution; bilinear, corners aligned as in the official code.

    A 1x1 convolution commutes with interpolation, whose weights sum to one: it is then applied at the lower resolution,
    at a quarter of the work.
    """
    if conv.kernel_size == (1, 1):
        return interpolate(conv(x), scale_factor=2, mode="bilinear", align_corners=True)
    return conv(interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
