"""One walk over whatever holds pictures: which files are pictures, which are left out and why, and their classes."""

import fnmatch
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from r3gan.data.untrusted import first, one_line, reading
from r3gan.errors import UserError

LABELS = "dataset.json"  # of NVlabs' tools: {"labels": [[path, class], ...]} or {"labels": null}
ENDINGS = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)
# What systems put next to pictures, in lower case; names that start with a dot are hidden everywhere.
SYSTEM = frozenset(("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir"))
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
HIDDEN = "hidden or system files"
Read = Callable[[], bytes]  # raises BadPictureError


class Container(Protocol):
    """A folder, zip, tar or lmdb; another process opens it anew by its path.

    `members` gives every file under the container's own key, with the reason why it cannot be read, if there is one.
    `stamp` changes when a file's bytes do. `pictures` gives, in any order, the place of each key and what reads it.
    """

    path: Path
    has_endings: bool

    def members(self) -> Iterator[tuple[str, str]]: ...
    def stamp(self, key: str) -> str: ...
    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, Read]]: ...


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Pictures in the order of their names, the other files by the reason why they are left out, and the labels."""

    container: Container
    names: list[str]
    keys: list[str]
    left_out: dict[str, list[str]]
    labels_name: str | None  # of dataset.json
    labels: bytes = b""

    def __str__(self) -> str:
        """The files that are left out, in one line."""
        return "; ".join(f"{len(names)} {reason} ({first(names)})" for reason, names in self.left_out.items())

    def digest(self) -> str:
        """Of names, sizes, times and labels: equal where the same pictures are read again."""
        found = hashlib.sha256(self.labels)
        for name, key in zip(self.names, self.keys, strict=True):
            found.update(f"{name}\0{self.container.stamp(key)}\n".encode(errors="surrogateescape"))
        return found.hexdigest()


def normal(key: str) -> str:
    """A path with forward slashes and without `./`, whatever system wrote it."""
    return "/".join(part for part in key.replace("\\", "/").split("/") if part not in ("", "."))


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part.lower() in SYSTEM for part in name.split("/"))


def why_left_out(name: str, fault: str, has_endings: bool, select: str) -> str:
    """The reason in words that follow a number, or nothing for a picture."""
    ending = PurePosixPath(name).suffix.lower()
    if is_hidden(name):
        return HIDDEN
    if has_endings and ending not in ENDINGS:
        return fault or (f"{ending} files" if ending else "files without an ending")
    return "" if fnmatch.fnmatchcase(name, select) else "pictures of other parts"


def walk(container: Container, select: str) -> Listing:
    """Every file of a container, listed once; UserError where two have one name."""
    found: dict[str, str] = {}
    labels: dict[str, str] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    for key, fault in container.members():
        name = normal(key)
        is_labels = name.split("/")[-1] == LABELS and not is_hidden(name)
        if not is_labels and (reason := why_left_out(name, fault, container.has_endings, select)):
            left_out[reason].append(name)
            continue
        files = labels if is_labels else found
        if name in files:
            raise UserError(f"{container.path} holds several files of the name {one_line(name)}; nothing was read")
        files[name] = key
    if len(labels) > 1:
        raise UserError(f"{container.path} holds several lists of labels, and one is allowed: {first(sorted(labels))}")
    names, text = sorted(found), b""
    for key in labels.values():
        with reading(container.path / key, "a list of labels"):
            for _, read in container.pictures([key]):
                text = read()
    return Listing(
        container=container,
        names=names,
        keys=[found[name] for name in names],
        left_out={reason: sorted(left_out[reason]) for reason in sorted(left_out)},
        labels_name=next(iter(labels), None),
        labels=text,
    )


def folder_classes(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The class folder of each picture, "" for one outside of them all, and in words what had to be decided.

    Class folders are those in which paths first differ. Folders that are all named like splits are no classes.
    """
    parents = [name.rpartition("/")[0] for name in names]
    paths = {parent: parent.split("/") if parent else [] for parent in set(parents)}
    said: list[str] = []
    single = ""
    while paths:
        tops = {path[0] if path else "" for path in paths.values()}
        if "" in tops or not (len(tops) == 1 or {top.lower() for top in tops} <= SPLITS):
            break
        if len(tops) > 1:
            said.append(f"the splits {', '.join(sorted(tops))} are read as one set")
        single = min(tops) if len(tops) == 1 else single
        paths = {parent: path[1:] for parent, path in paths.items()}
    classes = {parent: path[0] if path else "" for parent, path in paths.items()}
    if len(set(classes.values())) == 1:
        return [single] * len(names), said
    if any(len(path) > 1 for path in paths.values()):
        said.append("folders below the class folders do not count as classes")
    if loose := sum(not classes[parent] for parent in parents):
        said.append(f"{loose} pictures outside of the class folders are a class of their own, the first one")
    return [classes[parent] for parent in parents], said


def json_labels(text: bytes, names: Sequence[str], path: Path, below: str = "") -> tuple[list[int], list[str]]:
    """The class of each name as a dataset.json in the folder `below` gives it (none: 0), and what else it names."""
    with reading(path, "a list of labels"):
        pairs = json.loads(text)["labels"]
        if pairs is None:
            return [0] * len(names), []
        labels: dict[str, object] = {}
        for name, label in pairs:
            name = normal(f"{below}/{name}")
            if labels.setdefault(name, label) != label:
                raise UserError(f"{path} gives {one_line(name)} two labels, {one_line(labels[name])} and {label}")
    found = []
    for name in names:
        label = labels.get(name)
        if type(label) is not int or not 0 <= label < 2**31:
            said = f"the label {one_line(label)}" if name in labels else "no label"
            raise UserError(f"{path} gives {one_line(name)} {said}; allowed: a whole number from 0 for every picture")
        found.append(label)
    absent = sorted(labels.keys() - set(names))
    return found, [f"{len(absent)} pictures of {LABELS} are not read ({first(absent)})"] if absent else []
