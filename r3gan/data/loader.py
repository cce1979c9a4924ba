"""Prepared data sets: opened by path, read in an order that only the seed and the position decide."""

import warnings
from concurrent.futures import Future, ThreadPoolExecutor
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
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{folder} cannot be read ({error}); {hint}") from None
    if images.dtype != np.uint8 or labels.dtype != np.int64 or list(images.shape[1:]) != manifest["shape"]:
        raise UserError(f"{folder} does not hold what its manifest says; {hint}")
    if len(images) != manifest["count"] or len(labels) != len(images):
        raise UserError(f"{folder} does not hold the {manifest['count']} images of its manifest; {hint}")
    return Dataset(name=manifest["dataset"], manifest=manifest, images=images, labels=labels)


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 0..255 to floats x / 127.5 - 1 in [-1, 1]."""
    return (images.to(torch.get_default_dtype()) / 127.5).sub_(1.0)


DEVICE_RESIDENT_PX = 64  # sets up to this resolution live on the device as uint8, if they fit
DEVICE_RESIDENT_SHARE = 0.5  # of the device's free memory, at most
READERS = 4


@dataclass(frozen=True)
class Reading:
    """Images that threads are filling in."""

    images: Tensor
    parts: list[Future[Any]]

    def wait(self) -> Tensor:
        for part in self.parts:
            part.result()
        return self.images


class Stream:
    """Endless reals: every epoch is a fresh permutation, of the mirrored set too with `xflip` (the set doubled).

    Position p always yields the same image for one seed, whatever the batch size and the number of ranks, so nothing
    has to be remembered between batches. Small sets stay on the device; of large ones the batch that is likely to be
    asked for next is read ahead by a few threads, so that a slow disk has several requests to serve at once.
    """

    def __init__(self, dataset: Dataset, seed: int, xflip: bool, device: torch.device) -> None:
        self.dataset, self.seed, self.xflip, self.device = dataset, seed, xflip, device
        self.count = len(dataset.images)
        self.epoch_length = self.count * (2 if xflip else 1)
        self._orders: dict[int, NDArray[np.int64]] = {}
        self.resident = self._load_onto_device()
        self._ahead: tuple[tuple[int, int], Reading] | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader") if self.resident is None else None

    def _load_onto_device(self) -> Tensor | None:
        if self.dataset.images.shape[2] > DEVICE_RESIDENT_PX:
            return None
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            if self.dataset.images.nbytes > free * DEVICE_RESIDENT_SHARE:
                return None
            return torch.from_numpy(np.asarray(self.dataset.images)).to(self.device)
        with warnings.catch_warnings():  # the memory map is read-only, and nothing here writes
            warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(np.asarray(self.dataset.images))

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._orders:
            # The latest two are enough: a batch may straddle epochs, and ranks lie within one batch of each other.
            self._orders = {e: order for e, order in self._orders.items() if e == epoch - 1}
            self._orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(self.epoch_length)
        return self._orders[epoch]

    def _picks(self, start: int, count: int) -> NDArray[np.int64]:
        positions = np.arange(start, start + count)
        epochs, offsets = np.divmod(positions, self.epoch_length)
        # Rising order, so that each permutation is drawn once.
        return np.concatenate([self._epoch_order(int(e))[offsets[epochs == e]] for e in np.unique(epochs)])

    def _start_reading(self, picks: NDArray[np.int64]) -> Reading:
        """Images from the memory map, uint8 [N, C, R, R], being read into pinned memory where the device is a GPU."""
        assert self._readers is not None
        shape = (len(picks), *self.dataset.images.shape[1:])
        images = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        parts = zip(np.array_split(picks % self.count, READERS), np.array_split(images.numpy(), READERS), strict=True)
        # With mode "clip" numpy writes straight into `out`; no index is out of range.
        read = [self._readers.submit(np.take, self.dataset.images, part, 0, out, "clip") for part, out in parts]
        return Reading(images, read)

    def at(self, start: int, count: int, likely_next: int | None = None) -> tuple[Tensor, Tensor]:
        """Images at positions [start, start + count), floats [count, C, R, R] in [-1, 1], and labels int64 [count].

        `likely_next` is the position at which the next call of the same size will start.
        """
        picks = self._picks(start, count)
        labels = torch.from_numpy(np.asarray(self.dataset.labels[picks % self.count]))
        if self.resident is not None:
            index = torch.from_numpy(picks % self.count).to(self.device, non_blocking=True)
            images = self.resident.index_select(0, index)
        else:
            images = self._read_ahead(start, count, picks, likely_next).to(self.device, non_blocking=True)
        if self.xflip:  # while they are bytes
            mirrored = torch.from_numpy(picks >= self.count).to(self.device, non_blocking=True)
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return to_unit_range(images), labels.to(self.device, non_blocking=True)

    def _read_ahead(self, start: int, count: int, picks: NDArray[np.int64], likely_next: int | None) -> Tensor:
        ahead, self._ahead = self._ahead, None
        reading = ahead[1] if ahead and ahead[0] == (start, count) else self._start_reading(picks)
        if likely_next is not None:
            self._ahead = (likely_next, count), self._start_reading(self._picks(likely_next, count))
        return reading.wait()
