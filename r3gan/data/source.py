"""The type of a data set's entry, and of a file that others publish."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A published file: complete addresses, tried in order; `checksum` as "md5:..." or "sha256:..."."""

    name: str
    mirrors: tuple[str, ...] = ()
    size: int | None = None  # bytes
    checksum: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """What every data set says of itself; plain data, which a reader of its kind turns into arrays."""

    title: str
    licence: str
    page: str
    resolution: int
    count: int | None
    image_channels: int = 3
    classes: int | None = 1  # number of labels; 1: no labels; None: as many as are found
    files: tuple[Remote, ...] = ()
    unpacked: tuple[Remote, ...] = ()  # what `files` hold, which --source may have in their place
    system_folder: str = ""  # where a package of the system puts the files, read where there is no --source
    system_files: tuple[Remote, ...] = ()  # the files of the package
    expects: str = ""  # what --source must be
    unpublished: tuple[str, ...] = ()  # choices made here, where the papers and their code are silent

    @property
    def supply(self) -> str:
        return "system package" if self.system_folder else "fetched" if self.files else "yours"

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How pictures become arrays; two protocols are two data sets."""
