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
    """The entry's files, verified, and what the manifest says of each: name, bytes, sha256, how it was checked."""
    paths, records = [], []
    for remote in entry.files:
        if request.source is None:
            path, found = fetch(entry, remote, request)
        else:
            path = find(entry, remote, request.source)
            found = verify(path, remote)
        checked = f"{remote.checksum.split(':')[0]} as published" if remote.checksum else "not published, none to check"
        paths.append(path)
        records.append({"name": remote.name, "bytes": path.stat().st_size, "sha256": found, "checked": checked})
    return paths, records


def find(entry: Source, remote: Remote, source: Path) -> Path:
    """The user's copy of a file, in the folder named or the very file; UserError that names all that is expected."""
    path = source / remote.name if source.is_dir() else source
    if path.name != remote.name or not path.is_file():
        wanted = ", ".join(each.name for each in entry.files)
        raise UserError(f"--source {source} does not hold {remote.name}; expected: {wanted} (from {entry.page})")
    return path


def fetch(entry: Source, remote: Remote, request: Request) -> tuple[Path, str]:
    """A data set's file from one of its mirrors; UserError that says where to have it from otherwise."""
    try:
        return download(remote, request.downloads)
    except UserError as error:
        raise missing(entry, request.name, f"could not be fetched ({error})") from None
