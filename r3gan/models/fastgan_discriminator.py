"""FastGAN's own discriminator (arXiv 2101.04775, section 3.2): two scales, and decoders that reconstruct the reals.

The reconstructions are compared in the features of a pretrained network. The authors use VGG16 with learned weights
(LPIPS); here it is a network of BACKBONES, whose maps have equal weights.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from torch.nn.utils.parametrizations import spectral_norm

from r3gan.interfaces import DiscriminatorNetwork
from r3gan.models.fastgan import SkipLayerExcitation, conv, up_block
from r3gan.models.layers import LRELU_SLOPE
from r3gan.models.projected import batch_norm
from r3gan.models.projector import FeatureMaps

LARGEST_MAP_PX, PART_PX, LAST_PX = 256, 16, 8
SMALL_PX = 128  # of the second scale, and of what the decoders reconstruct
EXCITED_FROM = 8  # a map is excited by one 8 times larger


def halving(c_in: int, c_out: int) -> nn.Module:
    """4x4 at stride 2, spectrally normalised."""
    return spectral_norm(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1, bias=False))


class DownBlock(nn.Module):
    """[N, C_in, H, W] -> [N, C_out, H/2, W/2]: the mean of two convolutions and of a pooled 1x1."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        act = nn.LeakyReLU(LRELU_SLOPE)
        first = (halving(c_in, c_out), batch_norm(c_out), act)
        self.main = nn.Sequential(*first, conv(c_out, c_out, 3), batch_norm(c_out), act)
        self.direct = nn.Sequential(nn.AvgPool2d(2), conv(c_in, c_out, 1), batch_norm(c_out), act)

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.direct(x)) / 2


def from_image(image_channels: int, resolution: int, ndf: int) -> nn.Sequential:
    """Images -> the first map, halved to 256 px where they are larger."""
    if resolution <= LARGEST_MAP_PX:
        return nn.Sequential(conv(image_channels, 64 * ndf // resolution, 3), nn.LeakyReLU(LRELU_SLOPE))
    sizes = [px for px in (512, 256) if px < resolution]
    widths = [image_channels, *(64 * ndf // px for px in sizes)]
    pairs = ((halving(a, b), nn.LeakyReLU(LRELU_SLOPE)) for a, b in itertools.pairwise(widths))
    return nn.Sequential(*itertools.chain.from_iterable(pairs))


def decoder(c_in: int, decoded_px: int, ndf: int, image_channels: int) -> nn.Sequential:
    """A map [N, C_in, 8, 8] -> images in [-1, 1] at `decoded_px`."""
    widths = [c_in, *(max(1, 64 // px) * ndf for px in (16, 32, 64, 128) if px <= decoded_px)]
    blocks = (up_block(a, b, big=False) for a, b in itertools.pairwise(widths))
    return nn.Sequential(*blocks, conv(widths[-1], image_channels, 3), nn.Tanh())


def quadrant(x: Tensor, index: int) -> Tensor:
    """One of the four quarters of [N, C, H, W]."""
    rows, columns = (size // 2 for size in x.shape[2:])
    top, left = (index // 2) * rows, (index % 2) * columns
    return x[:, :, top : top + rows, left : left + columns]


def feature_distance(network: nn.Module, decoded: Tensor, targets: Tensor) -> Tensor:
    """Perceptual distance [N] in [0, 2]: one minus the cosine of their features, mean over positions and maps.

    Two passes, since the targets need no gradient.
    """
    pairs = zip(network(decoded), network(targets), strict=True)
    distances = [(normalize(a) - normalize(b)).square().sum(dim=1).mean(dim=(1, 2)) / 2 for a, b in pairs]
    return torch.stack(distances).mean(dim=0)


class Discriminator(DiscriminatorNetwork):
    """Images [N, C, R, R] -> logits [N, 2, 25]: of the image, and of the image reduced to 128 px; R from 8 to 1024.

    Fakes are reduced as the reals are; the authors' generator has a second output instead. Images of 8 px are enlarged
    to 16.
    """

    def __init__(self, perceptual: FeatureMaps, *, resolution: int, ndf: int = 64, image_channels: int = 3) -> None:
        super().__init__()
        self.classes = 0
        self.frozen = (perceptual,)
        self.resolution = resolution = max(PART_PX, resolution)
        sizes = [px for px in (256, 128, 64, 32, 16, 8) if px <= resolution]
        width = {px: 64 * ndf // px for px in sizes}
        self.from_image = from_image(image_channels, resolution, ndf)
        self.blocks = nn.ModuleDict({str(b): DownBlock(width[a], width[b]) for a, b in itertools.pairwise(sizes)})
        self.excited_by = {px: EXCITED_FROM * px for px in sizes if EXCITED_FROM * px in width}
        self.excite = nn.ModuleDict(
            {str(px): SkipLayerExcitation(width[larger], width[px]) for px, larger in self.excited_by.items()}
        )
        wide = (conv(width[LAST_PX], 16 * ndf, 1), batch_norm(16 * ndf), nn.LeakyReLU(LRELU_SLOPE))
        self.head = nn.Sequential(*wide, spectral_norm(nn.Conv2d(16 * ndf, 1, 4, bias=False)))

        self.small_px = min(SMALL_PX, resolution)
        small_widths = [32 * ndf // px for px in (64, 32, 16, 8) if px < self.small_px]
        small_blocks = (DownBlock(a, b) for a, b in itertools.pairwise(small_widths))
        first = (halving(image_channels, small_widths[0]), nn.LeakyReLU(LRELU_SLOPE))
        self.small = nn.Sequential(*first, *small_blocks)
        self.small_head = spectral_norm(nn.Conv2d(small_widths[-1], 1, 4, bias=False))

        decoded = {"whole": width[LAST_PX], "part": width[PART_PX], "small": small_widths[-1]}
        self.decoders = nn.ModuleDict(
            {name: decoder(c_in, self.small_px, ndf, image_channels) for name, c_in in decoded.items()}
        )

    def maps(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Maps by resolution, down to 8x8, and the second scale's 8x8."""
        if images.shape[2] < self.resolution:
            images = interpolate(images, size=(self.resolution, self.resolution), mode="bilinear")
        x = self.from_image(images)
        maps = {x.shape[2]: x}
        for name, block in self.blocks.items():
            px = int(name)
            x = block(x)
            if px in self.excited_by:
                x = self.excite[name](maps[self.excited_by[px]], x)
            maps[px] = x
        return maps, self.small(self.reduced(images))

    def reduced(self, images: Tensor) -> Tensor:
        """Images at the resolution of the second scale and of the reconstructions."""
        return interpolate(images, size=(self.small_px, self.small_px), mode="bilinear", antialias=True)

    def logits(self, maps: dict[int, Tensor], small: Tensor) -> Tensor:
        return torch.stack([self.head(maps[LAST_PX]).flatten(1), self.small_head(small).flatten(1)], dim=1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.logits(*self.maps(images))

    def with_reconstruction(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of reals, and the distances [N] of three reconstructions: whole, a random quarter, second scale."""
        maps, small = self.maps(images)
        part = int(torch.randint(4, ()))
        known = {"whole": maps[LAST_PX], "part": quadrant(maps[PART_PX], part), "small": small}
        wanted = {"whole": images, "part": quadrant(images, part), "small": images}
        decoded = torch.cat([self.decoders[name](x) for name, x in known.items()])
        targets = torch.cat([self.reduced(x) for x in wanted.values()])
        distances = feature_distance(self.frozen[0], decoded, targets)  # [3 N]
        return self.logits(maps, small), distances.unflatten(0, (3, -1)).sum(dim=0)
