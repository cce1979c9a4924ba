"""The `prepare` stage: a data set's images and labels as two arrays, and a manifest that says what is in them."""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from r3gan.data import sources
from r3gan.data.content import DOWNLOADS, Content, Request, Rows
from r3gan.data.readers import READERS
from r3gan.data.source import Source
from r3gan.data.untrusted import one_line
from r3gan.errors import UserError
from r3gan.files import atomic, made, sha256, write_json

NAMED_IN_MANIFEST = 20  # broken images, at most
LOCK_TRIES = 10


def prepare(
    name: str,
    source: Path | None,
    out: Path,
    resolution: int | None = None,
    skip_bad: bool = False,
    downloads: Path = DOWNLOADS,
) -> dict[str, Any]:
    """Write images.npy, labels.npy and manifest.json of data set `name` into `out` and return the manifest.

    The manifest is removed before the arrays take their names and written after, so that where there is one, it
    describes the arrays next to it; until then an older set stays as it was.
    """
    started = time.perf_counter()
    name, entry = sources.at_resolution(name, resolution)
    content = READERS[type(entry)](entry, Request(name=name, source=source, skip_bad=skip_bad, downloads=downloads))
    check(name, entry, content)
    with exclusive(out):
        content, skipped = write(content, (entry.image_channels, entry.resolution, entry.resolution), out)
        manifest = manifest_of(name, entry, source, content, skipped, out)
        write_json(out / "manifest.json", manifest)
    left_out = f", {len(skipped)} broken ones left out: {'; '.join(skipped[:3])}" if skipped else ""
    seconds = time.perf_counter() - started
    print(f"prepared {name}: {content.count} images, {manifest['classes']} classes, {seconds:.1f} s{left_out}")
    return manifest


def manifest_of(
    name: str, entry: Source, source: Path | None, content: Content, skipped: list[str], out: Path
) -> dict[str, Any]:
    """What lies in `out`: the entry's words, what was found, and the hash of both arrays."""
    labels, counts = np.unique(content.labels, return_counts=True)
    return {
        "dataset": name,
        "title": entry.title,
        "licence": entry.licence,
        "page": entry.page,
        "supply": entry.supply if source is None else f"--source {one_line(source)}",
        "protocol": entry.protocol,
        "unpublished": list(entry.unpublished),
        "count": content.count,
        "shape": [entry.image_channels, entry.resolution, entry.resolution],
        "classes": len(labels),
        "smallest_class": int(counts.min()),
        "skipped": len(skipped),
        "skipped_names": skipped[:NAMED_IN_MANIFEST],
        "sha256": sha256(out / "images.npy", out / "labels.npy"),
        **content.details,
    }


def check(name: str, entry: Source, content: Content) -> None:
    """Refuse a source with another number of images or classes than the data set has."""
    if entry.count not in (None, content.count) or not content.count:
        expected = "some" if entry.count is None else entry.count
        raise UserError(f"data set {name} has {content.count} images where {expected} are expected; check --source")
    found = len(np.unique(content.labels))
    if entry.classes not in (None, found):
        raise UserError(f"data set {name} has {found} classes where {entry.classes} are expected; check --source")


def write(content: Content, shape: tuple[int, int, int], out: Path) -> tuple[Content, list[str]]:
    """Both arrays, each under a temporary name first; the content that was written, and what was left out of it."""
    needed, free = content.count * int(np.prod(shape)), shutil.disk_usage(out).free
    if needed > free:
        raise UserError(f"--out {out} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")
    with atomic(out / "images.npy") as images, atomic(out / "labels.npy") as labels:
        with Rows.create(images, content.count, shape) as rows:
            bad = content.fill(rows)
            if len(bad) == content.count:
                raise UserError(f"--source holds no usable image: {next(iter(bad.values()))}")
            if bad:
                kept = rows.leave_out(bad)
                content = replace(content, count=len(kept), labels=content.labels[kept])
        np.save(labels, content.labels)
        (out / "manifest.json").unlink(missing_ok=True)
    return content, [bad[row] for row in sorted(bad)]


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Exclusive lock on a folder; leftovers of killed runs are removed, and so is a folder that stays empty."""
    lock = out / ".lock"
    with made(out), lock.open("wb") as file:
        for _ in range(LOCK_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)  # the children of a killed one end a moment after it
        else:
            raise UserError(f"{out} is being written by another `r3gan prepare`; wait for it")
        try:
            for remains in out.glob(".*.part*"):
                remains.unlink()
            yield
        finally:
            lock.unlink()
