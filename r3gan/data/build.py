"""The `prepare` stage: a data set's images and labels as two arrays, and a manifest that says what is in them."""

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r3gan.data import sources
from r3gan.data.content import DOWNLOADS, Content, Request, Rows
from r3gan.data.readers import READERS
from r3gan.data.source import Source
from r3gan.data.untrusted import first, one_line
from r3gan.errors import UserError
from r3gan.files import atomic, made, read_json, sha256, write_json

NAMED_IN_MANIFEST = 20  # broken images, at most
NAMED_CLASSES = 12  # printed with their sizes
LOCK_TRIES = 10


def prepare(
    name: str,
    source: Path | None,
    out: Path,
    resolution: int | None = None,
    skip_bad: bool = False,
    downloads: Path = DOWNLOADS,
    overwrite: bool = False,
    own_name: str | None = None,
    fit: str | None = None,
) -> dict[str, Any]:
    """Write images.npy, labels.npy and manifest.json of data set `name` into `out` and return the manifest.

    Own pictures have the name `own_name` and are made square as `fit` says.

    The manifest is removed before the arrays take their names and written after, so that where there is one, it
    describes the arrays next to it; until then an older set stays as it was. A finished set is not replaced unless
    `overwrite`; where it is the one that is asked for, nothing is done.
    """
    started = time.perf_counter()
    if name == sources.OWN:
        name, entry = sources.own_entry(own_name, fit, resolution)
    else:
        name, entry = sources.at_resolution(name, resolution)
    asked = {"dataset": name, "protocol": entry.protocol, "--bad": "skip" if skip_bad else "stop", "--source": ""}
    if source is None and not overwrite and (held := finished(out, asked)):
        return held
    content = READERS[type(entry)](entry, Request(name=name, source=source, skip_bad=skip_bad, downloads=downloads))
    if source is not None:
        found = json.dumps([content.details.get("listing"), content.details.get("files")])
        asked["--source"] = hashlib.sha256(found.encode()).hexdigest()[:16]
        if not overwrite and (held := finished(out, asked)):
            return held
    check(name, entry, content, content.labels(np.arange(content.count)))
    with exclusive(out):
        labels, skipped = write(content, (entry.image_channels, entry.resolution, entry.resolution), out)
        manifest = manifest_of(name, entry, source, content, labels, skipped, out) | {"asked": asked}
        write_json(out / "manifest.json", manifest)
    seconds = time.perf_counter() - started
    print(f"prepared {name}: {len(labels)} images, {manifest['classes']} classes, {seconds:.1f} s")
    for line in report(manifest):
        print(f"  {line}")
    return manifest


def finished(out: Path, asked: Mapping[str, str]) -> dict[str, Any] | None:
    """The manifest of a set in `out` that is intact and was asked for alike; UserError where it is another set."""
    if not (out / "manifest.json").exists():
        return None
    hint = "give --overwrite to replace the data set, or another folder with --out"
    held = read_json(out / "manifest.json", hint)
    before = held.get("asked")
    if before != asked:
        other = [name for name in asked if isinstance(before, dict) and before.get(name) != asked[name]]
        what = f"with another {' and '.join(other)}" if other else "of an earlier version"
        raise UserError(f"{out} holds a finished data set {what}; {hint}")
    arrays = [out / "images.npy", out / "labels.npy"]
    if all(path.is_file() for path in arrays) and sha256(*arrays) == held.get("sha256"):
        print(f"{out} already holds {asked['dataset']} from the same source with the same settings: nothing to do")
        return held
    print(f"{out} is damaged: its arrays are not those of its manifest; they are written again")
    return None


def manifest_of(
    name: str,
    entry: Source,
    source: Path | None,
    content: Content,
    labels: NDArray[np.int64],
    skipped: list[str],
    out: Path,
) -> dict[str, Any]:
    """What lies in `out`: the entry's words, what was found, and the hash of both arrays."""
    classes, counts = np.unique(labels, return_counts=True)
    names = content.details.pop("class_names", None)
    sizes = {names[i] if names else str(i): n for i, n in zip(classes.tolist(), counts.tolist(), strict=True)}
    return {
        "dataset": name,
        "title": entry.title,
        "licence": entry.licence,
        "page": entry.page,
        "supply": entry.supply if source is None else f"--source {one_line(source)}",
        "protocol": entry.protocol,
        "unpublished": list(entry.unpublished),
        "count": len(labels),
        "shape": [entry.image_channels, entry.resolution, entry.resolution],
        "classes": len(classes),
        "smallest_class": int(counts.min()),
        "class_sizes": sizes,
        "skipped": len(skipped),
        "skipped_names": skipped[:NAMED_IN_MANIFEST],
        "sha256": sha256(out / "images.npy", out / "labels.npy"),
        **content.details,
    }


def report(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What became of every file that was seen, and the classes, line by line."""
    if "files_seen" in manifest:
        yield f"files: {manifest['files_seen']} seen, {manifest['count']} read"
    for reason, files in manifest.get("left_out", {}).items():
        yield f"left out: {files['count']} {reason} ({first(files['names'], total=files['count'])})"
    if broken := manifest["skipped"]:
        yield f"left out: {broken} broken pictures ({first(manifest['skipped_names'], total=broken)})"
    for change, count in manifest.get("changes", {}).items():
        yield f"{change}: {count}"
    yield from manifest.get("notes", ())
    sizes = manifest["class_sizes"]
    origin = f" from {manifest['classes_from']}" if "classes_from" in manifest else ""
    if len(sizes) > NAMED_CLASSES:
        yield f"classes{origin}: {len(sizes)} of {min(sizes.values())} to {max(sizes.values())} images"
    elif len(sizes) > 1:
        yield f"classes{origin}: " + ", ".join(f"{name} {count}" for name, count in sizes.items())


def check(name: str, entry: Source, content: Content, labels: NDArray[np.int64]) -> None:
    """Refuse a source with another number of images or classes than the data set has."""
    if entry.count not in (None, content.count) or not content.count:
        expected = "some" if entry.count is None else entry.count
        raise UserError(f"data set {name} has {content.count} images where {expected} are expected; check --source")
    found = len(np.unique(labels))
    if entry.classes not in (None, found):
        raise UserError(f"data set {name} has {found} classes where {entry.classes} are expected; check --source")


def write(content: Content, shape: tuple[int, int, int], out: Path) -> tuple[NDArray[np.int64], list[str]]:
    """Both arrays, each under a temporary name first; the labels that were written, and what was left out."""
    needed, free = content.count * int(np.prod(shape)), shutil.disk_usage(out).free
    if needed > free:
        raise UserError(f"--out {out} needs {needed / 1e6:,.3f} MB, and {free / 1e6:,.3f} MB are free there")
    with atomic(out / "images.npy") as images, atomic(out / "labels.npy") as path:
        with Rows.create(images, content.count, shape) as rows:
            bad = content.fill(rows)
            if len(bad) == content.count:
                raise UserError(f"--source holds no usable image: {next(iter(bad.values()))}")
            kept = rows.leave_out(bad) if bad else np.arange(content.count)
        labels = content.labels(kept)
        np.save(path, labels)
        (out / "manifest.json").unlink(missing_ok=True)
    return labels, [bad[row] for row in sorted(bad)]


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
