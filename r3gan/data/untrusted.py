"""What every reader of foreign files shares: limits, names that are refused, and one kind of error."""

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from r3gan.errors import UserError

MAX_FILE_BYTES = 1 << 28  # of one encoded picture, one batch, one list of labels
MAX_PIXELS = 1 << 26  # of one picture: 8192 x 8192
BOMB_RATIO, BOMB_FLOOR = 100, 1 << 26  # pictures are compressed already; no honest archive unpacks a hundredfold


# First bytes, in lower case, of what is often saved under the name of a data file.
WRONG_CONTENT = {
    b"version https://git-lfs": "a git LFS pointer instead of the file, which `git lfs pull` brings",
    b"/annex/objects": "a git-annex pointer instead of the file, which `git annex get` brings",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"rar!": "a RAR archive; unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it",
    b"%pdf": "a PDF document",
    b"par1": "a Parquet file",
}


class BadPictureError(Exception):
    """Why a picture cannot be used, in words that follow its name."""


def wrong_content(data: bytes) -> str:
    """What a file is in place of what it should be, by its first bytes; empty where they do not say."""
    start = data[:512].lstrip().lower()
    if start[4:8] == b"ftyp":
        return f"a {one_line(start[8:12].decode('latin1')).upper()} file; convert it"  # HEIC, AVIF, MP4
    return next((what for head, what in WRONG_CONTENT.items() if start.startswith(head)), "")


def one_line(text: object) -> str:
    """A foreign text as one printable line of moderate length."""
    line = " ".join(str(text).split())
    line = line if line.isprintable() else ascii(line)
    return line if len(line) <= 200 else f"{line[:200]}..."


def first(names: Sequence[str], count: int = 3, total: int | None = None) -> str:
    """The first few of `total` foreign names, in one line."""
    more = ", ..." if (total or len(names)) > count else ""
    return ", ".join(one_line(name) for name in names[:count]) + more


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a reader raises into a UserError that names the file.

    Readers of damaged files raise nearly anything, from zlib's error to RecursionError, so no list would be complete.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        if path.is_file() and (found := wrong_file(path)):
            reason = f"it is {found}"
        raise UserError(f"{one_line(path)} cannot be read as {what} ({reason})") from None


def wrong_file(path: Path) -> str:
    with path.open("rb") as file:
        return wrong_content(file.read(512))


def check_size(size_bytes: int) -> None:
    """BadPictureError for a file that is larger than any picture."""
    if size_bytes > MAX_FILE_BYTES:
        raise BadPictureError(f"has {size_bytes} bytes, more than {MAX_FILE_BYTES}")


def check_name(archive: Path, name: str) -> None:
    """Refuse a member whose path leaves the archive."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    if "\0" in name or any(p.is_absolute() or p.drive or ".." in p.parts for p in paths):
        raise UserError(f"{archive} holds {one_line(name)!r}, a path out of the archive; nothing was read")


def is_plain(mode: int) -> bool:
    """Whether a member is no link, device or pipe; archives without modes say 0."""
    return stat.S_IFMT(mode) in (0, stat.S_IFREG)


def check_expansion(archive: Path, unpacked_bytes: int) -> None:
    """Refuse an archive that unpacks to far more than it weighs."""
    if unpacked_bytes > BOMB_FLOOR + BOMB_RATIO * archive.stat().st_size:
        raise UserError(f"{archive} would unpack to more than {BOMB_RATIO} times its size; nothing was read")
