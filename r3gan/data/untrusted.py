"""What every reader of foreign files shares: limits, names that are refused, and one kind of error."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from r3gan.errors import UserError

MAX_FILE_BYTES = 1 << 28  # of one encoded picture, one batch, one list of labels
MAX_PIXELS = 1 << 26  # of one picture: 8192 x 8192
BOMB_RATIO, BOMB_FLOOR = 100, 1 << 26  # pictures are compressed already; nothing honest unpacks a hundredfold


def one_line(text: object) -> str:
    """A foreign text as one printable line of moderate length."""
    line = " ".join(str(text).split())
    line = line if line.isprintable() else ascii(line)
    return line if len(line) <= 200 else f"{line[:200]}..."


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
        raise UserError(f"{one_line(path)} cannot be read as {what} ({reason})") from None


def check_name(archive: Path, name: str) -> None:
    """Refuse a member whose path leaves the archive."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    if "\0" in name or any(p.is_absolute() or p.drive or ".." in p.parts for p in paths):
        raise UserError(f"{archive} holds {one_line(name)!r}, a path out of the archive; nothing was read")


def check_mode(archive: Path, name: str, mode: int) -> None:
    """Refuse a member that is a link, a device or a pipe; archives without modes say 0."""
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(f"{archive} holds {one_line(name)!r}, which is no plain file; nothing was read")


def check_expansion(archive: Path, unpacked_bytes: int) -> None:
    """Refuse an archive that unpacks to far more than it weighs."""
    if unpacked_bytes > BOMB_FLOOR + BOMB_RATIO * archive.stat().st_size:
        raise UserError(f"{archive} would unpack to more than {BOMB_RATIO} times its size; nothing was read")
