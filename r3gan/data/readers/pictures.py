"""Pictures of any container to rows of images.npy, with their labels."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data.content import Content, Request, Rows
from r3gan.data.download.obtain import missing, obtain
from r3gan.data.kinds import Pictures
from r3gan.data.readers.containers import LABELS, Container, open_container
from r3gan.data.readers.decode import WITH_ALPHA
from r3gan.data.readers.workers import decode_shares
from r3gan.data.source import Source
from r3gan.data.untrusted import one_line, reading
from r3gan.errors import UserError
from r3gan.progress import Progress


def read_pictures(entry: Source, request: Request) -> Content:
    """The entry's pictures from --source or from a download, with their labels."""
    assert isinstance(entry, Pictures)
    path, record = locate(entry, request)
    container = open_container(path, entry.select, request.downloads)
    if entry.count not in (None, container.count) or not container.count:
        expected = entry.count or "some"
        raise missing(entry, request.name, f"has {container.count} pictures in {path} where {expected} are expected")
    details: dict[str, Any] = {"crop": entry.crop, "filter": entry.filter, "files": record}
    labels = labels_of(container, path) if entry.classes != 1 else np.zeros(container.count, dtype=np.int64)

    def fill(rows: Rows) -> Mapping[int, str]:
        bad, modes = decode_all(entry, container, rows, request.skip_bad)
        details["modes"] = dict(sorted(modes.items()))
        if set(modes) & set(WITH_ALPHA):
            details["transparency"] = "laid over white"
        return bad

    return Content(count=container.count, labels=labels, fill=fill, details=details)


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


def labels_of(container: Container, path: Path) -> NDArray[np.int64]:
    """One class for each picture: as dataset.json says, or else the number of its top folder in sorted order."""
    with reading(path / LABELS, "a list of labels"):
        text = container.labels_file()
    if text is not None:
        return labels_from_json(text, container.names, path / LABELS)
    tops = [name.split("/")[0] if "/" in name else "" for name in container.names] or [""] * container.count
    number = {top: i for i, top in enumerate(sorted(set(tops)))}
    return np.array([number[top] for top in tops], dtype=np.int64)


def labels_from_json(text: bytes, names: list[str], path: Path) -> NDArray[np.int64]:
    """Labels of NVlabs' dataset.json in the order of `names`; zeros where it says that there are none."""
    with reading(path, "a list of labels"):
        pairs = json.loads(text)["labels"]
        if pairs is None:
            return np.zeros(len(names), dtype=np.int64)
        by_name = dict(pairs)
    for name in names:
        label = by_name.get(name)
        if type(label) is not int or not 0 <= label < 2**31:
            raise UserError(f"{path} gives {one_line(name)} the label {one_line(label)}; allowed: whole numbers from 0")
    return np.array([by_name[name] for name in names], dtype=np.int64)


def decode_all(
    entry: Pictures, container: Container, rows: Rows, skip_bad: bool
) -> tuple[dict[int, str], Counter[str]]:
    """Decode every picture into its row; the rows without one and why, and how many had each mode."""
    bad: dict[int, str] = {}
    modes: Counter[str] = Counter()
    done = 0
    groups = decode_shares(entry, container, rows)
    with Progress("prepare", container.count, "img") as progress, closing(groups):
        for group in groups:
            for row, name, mode, reason in group:
                if reason is None:
                    modes[mode] += 1
                    continue
                bad[row] = f"{one_line(name)} {reason}"
                if not skip_bad:
                    hint = "mend or remove it, or leave such pictures out with --bad skip"
                    raise UserError(f"{one_line(container.path)}: {bad[row]}; {hint}")
            done += len(group)
            progress.advance(len(group))
    if done != container.count:
        raise UserError(f"--source changed while it was read: {done} pictures came where {container.count} were listed")
    return bad, modes
