"""Pictures below a folder."""

import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from r3gan.data.readers.walk import Read, is_hidden
from r3gan.data.untrusted import BadPictureError, check_size, reading


class Folder:
    """Every file below a folder. Links are followed; a folder is read once, however many links lead to it."""

    has_endings = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def members(self) -> Iterator[tuple[str, str]]:
        with reading(self.path, "a folder"):
            visited: set[tuple[int, int]] = set()
            links = deque([""])
            while links:  # those within the folder come after all that lies in it
                top = links.popleft()
                if self._identity(top) in visited:
                    yield top, "links to a folder that is read already"
                else:
                    yield from self._below(top, visited, links)

    def _identity(self, folder: str) -> tuple[int, int]:
        status = (self.path / folder).stat()
        return status.st_dev, status.st_ino

    def _below(self, top: str, visited: set[tuple[int, int]], links: deque[str]) -> Iterator[tuple[str, str]]:
        for parent, folders, files in os.walk(self.path / top, onerror=_raise):
            below = os.path.relpath(parent, self.path)
            if not is_hidden("" if below == "." else below):
                visited.add(self._identity(below))
            for file in sorted(files):
                yield os.path.normpath(f"{below}/{file}"), ""
            folders.sort()
            for folder in list(folders):
                path = os.path.normpath(f"{below}/{folder}")
                if (self.path / path).is_symlink():
                    links.append(path)
                elif self._identity(path) in visited:
                    folders.remove(folder)
                    yield path, "links to a folder that is read already"

    def stamp(self, key: str) -> str:
        try:
            status = (self.path / key).stat()
        except OSError:
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def _read(self, key: str) -> bytes:
        try:
            descriptor = os.open(self.path / key, os.O_RDONLY | os.O_NONBLOCK)  # without waiting for a pipe's other end
        except OSError as error:
            link = "is a link that leads nowhere" if (self.path / key).is_symlink() else "cannot be opened"
            raise BadPictureError(f"{link} ({error.strerror})") from None
        with open(descriptor, "rb") as file:  # noqa: PTH123
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BadPictureError("is no plain file")
            check_size(status.st_size)
            return file.read()

    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, Read]]:
        for i, key in enumerate(keys):
            yield i, partial(self._read, key)


def _raise(error: OSError) -> None:
    raise error
