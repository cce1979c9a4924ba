"""What users' folders and archives look like: every picture is read with the right label, or the output names it."""

import io
import json
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from r3gan.cli import main
from r3gan.data.build import prepare
from r3gan.data.kinds import Pictures
from r3gan.data.loader import open_dataset
from r3gan.data.readers.decode import decode
from r3gan.data.readers.pictures import open_container
from r3gan.data.readers.walk import HIDDEN, folder_classes, is_hidden, walk
from r3gan.data.sources import SOURCES
from r3gan.errors import UserError
from tests.helpers import MAKERS, Files, folder_of, lmdb_of, picture, tar_of, zip_of

RED, BLUE = (255, 0, 0), (0, 0, 255)
R, B = picture(RED, (32, 32)), picture(BLUE, (32, 32))
APPLE_DOUBLE = bytes.fromhex("0005160700020000") + bytes(74)
Said = pytest.CaptureFixture[str]


def own(source: Path, *flags: str, out: Path | None = None) -> tuple[dict[str, Any], NDArray[np.uint8], list[int]]:
    """The manifest, the images and the labels that `r3gan prepare own` makes of a source."""
    out = out or source.parent / "out"
    assert main(["prepare", "own", "--source", str(source), "--resolution", "32", "--out", str(out), *flags]) == 0
    data = open_dataset(out)
    return data.manifest, np.array(data.images), data.labels.tolist()


