"""READERS: what turns each kind of data set into rows; one file per format."""

from collections.abc import Callable, Mapping

from r3gan.data.content import Content, Request
from r3gan.data.kinds import Cifar, IdxDigits, PackagedDigits, Pictures, StackedDigits
from r3gan.data.readers.cifar import read_cifar
from r3gan.data.readers.digits import read_digits, read_stacks
from r3gan.data.readers.pictures import read_pictures
from r3gan.data.source import Source

READERS: Mapping[type[Source], Callable[[Source, Request], Content]] = {
    PackagedDigits: read_digits,
    IdxDigits: read_digits,
    StackedDigits: read_stacks,
    Cifar: read_cifar,
    Pictures: read_pictures,
}
