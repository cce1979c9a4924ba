"""Where pictures lie: a folder, a zip, a tar or an lmdb, each listed once and read in one order."""

import errno
import fnmatch
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Protocol

from r3gan.data.readers.database import Lmdb
from r3gan.data.readers.decode import ENDINGS, BadPictureError
from r3gan.data.untrusted import MAX_FILE_BYTES, check_expansion, check_mode, check_name, one_line, reading
from r3gan.errors import UserError
from r3gan.files import made

LABELS = "dataset.json"  # of NVlabs' tools: {"labels": [[path, class], ...]} or {"labels": null}
Read = Callable[[], bytes]  # raises BadPictureError


class Container(Protocol):
    """Pictures in a fixed order; `names` is empty where they have none of their own. Other processes open it anew.

    `pictures` gives every `step`-th one from number `first` on: its row, its name, and what reads it.
    """

    path: Path
    count: int
    names: list[str]

    def labels_file(self) -> bytes | None: ...
    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Read]]: ...


def _is_picture(name: str, select: str) -> bool:
    return name.lower().endswith(ENDINGS) and fnmatch.fnmatch(name, select)


class Folder:
    """Every picture below a folder in the order of the paths; links to folders are not followed."""

    def __init__(self, path: Path, select: str) -> None:
        self.path = path
        names = []
        with reading(path, "a folder"):
            for parent, _, files in os.walk(path, onerror=_raise):
                below = Path(parent).relative_to(path)
                names += [(below / file).as_posix() for file in files]
        self.names = sorted(name for name in names if _is_picture(name, select))
        self.count = len(self.names)

    def labels_file(self) -> bytes | None:
        return self._read(LABELS) if (self.path / LABELS).exists() else None

    def _read(self, name: str) -> bytes:
        try:
            # Without waiting for a pipe's other end, and never through a link.
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            link = error.errno == errno.ELOOP
            raise BadPictureError("is a link" if link else f"cannot be opened ({error.strerror})") from None
        with open(descriptor, "rb") as file:  # noqa: PTH123
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BadPictureError("is no plain file")
            if status.st_size > MAX_FILE_BYTES:
                raise BadPictureError(f"has {status.st_size} bytes, more than {MAX_FILE_BYTES}")
            return file.read()

    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Read]]:
        for row in range(first, self.count, step):
            yield row, self.names[row], partial(self._read, self.names[row])


def _raise(error: OSError) -> None:
    raise error


class Zip:
    """Every picture of a zip archive in the order of the names."""

    def __init__(self, path: Path, select: str) -> None:
        self.path, self.select = path, select
        with reading(path, "a zip archive"):
            self.archive = zipfile.ZipFile(path)
            members = self.archive.infolist()
            for member in members:
                check_name(path, member.filename)
                check_mode(path, member.filename, member.external_attr >> 16)
                if member.flag_bits & 1:
                    raise UserError(f"{path} is encrypted; give it unpacked")
            check_expansion(path, sum(member.file_size for member in members))
        self.sizes = {member.filename: member.file_size for member in members}
        if len(self.sizes) != len(members):
            raise UserError(f"{path} holds several members of one name; nothing was read")
        self.names = sorted(name for name in self.sizes if _is_picture(name, select))
        self.count = len(self.names)

    def labels_file(self) -> bytes | None:
        return self._read(LABELS) if LABELS in self.sizes else None

    def __reduce__(self) -> "tuple[type[Zip], tuple[Path, str]]":
        return Zip, (self.path, self.select)

    def _read(self, name: str) -> bytes:
        if self.sizes[name] > MAX_FILE_BYTES:
            raise BadPictureError(f"has {self.sizes[name]} bytes, more than {MAX_FILE_BYTES}")
        try:
            return self.archive.read(name)
        except Exception as error:  # a damaged member: zlib's, zipfile's or struct's error
            raise BadPictureError(f"cannot be unpacked ({one_line(error)})") from None

    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Read]]:
        for row in range(first, self.count, step):
            yield row, self.names[row], partial(self._read, self.names[row])


class Tar:
    """Every picture of a tar archive, numbered in the order of the names and read in the archive's."""

    def __init__(self, path: Path, select: str) -> None:
        self.path = path
        members: list[str] = []
        total = 0
        with reading(path, "a zip or tar archive"), tarfile.open(path) as archive:
            for member in archive:
                check_name(path, member.name)
                if not (member.isreg() or member.isdir()) or member.issparse():
                    raise UserError(f"{path} holds {one_line(member.name)!r}, which is no plain file; nothing was read")
                total += member.size
                check_expansion(path, total)
                if member.isreg():
                    members.append(member.name)
        if len(set(members)) != len(members):
            raise UserError(f"{path} holds several members of one name; nothing was read")
        self.names = sorted(name for name in members if _is_picture(name, select))
        self.count = len(self.names)

    def labels_file(self) -> bytes | None:
        return None

    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Read]]:
        rows = {self.names[row]: row for row in range(first, self.count, step)}
        with reading(self.path, "a tar archive"), tarfile.open(self.path) as archive:
            for member in archive:
                if member.name in rows:
                    yield rows[member.name], member.name, _ready(archive, member)


def _ready(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Read:
    """A tar is read front to back, so the bytes are taken at once."""
    data = b""
    if member.size <= MAX_FILE_BYTES:
        file = archive.extractfile(member)
        assert file is not None
        data = file.read()

    def read() -> bytes:
        if member.size > MAX_FILE_BYTES:
            raise BadPictureError(f"has {member.size} bytes, more than {MAX_FILE_BYTES}")
        return data

    return read


def open_zipped_lmdb(archive: Zip, member: str, folder: Path) -> Lmdb:
    """LSUN's database out of its zip, unpacked below `folder` once; what turns out to be none is removed again."""
    info = archive.archive.getinfo(member)
    target = folder / f"{archive.path.stem}-{info.CRC:08x}" / "data.mdb"
    part = target.with_name("data.mdb.part")
    with made(target.parent):
        if not target.is_file():
            if info.file_size > (free := shutil.disk_usage(target.parent).free):
                raise UserError(f"{folder} has {free} bytes left, and {archive.path} unpacks to {info.file_size}")
            try:
                unzip = archive.archive.open
                with reading(archive.path, "a zip archive"), unzip(member) as packed, part.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
                part.replace(target)  # the whole of it, and its sum was right
            finally:
                part.unlink(missing_ok=True)
        try:
            return Lmdb(target.parent)
        except UserError:
            target.unlink()
            raise


def open_container(path: Path, select: str, downloads: Path) -> Container:
    """What lies at `path`, by what it is and not by its name; `downloads` is where a zipped lmdb is unpacked."""
    if path.is_dir():
        return Lmdb(path) if (path / "data.mdb").is_file() else Folder(path, select)
    if not path.is_file():
        raise UserError(f"--source {path} is not a folder, zip, tar or lmdb of pictures")
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic.startswith(b"PK"):
        return Tar(path, select)
    archive = Zip(path, select)
    databases = [name for name in archive.sizes if name.endswith("data.mdb")]
    return open_zipped_lmdb(archive, databases[0], downloads) if len(databases) == 1 else archive
