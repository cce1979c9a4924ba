"""Pictures in a zip or a tar; nothing in them is unpacked to the disk."""

import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from r3gan.data.readers.walk import Read
from r3gan.data.untrusted import BadPictureError, check_expansion, check_name, check_size, is_plain, one_line, reading
from r3gan.errors import UserError

NOT_PLAIN = "links and devices in an archive"
IS_LINK = "is a link or a device, and no plain file"


class Zip:
    """Every file of a zip archive."""

    has_endings = True

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "a zip archive"):
            self.archive = zipfile.ZipFile(path)
            for member in self.archive.infolist():
                check_name(path, member.filename)
                if member.flag_bits & 1:
                    raise UserError(f"{path} is encrypted; give it unpacked")
            check_expansion(path, sum(member.file_size for member in self.archive.infolist()))

    def __reduce__(self) -> "tuple[type[Zip], tuple[Path]]":
        return Zip, (self.path,)

    def members(self) -> Iterator[tuple[str, str]]:
        for member in self.archive.infolist():
            if not member.filename.endswith(("/", "\\")):
                yield member.filename, "" if is_plain(member.external_attr >> 16) else NOT_PLAIN

    def stamp(self, key: str) -> str:
        member = self.archive.getinfo(key)
        return f"{member.file_size} {member.CRC}"

    def _read(self, key: str) -> bytes:
        member = self.archive.getinfo(key)
        check_size(member.file_size)
        if not is_plain(member.external_attr >> 16):
            raise BadPictureError(IS_LINK)
        try:
            return self.archive.read(key)
        except Exception as error:  # a damaged member: zlib's, zipfile's or struct's error
            raise BadPictureError(f"cannot be unpacked ({one_line(error)})") from None

    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, Read]]:
        for i, key in enumerate(keys):
            yield i, partial(self._read, key)


class Tar:
    """Every file of a tar archive, read in the archive's order."""

    has_endings = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> Iterator[tuple[str, str]]:
        total = 0
        with reading(self.path, "a zip or tar archive"), tarfile.open(self.path) as archive:
            for member in archive:
                check_name(self.path, member.name)
                total += member.size
                check_expansion(self.path, total)
                if not member.isdir():
                    yield member.name, "" if member.isreg() and not member.issparse() else NOT_PLAIN

    def stamp(self, key: str) -> str:
        status = self.path.stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, Read]]:
        places = {key: i for i, key in enumerate(keys)}
        with reading(self.path, "a tar archive"), tarfile.open(self.path) as archive:
            for member in archive:
                if member.name in places:
                    yield places[member.name], partial(_read_member, archive, member)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A file's bytes; to be called before the archive is read further."""
    check_size(member.size)
    file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None:
        raise BadPictureError(IS_LINK)
    return file.read()