def corners(images: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    return [tuple(image[:, 0, 0].tolist()) for image in images]


LITTER = [
    "$RECYCLE.BIN/x.png", ".DS_Store", ".git/a.png", "__MACOSX/cat/._0.png", "cat/.ipynb_checkpoints/0-checkpoint.png",
    "cat/._0.png", "cat/@eaDir/0.png", "dog/Thumbs.db", "dog/desktop.ini",
]  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("litter", [LITTER[3:4], LITTER], ids=["one", "all"])
def test_hidden_and_system_files_are_no_pictures_and_no_classes(
    litter: list[str], kind: str, tmp_path: Path, capsys: Said
) -> None:
    files = {"cat/0.png": R, "dog/0.png": B} | dict.fromkeys(litter, APPLE_DOUBLE)
    manifest, images, labels = own(MAKERS[kind](tmp_path / "in", files))
    assert (corners(images), labels) == ([RED, BLUE], [0, 1])
    assert manifest["left_out"] == {HIDDEN: {"count": len(litter), "names": sorted(litter)}}
    assert (manifest["files_seen"], manifest["class_sizes"]) == (2 + len(litter), {"cat": 1, "dog": 1})
    said = capsys.readouterr().out
    assert f"left out: {len(litter)} hidden or system files ({', '.join(sorted(litter)[:3])}" in said
    assert "classes from folders: cat 1, dog 1" in said
    assert f"files: {2 + len(litter)} seen, 2 read" in said


LAYOUTS: dict[str, tuple[list[str], list[int]]] = {
    "class folders": (["cat/0.png", "dog/0.png"], [0, 1]),
    "a wrapping folder": (["pics/cat/0.png", "pics/dog/0.png"], [0, 1]),
    "three wrapping folders": (["a/b/c/cat/0.png", "a/b/c/dog/0.png"], [0, 1]),
    "dots in front": (["./cat/0.png", "./dog/0.png"], [0, 1]),
    "backslashes": (["cat\\0.png", "dog\\0.png"], [0, 1]),
    "backslashes in a wrapping folder": (["pics\\cat\\0.png", "pics\\dog\\0.png"], [0, 1]),
    "no folders": (["0.png", "1.png"], [0, 0]),
    "one folder": (["cat/0.png", "cat/1.png"], [0, 0]),
    "splits": (["train/dog/0.png", "val/cat/1.png"], [1, 0]),
    "splits in a wrapping folder": (["set/Train/dog/0.png", "set/Test/cat/1.png"], [0, 1]),
    "splits without classes": (["train/0.png", "test/1.png"], [0, 0]),
    "folders of classes": (["animal/cat/0.png", "car/red/0.png"], [0, 1]),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_folders_are_found_at_any_level(layout: str, kind: str, tmp_path: Path, capsys: Said) -> None:
    names, expected = LAYOUTS[layout]
    _, images, labels = own(MAKERS[kind](tmp_path / "in", dict(zip(names, (R, B), strict=True))))
    found = dict(zip(corners(images), labels, strict=True))
    said = capsys.readouterr().out
    assert len({found[RED], found[BLUE]}) == len(set(expected))
    if layout == "splits in a wrapping folder":
        assert (found[RED], found[BLUE]) == (1, 0)  # dog, cat
        assert "the splits Test, Train are read as one set" in said
    elif layout != "splits without classes":
        assert [found[RED], found[BLUE]] == expected
    assert ("below the class folders do not count" in said) == (layout == "folders of classes")


def test_pictures_outside_of_class_folders_are_a_class_that_the_output_names() -> None:
    labels, notes = folder_classes(["cover.png", "cat/0.png", "dog/0.png"])
    assert labels == ["", "cat", "dog"]
    assert notes == ["1 pictures outside of the class folders are a class of their own, the first one"]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("below", ["", "ds/", "a/ds/"])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_a_list_of_labels_counts_at_any_level_and_in_every_container(
    kind: str, below: str, slash: str, tmp_path: Path
) -> None:
    text = json.dumps({"labels": [[f"x{slash}0.png", 7], [f".{slash}x{slash}1.png", 3], ["gone.png", 1]]}).encode()
    files = {f"{below}x/0.png": R, f"{below}x/1.png": B, f"{below}dataset.json": text}
    manifest, _, labels = own(MAKERS[kind](tmp_path / "in", files))
    assert labels == [7, 3]
    assert manifest["classes_from"] == f"{below}dataset.json"
    assert manifest["class_sizes"] == {"3": 1, "7": 1}
    assert manifest["notes"] == [f"1 pictures of dataset.json are not read ({below}gone.png)"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [([["0.png", 1], ["0.png", 2]], "gives 0.png two labels, 1 and 2"), ([["1.png", 1]], "gives 0.png no label")],
)
def test_labels_that_contradict_each_other_or_lack_are_refused(
    labels: list[Any], message: str, tmp_path: Path, capsys: Said
) -> None:
    source = folder_of(tmp_path / "in", {"0.png": R, "dataset.json": json.dumps({"labels": labels}).encode()})
    assert main(["prepare", "own", "--source", str(source), "--resolution", "32", "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_classes_are_numbered_after_broken_pictures_are_left_out(tmp_path: Path, capsys: Said) -> None:
    source = zip_of(tmp_path / "in", {"ape/0.png": b"broken", "cat/0.png": R, "dog/0.png": B})
    manifest, _, labels = own(source, "--bad", "skip")
    assert labels == [0, 1]
    assert manifest["class_sizes"] == {"cat": 1, "dog": 1}
    assert "left out: 1 broken pictures (ape/0.png is no picture that is read" in capsys.readouterr().out


def turned(orientation: int, ending: str = "jpeg") -> bytes:
    """64 px, red above and blue below, with an EXIF orientation."""
    image = Image.new("RGB", (64, 64), BLUE)
    image.paste(RED, (0, 0, 64, 32))
    image.putpixel((1, 1), (0, 255, 0))
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(data, format=ending, exif=exif, **({"quality": 95} if ending == "jpeg" else {}))
    return data.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpeg", "png", "tiff", "webp"])
def test_own_pictures_stand_upright(orientation: int, ending: str) -> None:
    entry = SOURCES["own"]
    assert isinstance(entry, Pictures)
    data = turned(orientation, ending)
    pixels, _, done = decode(data, replace(entry, resolution=64))
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert (pixels == upright.transpose(2, 0, 1)).all()
    assert done == (["turned as their EXIF orientation says"] if orientation > 1 else [])


def test_own_pictures_are_turned_and_counted_and_the_papers_sets_keep_their_pixels(tmp_path: Path) -> None:
    manifest, images, _ = own(folder_of(tmp_path / "in", {"a.jpg": turned(6), "b.png": R}))
    assert manifest["changes"] == {"turned as their EXIF orientation says": 1}
    assert images[0, 0, 4, 28] > 200  # red is at the right, seen upright
    assert images[0, 2, 4, 4] > 200
    named = SOURCES["pokemon-256"]
    assert isinstance(named, Pictures)
    pixels, _, done = decode(turned(6), replace(named, resolution=64))
    assert pixels[0, 8, 8] > 200 and pixels[0, 8, 56] > 200
    assert done == []


FORMATS = {
    "a.png": "png", "b.bmp": "bmp", "c.gif": "gif", "d.tif": "tiff", "e.jfif": "jpeg", "f.JPG": "jpeg",
    "g.JPEG": "jpeg", "h.Jpe": "jpeg", "i.WebP": "webp", "j.ppm": "ppm", "k.TIFF": "tiff", "l.dib": "dib",
    "m.png": "bmp", "n.jpg": "webp",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_other_formats_and_endings_are_read_and_other_files_are_named(kind: str, tmp_path: Path, capsys: Said) -> None:
    files = {name: picture((10, 100, 200), (32, 32), ending=ending) for name, ending in FORMATS.items()}
    others = {"notes.txt": b"x", "IMG_1.HEIC": b"x", "LICENSE": b"x", "IMG_2.heic": b"x"}
    manifest, images, _ = own(MAKERS[kind](tmp_path / "in", files | others))
    assert len(images) == len(FORMATS)
    assert np.abs(images[:, :, 5, 5].astype(int) - [10, 100, 200]).max() <= 3
    assert manifest["left_out"] == {
        ".heic files": {"count": 2, "names": ["IMG_1.HEIC", "IMG_2.heic"]},
        ".txt files": {"count": 1, "names": ["notes.txt"]},
        "files without an ending": {"count": 1, "names": ["LICENSE"]},
    }
    assert "left out: 2 .heic files (IMG_1.HEIC, IMG_2.heic)" in capsys.readouterr().out


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path, capsys: Said) -> None:
    source = folder_of(tmp_path / "in", {f"{i}.heic": b"" for i in range(5)})
    assert main(["prepare", "own", "--source", str(source), "--out", str(tmp_path / "out")]) == 2
    assert "0 pictures" in (said := capsys.readouterr().err)
    assert "(left out: 5 .heic files (0.heic, 1.heic, 2.heic, ...))" in said


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(color_type: int, *value: int) -> bytes:
    """A PNG of 32 px with 16 bits per channel, all of one value."""
    row = b"\0" + struct.pack(f">{len(value)}H", *value) * 32
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 16, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(row * 32)) + chunk(b"IEND", b"")


def deep_tiff(value: int) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.full((32, 32), value, dtype=np.uint16)).save(data, format="tiff")
    return data.getvalue()


@pytest.mark.parametrize("value", [0, 128, 129, 300, 1000, 32896, 65279, 65535])
def test_sixteen_bits_become_eight_within_rounding_and_are_counted(value: int, tmp_path: Path) -> None:
    files = {
        "0-grey.png": deep_png(0, value),
        "1-grey.tif": deep_tiff(value),
        "2-grey.pgm": b"P5 32 32 65535\n" + struct.pack(">H", value) * 1024,
        "3-colour.png": deep_png(2, value, 65535, 0),
        "4-colour.png": deep_png(6, value, 65535, 0, 65535),
        "5-colour.ppm": b"P6 32 32 65535\n" + struct.pack(">HHH", value, 65535, 0) * 1024,
    }
    manifest, images, _ = own(folder_of(tmp_path / "in", files))
    assert images[:3, 0, 0, 0].tolist() == [round(value / 257)] * 3
    assert images[3:5, 0, 0, 0].tolist() == [value >> 8] * 2
    assert images[5, 0, 0, 0] == round(value / 257)
    assert (images[3:, 1] == 255).all() and (images[3:, 2] == 0).all()
    assert manifest["changes"] == {"brought from 16 bits per channel to 8": 6}


def palette(transparent: bool) -> bytes:
    image, data = Image.new("P", (32, 32), 1), io.BytesIO()
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(data, format="png", **({"transparency": 1} if transparent else {}))
    return data.getvalue()


def test_palettes_and_transparency_are_laid_over_white_and_counted_where_they_show(tmp_path: Path) -> None:
    files = {
        "0.png": palette(False),
        "1.png": palette(True),
        "2.png": picture((10, 20, 30, 255), (32, 32), mode="RGBA"),
        "3.png": picture((0, 0, 0, 51), (32, 32), mode="RGBA"),
        "4.png": picture((10, 0), (32, 32), mode="LA"),
    }
    manifest, images, _ = own(folder_of(tmp_path / "in", files))
    grey = 204  # black of a fifth over white
    expected = [(10, 20, 30), (255, 255, 255), (10, 20, 30), (grey, grey, grey), (255, 255, 255)]
    assert corners(images) == expected
    assert manifest["changes"] == {"transparent, laid over white": 3}


@pytest.mark.parametrize("ending", ["gif", "webp", "tiff", "png"])
def test_of_several_frames_the_first_is_read_and_that_is_counted(ending: str, tmp_path: Path) -> None:
    data = io.BytesIO()
    first, second = Image.new("RGB", (32, 32), RED), Image.new("RGB", (32, 32), BLUE)
    first.save(data, format=ending, save_all=True, append_images=[second])
    manifest, images, _ = own(folder_of(tmp_path / "in", {f"a.{ending}": data.getvalue()}))
    assert np.abs(np.array(corners(images)[0]) - RED).max() <= 2
    assert manifest["changes"] == {"read as the first of several frames": 1}


def test_links_are_followed_and_each_folder_is_read_once(tmp_path: Path, capsys: Said) -> None:
    folder_of(tmp_path / "real", {"dog/0.png": B, "ape/0.png": R})
    source = folder_of(tmp_path / "src", {"cat/0.png": R})
    (source / "dog").symlink_to("../real/dog")
    (source / "cat/1.png").symlink_to("../../real/dog/0.png")
    (source / "cat/loop").symlink_to("..")
    (source / "dog2").symlink_to("../real/dog")
    (source / "up").symlink_to("..")  # holds this folder again
    manifest, images, labels = own(source, out=tmp_path / "elsewhere/out")
    assert corners(images)[:3] == [RED, BLUE, BLUE]  # cat/0, cat/1, dog/0
    assert labels[:3] == [0, 0, 1]
    left_out = manifest["left_out"]["links to a folder that is read already"]
    assert left_out == {"count": 4, "names": ["cat/loop", "dog2", "up/real/dog", "up/src"]}
    assert manifest["class_sizes"] == {"cat": 2, "dog": 1, "up": 1}  # up/real/ape
    assert "links to a folder that is read already (cat/loop, dog2, up/real/dog, ...)" in capsys.readouterr().out


def test_a_link_to_a_hidden_folder_of_the_source_is_read(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {".store/a.png": R, "cat/0.png": B})
    (source / "dog").symlink_to(".store")
    manifest, images, _ = own(source)
    assert corners(images) == [BLUE, RED]
    assert manifest["left_out"][HIDDEN]["names"] == [".store/a.png"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_links_in_an_archive_are_never_followed_and_always_named(kind: str, tmp_path: Path, capsys: Said) -> None:
    source = tmp_path / "in"
    targets = {"dog": "../real/dog", "1.png": "/etc/hostname"}
    if kind == "zip":
        with zipfile.ZipFile(zip_of(source, {"0.png": R}), "a") as archive:
            for name, target in targets.items():
                link = zipfile.ZipInfo(name)
                link.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(link, target)
    else:
        with tarfile.open(tar_of(source, {"0.png": R}, "w"), "a") as archive:
            for name, target in targets.items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = tarfile.SYMTYPE, target
                archive.addfile(member)
    manifest, images, _ = own(source, "--bad", "skip")
    assert corners(images) == [RED]
    assert manifest["left_out"] == {"links and devices in an archive": {"count": 1, "names": ["dog"]}}
    assert manifest["skipped_names"] == ["1.png is a link or a device, and no plain file"]
    assert "left out: 1 broken pictures (1.png is a link" in capsys.readouterr().out


def test_a_link_that_leads_nowhere_stops_or_is_counted(tmp_path: Path, capsys: Said) -> None:
    source = folder_of(tmp_path / "in", {"cat/0.png": R})
    (source / "cat/1.png").symlink_to("gone.png")
    (source / "cat/2.png").symlink_to("2.png")
    flags = ["--resolution", "32", "--out", str(tmp_path / "out")]
    assert main(["prepare", "own", "--source", str(source), *flags]) == 2
    assert "cat/1.png is a link that leads nowhere" in capsys.readouterr().err
    manifest, _, _ = own(source, "--bad", "skip")
    assert (manifest["count"], manifest["skipped"]) == (1, 2)


def test_pictures_smaller_than_the_target_are_enlarged_where_a_number_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**SOURCES, "imagenet-32": replace(SOURCES["imagenet-32"], count=2, classes=2)}
    monkeypatch.setattr("r3gan.data.sources.SOURCES", small)
    source = folder_of(tmp_path / "in", {"n01/a.JPEG": picture(RED, (20, 40), ending="jpeg"), "n02/b.JPEG": B})
    manifest = prepare("imagenet-32", source, tmp_path / "out")
    assert (manifest["count"], manifest["changes"]) == (2, {"cropped to a square": 1, "enlarged": 1})
    assert open_dataset(tmp_path / "out").images[0, 0].min() > 250


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    ("data", "what"),
    [(POINTER, "a git LFS pointer instead of the file"), (PAGE, "an HTML page"), (b"Rar!\x1a\7\1", "a RAR archive"),
     (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive"), (b"\0\0\0\x18ftypheic\0\0", "a HEIC file")],
)  # fmt: skip
@pytest.mark.parametrize("place", ["the source", "a picture", "cifar10", "mnist-32", "labels"])
def test_pointers_pages_and_foreign_files_are_named_as_what_they_are(
    place: str, data: bytes, what: str, tmp_path: Path, capsys: Said
) -> None:
    source = folder_of(tmp_path / "in", {"cifar-10-python.tar.gz": data, "train-images-idx3-ubyte.gz": data})
    folder_of(
        source, {f"{name}-ubyte.gz": data for name in ("train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")}
    )
    folder_of(source / "pictures", {"a.png": data if place == "a picture" else R})
    if place == "labels":
        folder_of(source / "pictures", {"dataset.json": data})
    path = {"the source": source / "cifar-10-python.tar.gz", "a picture": source / "pictures",
            "labels": source / "pictures"}.get(place, source)  # fmt: skip
    name = place if place in SOURCES else "own"
    assert main(["prepare", name, "--source", str(path), "--out", str(tmp_path / "out")]) == 2
    assert f"is {what}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_finished_set_is_replaced_only_on_demand_and_the_same_command_does_nothing(
    tmp_path: Path, capsys: Said
) -> None:
    source = folder_of(tmp_path / "in", {"a.png": R})
    manifest, _, _ = own(source)
    written = (tmp_path / "out/images.npy").stat().st_mtime_ns
    capsys.readouterr()
    assert own(source)[0] == manifest
    assert "already holds own from the same source with the same settings: nothing to do" in capsys.readouterr().out
    assert (tmp_path / "out/images.npy").stat().st_mtime_ns == written
    arguments = ["prepare", "own", "--source", str(source), "--resolution", "32", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--bad", "skip"]) == 2
    assert "holds a finished data set with another --bad; give --overwrite" in capsys.readouterr().err
    folder_of(source, {"b.png": B})
    assert main(arguments) == 2
    assert "holds a finished data set with another --source; give --overwrite" in capsys.readouterr().err
    assert main(["prepare", "mnist5k-16", "--out", str(tmp_path / "out")]) == 2
    assert "holds a finished data set with another dataset and protocol and --source" in capsys.readouterr().err
    assert open_dataset(tmp_path / "out").manifest == manifest
    assert own(source, "--overwrite")[0]["count"] == 2


def test_a_damaged_set_is_written_again(tmp_path: Path, capsys: Said) -> None:
    source = folder_of(tmp_path / "in", {"a.png": R})
    manifest, images, _ = own(source)
    data = bytearray((tmp_path / "out/images.npy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "out/images.npy").write_bytes(data)
    again, mended, _ = own(source)
    assert "is damaged" in capsys.readouterr().out
    assert again["sha256"] == manifest["sha256"]
    assert (mended == images).all()
    (tmp_path / "out/manifest.json").write_text("{")
    assert main(["prepare", "own", "--source", str(source), "--resolution", "32", "--out", str(tmp_path / "out")]) == 2
    assert "give --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("litter", [True, False])
def test_a_database_is_found_in_a_wrapping_folder_and_in_a_mac_users_zip(
    litter: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    lmdb_of(tmp_path / "in/church_lmdb", {"a": R, "b": B})
    if litter:
        folder_of(tmp_path / "in", {"__MACOSX/church_lmdb/._data.mdb": APPLE_DOUBLE, "cover.png": R})
    files = {str(p.relative_to(tmp_path / "in")): p.read_bytes() for p in (tmp_path / "in").rglob("*") if p.is_file()}
    for source in (tmp_path / "in", zip_of(tmp_path / "x.zip", files)):
        manifest, images, _ = own(source, "--overwrite")
        assert corners(images) == [RED, BLUE]
        assert set(manifest["left_out"]) == ({HIDDEN, "pictures next to the database"} if litter else set())


def test_keys_of_a_database_that_are_no_text_are_no_paths(tmp_path: Path) -> None:
    with_bytes = {"\x00/": R, ".\x01": B}
    manifest, images, labels = own(lmdb_of(tmp_path / "in", with_bytes))
    assert (corners(images), labels) == ([RED, BLUE], [0, 0])
    assert manifest["left_out"] == {}


NAMES = st.sampled_from(
    [
        "cat",
        "dog",
        "a b",
        "train",
        "val",
        ".git",
        "__MACOSX",
        "Thumbs.db",
        "0.png",
        "1.JPG",
        "ü.jfif",
        "x.txt",
        "._0.png",
    ]
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def without_clashes(paths: set[str]) -> list[str]:
    """No path that is also a folder of another one."""
    return sorted(path for path in paths if not any(other.startswith(f"{path}/") for other in paths))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(paths=st.sets(PATHS, min_size=1, max_size=12), prefix=st.sampled_from(["", "./", "pics/"]), slash=st.booleans())
def test_any_tree_gives_the_same_pictures_and_classes_in_every_container(
    paths: set[str], prefix: str, slash: bool
) -> None:
    names = without_clashes(paths)
    files: Files = {prefix + name: name.encode() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for kind, maker in (("folder", folder_of), ("zip", zip_of), ("tar", tar_of)):
            named = {name.replace("/", "\\") if slash and kind == "zip" else name: files[name] for name in files}
            listing = walk(open_container(maker(Path(folder) / kind, named)), "*")
            contents = {listing.names[i]: read() for i, read in listing.container.pictures(listing.keys)}
            found.append((contents, listing.names, folder_classes(listing.names), listing.left_out))
            assert len(listing.names) + sum(map(len, listing.left_out.values())) == len(files)
    assert found[0] == found[1] == found[2]
    contents = found[0][0]
    assert all(name.removeprefix("pics/").encode() == data for name, data in contents.items())
    classes = {Path(name).parent: label for name, label in zip(found[0][1], found[0][2][0], strict=True)}
    assert all(label == "" or label in folder.parts for folder, label in classes.items())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(paths=st.sets(PATHS, min_size=1, max_size=8), dropped=st.sets(st.integers(0, 7)))
def test_what_is_dropped_leaves_no_trace_in_the_classes(paths: set[str], dropped: set[int]) -> None:
    """Broken pictures that are skipped give the labels of a folder that never had them."""
    names = [name for name in without_clashes(paths) if name.lower().endswith((".png", ".jpg", ".jfif"))]
    visible = [name for name in names if not is_hidden(name)]
    kept = [name for i, name in enumerate(visible) if i not in dropped]
    if not kept:
        return
    with tempfile.TemporaryDirectory() as folder:
        labels = []
        for i, chosen in enumerate((visible, kept)):
            files = {name: R if name in kept else b"broken" for name in chosen}
            source, out = folder_of(Path(folder) / f"in{i}", files), Path(folder) / f"out{i}"
            prepare("own", source, out, resolution=8, skip_bad=True)
            labels.append(open_dataset(out).labels.tolist())
    assert labels[0] == labels[1]


def test_two_files_that_one_system_calls_the_same_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("cat/0.png", R)
        archive.writestr("cat\\0.png", B)
    with pytest.raises(UserError, match=r"several files of the name cat/0\.png"):
        prepare("own", tmp_path / "in.zip", tmp_path / "out", resolution=32)
