"""Files of a data set: from the user's folder or from a mirror, verified before use."""

from pathlib import Path
from typing import Any

from r3gan.data.content import Request
from r3gan.data.download.http import download, verify
from r3gan.data.source import Remote, Source
from r3gan.errors import UserError


def missing(entry: Source, name: str, reason: str) -> UserError:
    """The error for data that is not there: what, the page to visit, the files expected, the flag."""
    return UserError(f"data set {name} {reason}; see {entry.page} and give --source PATH: {entry.expects}")


def obtain(entry: Source, request: Request) -> tuple[list[Path], list[dict[str, Any]]]:
    """The entry's files, verified, and what the manifest says of each: name, bytes, sha256, how it was checked.

    In the user's folder they may lie unpacked.
    """
    paths, records = [], []
    for remote, path in _located(entry, request):
        if path is None:
            path, found = fetch(entry, remote, request)
        else:
            found = verify(path, remote)
        checked = f"{remote.checksum.split(':')[0]} as published" if remote.checksum else "not published, none to check"
        paths.append(path)
        records.append({"name": remote.name, "bytes": path.stat().st_size, "sha256": found, "checked": checked})
    return paths, records


def _located(entry: Source, request: Request) -> list[tuple[Remote, Path | None]]:
    """The user's copy of every file (None: to be fetched); UserError that names all files that are expected."""
    source = request.source or (Path(entry.system_folder) if entry.system_folder else None)
    if source is None:
        return [(remote, None) for remote in entry.files]
    if request.source is None and not source.is_dir():
        raise missing(entry, request.name, f"is not installed ({source} is missing)")
    complete = []
    for files in (entry.files, entry.unpacked, entry.system_files):
        found = [(remote, path) for remote in files if (path := find(remote, source))]
        if files and len(found) == len(files):
            complete.append(found)
    if complete:  # of files with the same names, those of the published sizes
        right = (found for found in complete if all(remote.size == path.stat().st_size for remote, path in found))
        return [*next(right, complete[0])]
    wanted = ", ".join(each.name for each in entry.files)
    lacking = next(remote.name for remote in entry.files if find(remote, source) is None)
    raise UserError(f"--source {source} does not hold {lacking}; expected: {wanted} (from {entry.page})")


def find(remote: Remote, source: Path) -> Path | None:
    """A file by its name: the one given, or one in the folder given or up to two folders below it."""
    name = remote.name.replace("-idx", "?idx")  # some programs unpack train-images-idx3-ubyte with a dot
    if not source.is_dir():
        return source if source.is_file() and source.match(name) else None
    places = (path for below in ("", "*/", "*/*/") for path in sorted(source.glob(below + name)))
    return next((path for path in places if path.is_file()), None)


def fetch(entry: Source, remote: Remote, request: Request) -> tuple[Path, str]:
    """A data set's file from one of its mirrors; UserError that says where to have it from otherwise."""
    try:
        return download(remote, request.downloads)
    except UserError as error:
        raise missing(entry, request.name, f"could not be fetched ({error})") from None
