"""Differentiable augmentation (DiffAugment, arXiv 2006.10738) with the policy color, translation, cutout.

Every transformation is affine in the images; as in r3gan/augment.py, all random numbers of a batch come in one table
(`draw`), and `pull` is the transpose of the linear part, which gradient penalties need.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.augment import chosen, cutout_mask

# Strengths of the DiffAugment paper: brightness, saturation and contrast below; shifts of up to an eighth of the side.
MAX_SHIFT = 0.125

# Columns of the table that `draw` returns, all U(0, 1): whether each transformation applies, and by how much.
NAMES = (
    "color?", "brightness", "saturation", "contrast", "translation?", "shift_x", "shift_y", "cutout?", "cutout_x",
    "cutout_y",
)  # fmt: skip
COLUMNS = {name: i for i, name in enumerate(NAMES)}


def draw(batch: int, generator: torch.Generator) -> Tensor:
    """Random numbers U(0, 1) [batch, 10] that decide one batch's transformations."""
    return torch.rand(batch, len(NAMES), generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class DifferentiableAugmentation:
    """One batch's transformations: `apply` maps images [N, C, R, R], `pull` is the transpose of its linear part."""

    brightness: Tensor  # [N, 1, 1, 1], added
    saturation: Tensor  # [N, 1, 1, 1], times the distance from the mean of a pixel's channels
    contrast: Tensor  # [N, 1, 1, 1], times the distance from the mean of the image
    rows: Tensor  # [N, 1, R, R], moves an image's rows; what leaves is lost, what enters is zero
    columns: Tensor  # [N, 1, R, R]
    mask: Tensor  # [N, 1, R, R], zero where cut out

    def _coloured(self, x: Tensor, dims: tuple[int, ...], factor: Tensor) -> Tensor:
        mean = x.mean(dim=dims, keepdim=True)
        return mean + (x - mean) * factor

    def apply(self, x: Tensor) -> Tensor:
        x = self._coloured(x + self.brightness, (1,), self.saturation)
        x = self._coloured(x, (1, 2, 3), self.contrast)
        return self.rows @ x @ self.columns.mT * self.mask

    def pull(self, g: Tensor) -> Tensor:
        g = self.rows.mT @ (g * self.mask) @ self.columns
        g = self._coloured(g, (1, 2, 3), self.contrast)  # both colour maps are symmetric
        return self._coloured(g, (1,), self.saturation)

    def joined(self, other: "DifferentiableAugmentation") -> "DifferentiableAugmentation":
        """The transformations of two batches, one after the other."""
        names = ("brightness", "saturation", "contrast", "rows", "columns", "mask")
        return DifferentiableAugmentation(*(torch.cat([getattr(self, n), getattr(other, n)]) for n in names))


def shift_matrix(shift: Tensor, size: int) -> Tensor:
    """[N, 1, size, size] of zeros and ones: y[i] = x[i - shift], zero where there is no such x."""
    i = torch.arange(size, dtype=shift.dtype, device=shift.device)
    return (i[:, None] - i == shift[:, None, None]).to(shift.dtype)[:, None]


def augmentation(table: Tensor, p: float | Tensor, channels: int, size: int) -> DifferentiableAugmentation:
    """The transformations that `table` [N, 10] decides for images [N, channels, size, size].

    Each of color, translation and cutout applies with probability p; the papers apply them always, p = 1.
    """
    c = {name: table[:, i] for name, i in COLUMNS.items()}
    whole = {"brightness": c["brightness"] - 0.5, "saturation": 2 * c["saturation"], "contrast": c["contrast"] + 0.5}
    neutral = {"brightness": 0.0, "saturation": 1.0, "contrast": 1.0}
    colour = {name: chosen(c, "color", p, value, neutral[name])[:, None, None, None] for name, value in whole.items()}
    furthest = int(size * MAX_SHIFT + 0.5)
    columns, rows = (
        shift_matrix(chosen(c, "translation", p, (c[name] * (2 * furthest + 1)).floor() - furthest, 0.0), size)
        for name in ("shift_x", "shift_y")
    )
    return DifferentiableAugmentation(**colour, rows=rows, columns=columns, mask=cutout_mask(c, p, size))
