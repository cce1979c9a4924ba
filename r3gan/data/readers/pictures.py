"""Pictures of any container to rows of images.npy, with their labels."""

import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data.content import Content, Request, Rows
from r3gan.data.download.obtain import missing, obtain
from r3gan.data.kinds import Pictures
from r3gan.data.readers.archives import Tar, Zip
from r3gan.data.readers.database import Lmdb
from r3gan.data.readers.folder import Folder
from r3gan.data.readers.walk import Container, Listing, folder_classes, json_labels, normal, walk
from r3gan.data.readers.workers import decode_shares
from r3gan.data.source import Source
from r3gan.data.untrusted import one_line, reading, wrong_file
from r3gan.errors import UserError
from r3gan.files import made
from r3gan.progress import Progress

NAMED = 20  # of the files that are left out for one reason, at most, in the manifest


def read_pictures(entry: Source, request: Request) -> Content:
    """The entry's pictures from --source or from a download, with their labels."""
    assert isinstance(entry, Pictures)
    path, record = locate(entry, request)
    listing = find_pictures(path, entry.select, request.downloads)
    count = len(listing.names)
    if entry.count not in (None, count) or not count:
        left_out = f" (left out: {listing})" if listing.left_out else ""
        reason = f"has {count} pictures in {path} where {entry.count or 'some'} are expected{left_out}"
        raise missing(entry, request.name, reason)
    details: dict[str, Any] = {
        "crop": entry.crop,
        "filter": entry.filter,
        "files": record,
        "listing": listing.digest(),
        "files_seen": count + sum(map(len, listing.left_out.values())) + (listing.labels_name is not None),
        "left_out": {
            reason: {"count": len(names), "names": [one_line(name) for name in names[:NAMED]]}
            for reason, names in listing.left_out.items()
        },
    }

    def labels(kept: NDArray[np.int64]) -> NDArray[np.int64]:
        return label(listing, kept, details) if entry.classes != 1 else np.zeros(len(kept), dtype=np.int64)

    def fill(rows: Rows) -> Mapping[int, str]:
        return decode_all(entry, listing, rows, request.skip_bad, details)

    return Content(count=count, labels=labels, fill=fill, details=details)


def locate(entry: Pictures, request: Request) -> tuple[Path, list[dict[str, Any]]]:
    """Where the pictures lie: the user's copy, an archive of the published name in that folder, or the download."""
    if request.source is not None:
        archives = (request.source, *(request.source / remote.name for remote in entry.files))
        if not any(path.is_file() and path.name == remote.name for remote in entry.files for path in archives):
            return request.source, []
    elif not entry.files:
        raise missing(entry, request.name, "must be supplied")
    (path,), record = obtain(entry, request)
    return path, record


def open_container(path: Path) -> Container:
    """What lies at `path`, by what it is and not by its name."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise UserError(f"--source {path} is not a folder, zip, tar or lmdb of pictures")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(b"PK"):
        return Zip(path)
    if found := wrong_file(path):
        raise UserError(f"--source {path} is {found}; allowed: a folder, zip, tar or lmdb of pictures")
    return Tar(path)


def find_pictures(path: Path, select: str, downloads: Path) -> Listing:
    """The pictures at `path` or, where it holds one lmdb, those in there; a zipped one is unpacked to `downloads`."""
    container = open_container(path)
    listing = walk(container, select)
    files = listing.left_out.get(".mdb files", [])
    databases = [name for name in files if name.split("/")[-1] == "data.mdb"]
    if len(databases) != 1 or isinstance(container, Tar):
        return listing
    if isinstance(container, Zip):
        (key,) = (key for key, _ in container.members() if normal(key) == databases[0])
        database = unpack_lmdb(container, key, downloads)
    else:
        database = Lmdb((path / databases[0]).parent)
    others = {reason: names for reason, names in listing.left_out.items() if names is not files}
    others |= {"pictures next to the database": listing.names} if listing.names else {}
    found = walk(database, select)
    return replace(found, left_out=others | found.left_out)


def unpack_lmdb(archive: Zip, member: str, folder: Path) -> Lmdb:
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
                part.replace(target)  # complete, and its checksum was right
            finally:
                part.unlink(missing_ok=True)
        try:
            next(Lmdb(target.parent).members(), None)
        except UserError:
            target.unlink()
            raise
    return Lmdb(target.parent)


def label(listing: Listing, kept: NDArray[np.int64], details: dict[str, Any]) -> NDArray[np.int64]:
    """One class for each picture that stays: as dataset.json says, or else the number of its class folder."""
    names = [listing.names[row] for row in kept]
    if listing.labels_name is not None:
        path, below = listing.container.path / listing.labels_name, listing.labels_name.rpartition("/")[0]
        found, details["notes"] = json_labels(listing.labels, names, path, below)
        details["classes_from"] = listing.labels_name
        return np.array(found, dtype=np.int64)
    folders, details["notes"] = folder_classes(names)
    order = sorted(set(folders))
    details["classes_from"] = "folders" if len(order) > 1 else "none"
    details["class_names"] = [one_line(folder) or "(outside of the folders)" for folder in order]
    number = {folder: i for i, folder in enumerate(order)}
    return np.array([number[folder] for folder in folders], dtype=np.int64)


def decode_all(
    entry: Pictures, listing: Listing, rows: Rows, skip_bad: bool, details: dict[str, Any]
) -> dict[int, str]:
    """Decode every picture into its row; the rows without one and why. What was done to how many goes to `details`."""
    bad: dict[int, str] = {}
    modes: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    count = 0
    groups = decode_shares(entry, listing.container, listing.keys, rows)
    with Progress("prepare", len(listing.keys), "img") as progress, closing(groups):
        for group in groups:
            for row, mode, done, reason in group:
                if reason is None:
                    modes[mode] += 1
                    changes.update(done)
                    continue
                bad[row] = f"{one_line(listing.names[row])} {reason}"
                if not skip_bad:
                    hint = "repair or remove it, or leave such pictures out with --bad skip"
                    raise UserError(f"{one_line(listing.container.path)}: {bad[row]}; {hint}")
            count += len(group)
            progress.advance(len(group))
    if count != len(listing.keys):
        raise UserError(f"--source changed while it was read: {count} pictures of {len(listing.keys)} were found again")
    details |= {"modes": dict(sorted(modes.items())), "changes": dict(sorted(changes.items()))}
    return bad
