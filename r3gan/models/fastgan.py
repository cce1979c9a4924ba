"""FastGAN's generator (arXiv 2101.04775): gated up-sampling blocks and skip-layer excitation, no mapping network.

From 128 px on it is the official one. Below, which is not published, the same blocks stop earlier and the last
resolution is excited from 4x4, since the official pairs of resolutions, a factor of 16 apart, do not exist.
"""

import itertools
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, silu
from torch.nn.utils.parametrizations import spectral_norm

from r3gan.interfaces import GeneratorNetwork

Blocks = Literal["big", "lite", "alternating"]

# Channels at a resolution, in units of ngf.
MULTIPLIERS: Mapping[int, float] = {
    4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125
}  # fmt: skip
FIRST_EXCITED_PX, LAST_EXCITED_PX, EXCITED_FROM = 64, 512, 16  # a map is excited by one 16 times smaller


def conv(c_in: int, c_out: int, kernel: int, *, bias: bool = False) -> nn.Module:
    """Size-preserving, spectrally normalised convolution."""
    return spectral_norm(nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=bias))


class Noise(nn.Module):
    """Adds N(0, 1) per pixel, the same in all channels, times a learned scalar initialised to 0."""

    fixed = False  # one pattern for all images

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.fixed:
            pattern = torch.randn(1, 1, *x.shape[2:], generator=torch.Generator().manual_seed(x.shape[2]))
            return x + self.strength * pattern.to(x)
        return x + self.strength * torch.randn(len(x), 1, *x.shape[2:], dtype=x.dtype, device=x.device)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose running averages are plain means for the first 1 / momentum batches.

    torch's start from mean 0 and variance 1, which is far above the output of spectrally normalised layers: the moving
    average of G, which uses them, would generate grey images for the first tens of steps.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        y = batch_norm(x, mean, var, self.weight, self.bias, training=True, momentum=1.0, eps=self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = self.num_batches_tracked.to(mean).reciprocal().clamp(min=self.momentum)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(var, share)
        return y


def up_block(c_in: int, c_out: int, *, big: bool) -> nn.Sequential:
    """[N, C_in, H, W] -> [N, C_out, 2H, 2W]; a big block has noise and a second convolution."""
    layers: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest")]
    for channels in (c_in, c_out) if big else (c_in,):
        noise = [Noise()] if big else []
        layers += [conv(channels, 2 * c_out, 3), *noise, BatchNorm2d(2 * c_out), nn.GLU(dim=1)]
    return nn.Sequential(*layers)


class SkipLayerExcitation(nn.Module):
    """A large map [N, C_large, H, W] times gates in (0, 1) per channel, from a small one [N, C_small, h, w]."""

    def __init__(self, c_small: int, c_large: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.squeeze = spectral_norm(nn.Conv2d(c_small, c_large, 4, bias=False))  # 4x4 -> 1x1
        self.gate = conv(c_large, c_large, 1)

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        return large * torch.sigmoid(self.gate(silu(self.squeeze(self.pool(small)))))


def excitations(resolution: int) -> dict[int, int]:
    """Which resolution is excited by which smaller one."""
    first = min(FIRST_EXCITED_PX, resolution)
    excited = (px for px in MULTIPLIERS if first <= px <= min(resolution, LAST_EXCITED_PX))
    return {px: max(4, px // EXCITED_FROM) for px in excited}


class Generator(GeneratorNetwork):
    """z [N, z_dim] -> images [N, C, R, R], R a power of two from 8 to 1024; in [-1, 1] only with `tanh`.

    Unconditional. `normalise_z` scales z to |z|^2 = z_dim.
    """

    def __init__(
        self,
        *,
        resolution: int,
        ngf: int,
        blocks: Blocks,
        normalise_z: bool,
        tanh: bool,
        z_dim: int = 256,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes, self.normalise_z, self.tanh = z_dim, 0, normalise_z, tanh
        channels = {px: int(factor * ngf) for px, factor in MULTIPLIERS.items() if px <= resolution}
        self.first = nn.Sequential(
            spectral_norm(nn.ConvTranspose2d(z_dim, 2 * channels[4], 4, bias=False)),  # 1x1 -> 4x4
            BatchNorm2d(2 * channels[4]),
            nn.GLU(dim=1),
        )
        big = {"big": (True, True), "lite": (False, False), "alternating": (True, False)}[blocks]
        self.blocks = nn.ModuleDict(
            {
                str(after): up_block(channels[before], channels[after], big=big[i % 2])
                for i, (before, after) in enumerate(itertools.pairwise(channels))
            }
        )
        self.excite = nn.ModuleDict(
            {
                str(large): SkipLayerExcitation(channels[small], channels[large])
                for large, small in excitations(resolution).items()
            }
        )
        self.excited_by = excitations(resolution)
        self.to_image = conv(channels[resolution], image_channels, 3, bias=True)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.normalise_z:
            z = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        x = self.first(z[:, :, None, None])
        maps = {4: x}
        for name, block in self.blocks.items():
            px = int(name)
            x = block(x)
            if px in self.excited_by:
                x = self.excite[name](maps[self.excited_by[px]], x)
            maps[px] = x
        image: Tensor = self.to_image(x)
        return torch.tanh(image) if self.tanh else image

    def fix_noise(self) -> None:
        for module in self.modules():
            if isinstance(module, Noise):
                module.fixed = True
