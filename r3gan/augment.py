"""StyleGAN2-ADA's augmentation (arXiv 2006.06676, appendix B) with R3GAN's selection, as linear maps with transposes.

Geometry: reflection padding, twofold upsampling with sym6, bilinear sampling on an affine grid, twofold downsampling,
cropping. Colour: an affine map a sample. Then cutout. All random numbers of a batch come in one table (`draw`), so the
maps themselves have no randomness, never wait for the device, and can be compiled. Each map is affine in the images;
`pull` is the transpose of its linear part, which the gradient penalties need.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

# Strengths of the published setting (official training code); 1 and 0.5 are multipliers of the probability p.
P_GEOMETRY, P_COLOUR, P_CUTOUT = 1.0, 0.5, 1.0
MAX_SHIFT, SCALE_STD, STRETCH_STD, FRACTIONAL_SHIFT_STD = 0.125, 0.2, 0.2, 0.125
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD, CUTOUT_SIZE = 0.2, 0.5, 1.0, 0.5
# Decomposition low-pass filter of the wavelet sym6 (Daubechies' least asymmetric one with six vanishing moments).
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip

# Columns of the table that `draw` returns: whether each transformation applies, and by how much.
UNIFORM = (
    "xflip?", "xflip", "rot90?", "rot90", "shift?", "shift_x", "shift_y", "scale?", "rot?", "rot", "stretch?",
    "rot_after?", "rot_after", "fraction?", "brightness?", "contrast?", "luma?", "luma", "hue?", "hue", "saturation?",
    "cutout?", "cutout_x", "cutout_y",
)  # fmt: skip
NORMAL = ("scale", "stretch", "fraction_x", "fraction_y", "brightness", "contrast", "saturation")
COLUMNS = {name: i for i, name in enumerate((*UNIFORM, *NORMAL))}


def draw(batch: int, generator: torch.Generator) -> Tensor:
    """Random numbers [batch, 31] that decide one batch's transformations: U(0, 1) columns, then N(0, 1) columns."""
    uniform = torch.rand(batch, len(UNIFORM), generator=generator, dtype=torch.float64)
    normal = torch.randn(batch, len(NORMAL), generator=generator, dtype=torch.float64)
    return torch.cat([uniform, normal], dim=1)


class View(Protocol):
    """How D sees one batch: affine maps of images [N, C, R, R]."""

    def apply(self, x: Tensor) -> Tensor: ...

    def pull(self, g: Tensor) -> Tensor:
        """The transpose of the linear part."""
        ...

    def joined(self, other: Self) -> Self:
        """The maps of two batches, one after the other."""
        ...


@dataclass(frozen=True)
class Augmentation:
    """One batch's transformations: `apply` maps images [N, C, R, R], `pull` is the transpose of its linear part."""

    grid: Tensor  # [N, S, S, 2], where the padded and upsampled image is sampled
    into: Tensor  # [P, R], pads one axis by reflection and doubles it
    out_of: Tensor  # [R, S], halves one axis and crops it
    colour: Tensor  # [N, C, C]
    offset: Tensor  # [N, C, 1, 1]
    mask: Tensor  # [N, 1, R, R], zero where cut out

    def apply(self, x: Tensor) -> Tensor:
        x = self.into @ x @ self.into.T
        x = self.out_of @ GridSample.apply(x, self.grid) @ self.out_of.T
        return (mix_channels(self.colour, x) + self.offset) * self.mask

    def pull(self, g: Tensor) -> Tensor:
        g = mix_channels(self.colour.mT, g * self.mask)
        padded = (*g.shape[:2], self.into.shape[0], self.into.shape[0])
        g = GridSampleTranspose.apply(self.out_of.T @ g @ self.out_of, self.grid, padded)
        return self.into.T @ g @ self.into

    def joined(self, other: "Augmentation") -> "Augmentation":
        """The transformations of two batches, one after the other."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("grid", "colour", "offset", "mask"))
        grid, colour, offset, mask = (torch.cat(pair) for pair in pairs)
        return Augmentation(grid, self.into, self.out_of, colour, offset, mask)


def mix_channels(matrix: Tensor, x: Tensor) -> Tensor:
    """Each pixel's channels times its sample's matrix: [N, C, C], [N, C, R, R] -> [N, C, R, R]."""
    return (matrix @ x.flatten(2)).unflatten(2, x.shape[2:])


class GridSample(torch.autograd.Function):
    """Bilinear sampling [N, C, P, P] -> [N, C, S, S] at `grid`, linear in the image; its transpose is a forward too.

    Autograd's own backward of grid_sample cannot be differentiated again, which a penalty needs.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return torch.nn.functional.grid_sample(x, grid, align_corners=False)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return GridSampleTranspose.apply(g, grid, ctx.shape), None


