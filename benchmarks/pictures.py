"""The plain sides of the data benchmarks, and pictures with the statistics of photographs to run both sides on."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def photograph(width: int, height: int, seed: int) -> Image.Image:
    """Noise with the falling spectrum of photographs, and a camera's grain: its files are as large as theirs."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for octave in range(2, 8):
        small = generator.integers(256, size=(max(2, height >> octave), max(2, width >> octave), 3), dtype=np.uint8)
        pixels += np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)) * 2.0**octave
    pixels = (pixels - pixels.min()) / np.ptp(pixels) * 255 + generator.normal(0, 2, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make_folder(folder: Path, count: int, width: int, height: int, ending: str) -> Path:
    """`count` picture files, eight of them different."""
    folder.mkdir(parents=True)
    encoded = []
    for seed in range(8):
        data = io.BytesIO()
        photograph(width, height, seed).save(data, format={"jpg": "jpeg"}.get(ending, ending), quality=90)
        encoded.append(data.getvalue())
    for i in range(count):
        (folder / f"{i:06d}.{ending}").write_bytes(encoded[i % len(encoded)])
    return folder


def plain_prepare(folder: Path, out: Path, resolution: int) -> None:
    """One picture at a time: open, crop, resize, collect in a list, save."""
    images = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.convert("RGB").crop((left, top, left + side, top + side))
            images.append(np.asarray(square.resize((resolution, resolution), Image.Resampling.LANCZOS)))
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "images.npy", np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


def plain_batches(path: Path, picks: Iterable[list[int]]) -> Iterator[NDArray[np.uint8]]:
    """Batches [N, C, R, R] out of an NVlabs zip, one PNG at a time."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for batch in picks:
            yield np.stack([np.asarray(Image.open(archive.open(names[i]))).transpose(2, 0, 1) for i in batch])
