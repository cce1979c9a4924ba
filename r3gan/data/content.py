"""What a reader hands to the `prepare` stage, and the file that the images are written into."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

DOWNLOADS = Path("work/downloads")
WRITE_BYTES = 1 << 26  # at once


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for: the name, the user's copy if there is one, whether broken images are left out."""

    name: str
    source: Path | None = None
    skip_bad: bool = False
    downloads: Path = DOWNLOADS


class Rows:
    """images.npy being written: uint8 [N, C, R, R], rows in any order, from any process, nothing held in memory."""

    def __init__(self, path: Path, count: int, shape: tuple[int, int, int]) -> None:
        self.path, self.count, self.shape = path, count, shape
        self.row_bytes = int(np.prod(shape))
        self.offset = path.stat().st_size - count * self.row_bytes
        # Writes instead of a memory map: a full disk is then an error instead of a signal, and no page stays mapped.
        self.file = path.open("r+b")

    @classmethod
    def create(cls, path: Path, count: int, shape: tuple[int, int, int]) -> Self:
        """A file of the full length with its header; its bytes take room on the disk as they are written."""
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
        return cls(path, count, shape)

    def __reduce__(self) -> tuple[type[Self], tuple[Path, int, tuple[int, int, int]]]:
        return type(self), (self.path, self.count, self.shape)  # another process opens the file for itself

    def put(self, row: int, images: NDArray[np.uint8]) -> None:
        """Write images [n, C, R, R] from `row` on."""
        assert images.dtype == np.uint8
        assert images.shape[1:] == self.shape
        step = max(1, WRITE_BYTES // self.row_bytes)
        for start in range(0, len(images), step):
            part = np.ascontiguousarray(images[start : start + step]).data.cast("B")
            written = os.pwrite(self.file.fileno(), part, self.offset + (row + start) * self.row_bytes)
            if written != len(part):  # the disk filled up in the middle; the next write says so
                os.pwrite(self.file.fileno(), part[written:], self.offset + (row + start) * self.row_bytes + written)

    def leave_out(self, rows: Mapping[int, str]) -> NDArray[np.int64]:
        """Close the gaps at `rows` and return the rows that stayed, in their old numbers."""
        kept = np.setdiff1d(np.arange(self.count), np.fromiter(rows, dtype=np.int64))
        for new, old in enumerate(kept):
            if new != old:
                row = os.pread(self.file.fileno(), self.row_bytes, self.offset + int(old) * self.row_bytes)
                os.pwrite(self.file.fileno(), row, self.offset + new * self.row_bytes)
        self.count = len(kept)
        self.file.truncate(self.offset + self.count * self.row_bytes)
        self.file.seek(0)
        # numpy leaves room in the header for a longer first axis, so its length does not change.
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)
        assert self.file.tell() == self.offset
        return kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()


@dataclass(frozen=True, kw_only=True)
class Content:
    """A data set that is ready to be written.

    `fill` writes all `count` rows and returns those that hold no image, with the reason; `labels` gives the labels
    int64 [n] of the rows int64 [n] that stay. Both may add to `details`, which go into the manifest.
    """

    count: int
    labels: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    fill: Callable[[Rows], Mapping[int, str]]
    details: dict[str, Any] = field(default_factory=dict)


def in_memory(images: NDArray[np.uint8], labels: NDArray[np.int64], details: dict[str, Any]) -> Content:
    """A set that is small enough for the memory: images uint8 [N, C, R, R], labels int64 [N]."""

    def fill(rows: Rows) -> Mapping[int, str]:
        rows.put(0, images)
        return {}

    return Content(count=len(images), labels=labels.__getitem__, fill=fill, details=details)