class GridSampleTranspose(torch.autograd.Function):
    """The transpose of `GridSample`: [N, C, S, S] -> images of `shape`."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, grid: Tensor, shape: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(grid)
        like = g.new_empty(1).expand(shape)  # only its shape is read
        bilinear, zeros = 0, 0
        back = torch.ops.aten.grid_sampler_2d_backward
        image, _ = back(g.contiguous(), like, grid, bilinear, zeros, False, [True, False])
        return image

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return GridSample.apply(g, grid), None, None


def augmentation(table: Tensor, p: float | Tensor, channels: int, size: int) -> Augmentation:
    """The transformations that `table` [N, 31] decides at probability p, for images [N, channels, size, size].

    The computation runs in the table's precision and on its device.
    """
    column = {name: table[:, i] for name, i in COLUMNS.items()}
    into, out_of = (m.to(table) for m in resampling_matrices(size))
    colour, offset = colour_maps(column, p * P_COLOUR, channels)
    grid = sampling_grid(warp(column, p * P_GEOMETRY, size), size, len(into), out_of.shape[1])
    return Augmentation(grid, into, out_of, colour, offset, cutout_mask(column, p * P_CUTOUT, size))


def chosen(column: dict[str, Tensor], name: str, p: float | Tensor, value: Tensor, otherwise: float) -> Tensor:
    """`value` [N] where the sample's coin `name?` falls below p, else the identity's value."""
    return torch.where(column[f"{name}?"] < p, value, otherwise)


def warp(column: dict[str, Tensor], p: float | Tensor, size: int) -> Tensor:
    """Maps from output to input positions, in pixels from the centre: homogeneous matrices [N, 3, 3]."""
    c = column
    flip = chosen(c, "xflip", p, 1 - 2 * (c["xflip"] * 2).floor(), 1)
    quarter = chosen(c, "rot90", p, (c["rot90"] * 4).floor(), 0) * (math.pi / 2)
    shift_x, shift_y = (
        chosen(c, "shift", p, (c[name] * 2 - 1) * MAX_SHIFT * size, 0).round() for name in ("shift_x", "shift_y")
    )
    scale = chosen(c, "scale", p, torch.exp2(c["scale"] * SCALE_STD), 1)
    # Two rotations, before and after the stretch: each applies so often that either does with probability p.
    p_rotation = 1 - (1 - torch.as_tensor(p).clamp(0, 1)) ** 0.5
    turn, turn_after = (chosen(c, n, p_rotation, (c[n] * 2 - 1) * math.pi, 0) for n in ("rot", "rot_after"))
    stretch = chosen(c, "stretch", p, torch.exp2(c["stretch"] * STRETCH_STD), 1)
    fraction_x, fraction_y = (
        chosen(c, "fraction", p, c[name] * FRACTIONAL_SHIFT_STD * size, 0) for name in ("fraction_x", "fraction_y")
    )
    inverses = (
        scaling(1 / flip, torch.ones_like(flip)),
        rotation(quarter),
        translation(-shift_x, -shift_y),
        scaling(1 / scale, 1 / scale),
        rotation(turn),
        scaling(1 / stretch, stretch),
        rotation(turn_after),
        translation(-fraction_x, -fraction_y),
    )
    return functools.reduce(torch.matmul, inverses)


def matrix(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    """Stack entries, each [N] or a number, into [N, rows, columns]."""
    entries = [[e if isinstance(e, Tensor) else torch.full_like(like, e) for e in row] for row in rows]
    return torch.stack([torch.stack(row, dim=-1) for row in entries], dim=-2)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    return matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]], x)


def translation(x: Tensor, y: Tensor) -> Tensor:
    return matrix([[1, 0, x], [0, 1, y], [0, 0, 1]], x)


def rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return matrix([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], angle)


def sampling_grid(warps: Tensor, size: int, padded: int, sampled: int) -> Tensor:
    """Grid [N, sampled, sampled, 2] in grid_sample's [-1, 1] over the upsampled image of `padded` pixels.

    In pixels of the upsampled image, twice as fine, output position o is looked up at 2 W((o + 1/2) / 2) - 1/2, all
    from the centre: upsampling with sym6 places its samples half a fine pixel off.
    """
    position = torch.arange(sampled, dtype=warps.dtype, device=warps.device) - (sampled - 1) / 2
    y, x = torch.meshgrid((position + 0.5) / 2, (position + 0.5) / 2, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # [S, S, 3]
    looked_up = torch.einsum("nij,yxj->nyxi", warps[:, :2], points)
    return (2 * looked_up - 0.5) * (2 / padded)


@functools.lru_cache(maxsize=16)
def resampling_matrices(size: int) -> tuple[Tensor, Tensor]:
    """Both ends of the geometric pipe for one axis of `size` pixels, float64: [P, size] and [size, S].

    The first reflects size - 1 pixels at either end and doubles the result with sym6. The published pipe estimates how
    far a batch needs padding, which waits for the device, and sometimes pads too little: filter taps at the border then
    meet zeros. This pipe always pads fully, so it equals the published one at full padding (test_augment.py). The
    second halves with sym6 and keeps `size` pixels; S has three pixels' filter support at either end.
    """
    taps = torch.tensor(SYM6, dtype=torch.float64)
    taps = taps / taps.sum()
    support = len(SYM6) // 4
    margin = size - 1
    reflected = torch.arange(-margin, size + margin).abs()
    reflected = torch.where(reflected >= size, 2 * (size - 1) - reflected, reflected)
    pad = torch.zeros(len(reflected), size, dtype=torch.float64)
    pad[torch.arange(len(reflected)), reflected] = 1.0

    def filtering(samples: int, before: int, after: int, kernel: Tensor) -> Tensor:
        """y[i] = sum_k kernel[k] x[i + k - before] with zeros outside."""
        rows = torch.zeros(samples + before + after - len(kernel) + 1, samples, dtype=torch.float64)
        for i in range(len(rows)):
            for k, tap in enumerate(kernel):
                if 0 <= i + k - before < samples:
                    rows[i, i + k - before] = tap
        return rows

    fine = 2 * len(reflected)
    zeros_between = torch.zeros(fine, len(reflected), dtype=torch.float64)
    zeros_between[::2] = torch.eye(len(reflected), dtype=torch.float64)
    # Doubling keeps the length: 6 zeros before, 5 after the 12 taps. The gain 2 makes up for the zeros between.
    up = filtering(fine, 6, 5, 2 * taps.flip(0)) @ zeros_between
    sampled = 2 * (size + 2 * support)
    # Halving correlates with the taps instead of convolving, and drops the filter support again.
    down = filtering(sampled, 0, 0, taps)[1::2][:size]
    return up @ pad, down


def colour_maps(column: dict[str, Tensor], p: float | Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Affine maps of colours: matrices [N, channels, channels] and offsets [N, channels, 1, 1]; 3 channels or 1."""
    c = column
    brightness = chosen(c, "brightness", p, c["brightness"] * BRIGHTNESS_STD, 0)
    contrast = chosen(c, "contrast", p, torch.exp2(c["contrast"] * CONTRAST_STD), 1)
    flip = chosen(c, "luma", p, (c["luma"] * 2).floor(), 0)
    turn = chosen(c, "hue", p, (c["hue"] * 2 - 1) * math.pi, 0)
    saturation = chosen(c, "saturation", p, torch.exp2(c["saturation"] * SATURATION_STD), 1)
    # Along the grey axis v = (1, 1, 1) / sqrt(3): contrast, and a sign for the luma flip. Across it: contrast,
    # saturation, and a turn by the hue. A product of such maps is again along, across and turned.
    along = contrast * (1 - 2 * flip)
    if channels == 1:
        matrices = along[:, None, None]
    else:
        assert channels == 3
        grey = torch.full((3, 3), 1 / 3, dtype=turn.dtype, device=turn.device)
        cross = (torch.eye(3).roll(1, 0) - torch.eye(3).roll(-1, 0)).to(turn) / math.sqrt(3)  # x -> v x x
        across = torch.eye(3).to(turn) - grey
        turned = turn.cos()[:, None, None] * across + turn.sin()[:, None, None] * cross
        matrices = along[:, None, None] * grey + (contrast * saturation)[:, None, None] * turned
    offset = (brightness * along)[:, None, None, None].expand(-1, channels, 1, 1)  # brightness comes first, and is grey
    return matrices, offset


def cutout_mask(column: dict[str, Tensor], p: float | Tensor, size: int) -> Tensor:
    """[N, 1, size, size], 0 inside a square of half the image's side around a random centre, 1 outside."""
    side = chosen(column, "cutout", p, torch.full_like(column["cutout_x"], CUTOUT_SIZE), 0)[:, None]
    position = (torch.arange(size, dtype=side.dtype, device=side.device) + 0.5) / size
    outside_x, outside_y = ((position - column[n][:, None]).abs() >= side / 2 for n in ("cutout_x", "cutout_y"))
    return (outside_x[:, None, None, :] | outside_y[:, None, :, None]).to(side.dtype)
