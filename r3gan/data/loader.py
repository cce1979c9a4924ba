"""Prepared data sets: opened by path, read in an order that only the seed and the position decide."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from r3gan.errors import UserError
from r3gan.files import read_json


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A prepared data set; the arrays are memory-mapped: images uint8 [N, C, R, R], labels int64 [N]."""

    name: str
    manifest: dict[str, Any]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def open_dataset(folder: Path) -> Dataset:
    """The data set that `prepare` wrote into `folder`; UserError that names what is missing."""
    hint = f"run `r3gan prepare {folder.name}` first, or name the prepared folder with --data"
    manifest = read_json(folder / "manifest.json", hint)
    try:
        images, labels = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("images", "labels"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} cannot be read ({error}); {hint}") from None
    if len(images) != manifest["count"] or len(labels) != len(images):
        raise UserError(f"{folder} does not hold the {manifest['count']} images of its manifest; {hint}")
    return Dataset(name=manifest["dataset"], manifest=manifest, images=images, labels=labels)


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 0..255 to floats x / 127.5 - 1 in [-1, 1]."""
    return images.to(torch.get_default_dtype()) / 127.5 - 1.0


class Stream:
    """Endless reals: every epoch is a fresh permutation, of the mirrored set too with `xflip` (the set doubled).

    Position p always yields the same image for one seed, whatever the batch size, so `position` is all there is to
    save.
    """

    def __init__(self, dataset: Dataset, seed: int, xflip: bool, device: torch.device) -> None:
        self.dataset, self.seed, self.xflip, self.device = dataset, seed, xflip, device
        self.epoch_length = len(dataset.images) * (2 if xflip else 1)
        self.position = 0
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self.seed, epoch]).permutation(self.epoch_length)
        return self._order

    def next(self, batch: int) -> tuple[Tensor, Tensor]:
        """The next images, floats [batch, C, R, R] in [-1, 1], and labels int64 [batch]."""
        positions = np.arange(self.position, self.position + batch)
        self.position += batch
        epochs, offsets = np.divmod(positions, self.epoch_length)
        # A batch may straddle epochs; ask in rising order so that each permutation is drawn once.
        picks = np.concatenate([self._epoch_order(int(e))[offsets[epochs == e]] for e in np.unique(epochs)])
        index, mirrored = (picks % len(self.dataset.images), picks >= len(self.dataset.images))
        images = self.dataset.images[index]
        images[mirrored] = images[mirrored, :, :, ::-1]
        labels = torch.from_numpy(np.asarray(self.dataset.labels[index]))
        return to_unit_range(torch.from_numpy(images).to(self.device)), labels.to(self.device)
