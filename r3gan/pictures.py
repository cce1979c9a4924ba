"""Pictures of samples."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from r3gan.files import atomic

COLUMNS = 16
MIN_TILE_PX = 48


@torch.no_grad()
def quantise(images: Tensor) -> Tensor:
    """Floats in [-1, 1] to uint8 clamp(127.5 x + 128), the papers' rule: [N, C, H, W]."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def save_grid(path: Path, images: Tensor, columns: int = COLUMNS) -> None:
    """Write [N, C, R, R] in [-1, 1] as a PNG with `columns` per row; small images are enlarged by whole pixels."""
    save_tiles(path, quantise(images).cpu().numpy(), columns)


def save_tiles(path: Path, tiles: NDArray[np.uint8], columns: int) -> None:
    """Likewise of uint8 [N, C, R, R]."""
    n, c, r, _ = tiles.shape
    zoom = max(1, MIN_TILE_PX // r)
    tiles = tiles.repeat(zoom, axis=2).repeat(zoom, axis=3)
    rows = -(-n // columns)
    side = r * zoom
    sheet = np.full((rows * (side + 1), columns * (side + 1), c), 128, dtype=np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (side + 1), (i % columns) * (side + 1)
        sheet[top : top + side, left : left + side] = tile.transpose(1, 2, 0)
    with atomic(path) as temporary:
        Image.fromarray(sheet.squeeze(2) if c == 1 else sheet).save(temporary)


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Pixels uint8 [C, H, W] of one or three channels as Pillow's image."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def save_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write one image uint8 [C, H, W] as it is."""
    with atomic(path) as temporary:
        as_image(pixels).save(temporary)
