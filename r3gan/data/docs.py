"""docs/datasets.md: every entry of SOURCES in words, written by `r3gan list datasets --markdown`."""

from collections.abc import Iterator

from tabulate import tabulate

from r3gan.data.source import Remote, Source
from r3gan.data.sources import SOURCES

INTRODUCTION = """\
# Data sets

This page is generated from `SOURCES` in `r3gan/data/sources.py`; do not edit it:

    r3gan list datasets --markdown > docs/datasets.md

`r3gan prepare NAME` writes `data/NAME/`: `images.npy` (uint8, [N, C, R, R], memory-mapped when read), `labels.npy`
(int64) and `manifest.json` (count, classes, hashes, crop, filter, source). *Fetched* sets are downloaded into
`work/downloads/` and verified before use; a cut download is continued by the same command. *Yours* must be supplied
with `--source PATH`, and so may the others be; a *system package* comes with your distribution. Where no checksum is
published, the first download is trusted, its sha256 is kept and recorded, and another file is refused later; the number
of images is checked where it is known.

- `--resolution R` takes the same pictures at another size (a power of two from 8 to 1024 px).
- `r3gan prepare own --name cats --source FOLDER` makes your pictures the data set `data/cats`, on which any
  configuration can be trained ([own.md](own.md)). Rectangles lose their ends (`--fit crop`, the default), get black
  borders (`--fit pad`) or are squeezed (`--fit squeeze`); how many is printed.
- PNG, JPEG, WebP, BMP, GIF, TIFF and PPM files are read by their content; other files, hidden and system files
  (`.ipynb_checkpoints`, `__MACOSX`, `Thumbs.db`) are left out. Links to files and folders are followed, and each folder
  is read once.
- `--bad skip` also leaves out pictures that are empty, damaged, too small, not square where they should be, or no plain
  files; without it the first of them stops the command. `own` refuses pictures smaller than R, the other sets enlarge
  them, so that their published number is reached.
- Grey pictures become RGB, transparent ones are laid over white; 16 bits per channel are brought to 8 (grey: scaled and
  rounded; colours: the upper 8 bits); of several frames the first is read. `own` turns pictures as their EXIF
  orientation says; the other sets keep their pixels.
- Classes come from a `dataset.json` (paths below its own folder) or else from the folders in which the paths first
  differ, sorted by name, without what is left out; folders that are all named like splits (`train`, `val`) are none.
- The command ends with a count of all this, and the manifest holds it (`files_seen`, `left_out`, `changes`, `notes`,
  `class_sizes`).
- A finished data set is not replaced without `--overwrite`; the same command again does nothing.
- Two variants of one set, such as `imagenet-64` and `imagenet-64-chrabaszcz`, do not compare: a run of one refuses the
  other's data.
- `r3gan export NAME --out FILE.zip` writes the zip of NVlabs' tools with its dataset.json; `r3gan prepare own --source
  FILE.zip --resolution R` reads one.
"""


def check_of(file: Remote) -> str:
    """How a file is known to be the right one."""
    size = f"{file.size:,} bytes, " if file.size else ""
    return f"`{file.name}` ({size}{file.checksum.replace(':', ' ') if file.checksum else 'no checksum published'})"


def on_disk(source: Source) -> str:
    """Of images.npy: one byte per channel and pixel."""
    if source.count is None:
        return "as found"
    size = source.count * source.image_channels * source.resolution**2
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def facts(name: str, source: Source) -> Iterator[str]:
    """The lines below a set's heading."""
    yield f"### {name}\n"
    yield f"{source.title}. See {source.page}."
    yield f"Licence: {source.licence}.\n"
    if source.expects:
        yield f"- `--source`: {source.expects}"
    for file in source.files:
        yield f"- {check_of(file)} from " + ", ".join(f"<{url}>" for url in file.mirrors)
    if source.unpublished:
        yield f"- chosen here, since the paper and its code do not say: {', '.join(source.unpublished)}"


def markdown() -> str:
    """The whole page."""
    rows = [
        {
            "name": f"[{name}](#{name})",
            "images": "as found" if source.count is None else f"{source.count:,}",
            "px": source.resolution,
            "labels": {None: "as found", 1: "none"}.get(source.classes, source.classes),
            "on disk": on_disk(source),
            "supply": source.supply,
            "pixels": source.protocol,
        }
        for name, source in SOURCES.items()
    ]
    table = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    sections = "\n\n".join("\n".join(facts(name, source)).strip() for name, source in SOURCES.items())
    return f"{INTRODUCTION}\n{table}\n\n{sections}\n"
