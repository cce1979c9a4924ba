"""Files that are damaged or mean harm, through the command: one sentence, exit code 2, nothing left, nothing run."""

import gzip
import io
import json
import os
import pickle
import random
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from r3gan.cli import main
from r3gan.data import sources
from r3gan.data.readers.archives import Tar, Zip
from r3gan.data.readers.cifar import read_batch
from r3gan.data.readers.decode import decode
from r3gan.data.readers.digits import IMAGE_MAGIC, read_idx
from r3gan.data.readers.walk import Container, json_labels, walk
from r3gan.data.sources import SOURCES
from r3gan.data.untrusted import BadPictureError
from r3gan.errors import UserError
from tests.conftest import REPOSITORY, environment
from tests.helpers import MAKERS, Files, cifar_archive, folder_of, idx, picture, tar_of, unchecked, zip_of

Build = Callable[[Path], Path]  # writes a source below a folder and returns what --source names
CUTS = (0.01, 0.1, 0.3, 0.5, 0.7)
NOISE = random.Random(0).randbytes(2000)
GOOD_PNG = picture((1, 2, 3), (64, 64))


def jpeg() -> bytes:
    data = io.BytesIO()
    pixels = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data, format="jpeg", quality=95)
    return data.getvalue()


def shortened(data: bytes) -> dict[str, bytes]:
    return {f"cut at {cut:.0%}": data[: int(len(data) * cut)] for cut in CUTS}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8) -> bytes:
    """A grey PNG that claims a size, with any chunks behind its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def of(maker: Callable[[Path, Files], Path], files: Files) -> Build:
    return lambda folder: maker(folder / "source", files)


def white_as_zero() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.full((64, 64), 1, dtype=np.uint16)).save(data, format="tiff", tiffinfo={262: 0})
    return data.getvalue()


# Pictures: name -> bytes that stand in the place of one good picture.
PICTURES = {
    "empty": b"",
    "a text": b"not a picture",
    "noise": NOISE,
    "a signature alone": GOOD_PNG[:8],
    "PostScript under a false name": picture((1, 2, 3), ending="eps"),
    "a picture of scripts": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "a decompression bomb": png(60_000, 60_000, chunk(b"IDAT", zlib.compress(b"\0" * 1000))),
    "a bomb of width": png(2**31 - 1, 1, chunk(b"IDAT", b"")),
    "no pixels": png(0, 0),
    "a text of a gigabyte": png(64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (1 << 26)))),
    "white as 0 in sixteen bits": white_as_zero(),
    "floats": picture(1, (64, 64), mode="F", ending="tiff"),
    "too small": picture((1, 2, 3), (7, 64)),
    "no data": png(64, 64),
    "data of another length": png(64, 64, chunk(b"IDAT", zlib.compress(b"\0" * 10))),
    **{f"PNG {name}": data for name, data in shortened(GOOD_PNG).items()},
    **{f"JPEG {name}": data for name, data in shortened(jpeg()).items()},
    **{f"WebP {name}": data for name, data in shortened(picture((1, 2, 3), (64, 64), ending="webp")).items()},
}
LABELS = {
    "no JSON": b"{",
    "no object": b"[]",
    "no labels": b"{}",
    "no pairs": b'{"labels": [1]}',
    "a missing picture": b'{"labels": [["other.png", 1]]}',
    "a negative class": b'{"labels": [["a.png", -1]]}',
    "half a class": b'{"labels": [["a.png", 0.5]]}',
    "a truth": b'{"labels": [["a.png", true]]}',
    "a word": b'{"labels": [["a.png", "cat"]]}',
    "a huge class": b'{"labels": [["a.png", 1e999]]}',
    "a list of classes": b'{"labels": [["a.png", [1]]]}',
    "a deep well": b"[" * 100_000,
    "noise": NOISE,
}


def zip_with(name: str, mode: int = 0, data: bytes = GOOD_PNG, flags: int = 0) -> Build:
    """A zip with one member of any name and mode."""

    def build(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "source", "w", zipfile.ZIP_DEFLATED) as archive:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
        if flags:
            raw = bytearray((folder / "source").read_bytes())
            raw[raw.index(b"PK\x01\x02") + 8] |= flags
            (folder / "source").write_bytes(raw)
        return folder / "source"

    return build


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> Build:
    """A tar with one member of any name and kind, which claims `size` zeros."""

    def build(folder: Path) -> Path:
        with tarfile.open(folder / "source", "w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, size, target
            archive.addfile(member, io.BytesIO(bytes(size)))
        return folder / "source"

    return build


def damaged(path: Path) -> Path:
    """The same file with other bytes in its middle."""
    data = path.read_bytes()
    path.write_bytes(data[:1000] + bytes(20) + data[1020:])
    return path


def raw(data: bytes) -> Build:
    def build(folder: Path) -> Path:
        (folder / "source").write_bytes(data)
        return folder / "source"

    return build


def bytes_of(maker: Callable[[Path, Files], Path], files: Files) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return maker(Path(folder) / "x", files).read_bytes()


def folder_with(make: Callable[[Path], object]) -> Build:
    def build(folder: Path) -> Path:
        (folder / "source").mkdir()
        make(folder / "source" / "a.png")
        return folder / "source"

    return build


MANY = {f"{i}.png": GOOD_PNG for i in range(20)}
ZIP, TAR = bytes_of(zip_of, MANY), bytes_of(tar_of, MANY)
TWICE = io.BytesIO()
with zipfile.ZipFile(TWICE, "w") as _archive:
    for _name in ("a.png", "b.png"):
        _archive.writestr(_name, GOOD_PNG)
CONTAINERS: dict[str, Build] = {
    "nothing": lambda folder: folder / "nowhere",
    "a device": lambda folder: Path("/dev/zero"),
    "an empty folder": of(folder_of, {"readme.txt": b""}),
    "a link to a picture": folder_with(lambda path: path.symlink_to("/etc/hostname")),
    "a link to nothing": folder_with(lambda path: path.symlink_to("nowhere")),
    "a pipe": folder_with(os.mkfifo),
    "labels in a pipe": folder_with(lambda path: (os.mkfifo(path.parent / "dataset.json"), path.write_bytes(GOOD_PNG))),
    "labels behind a link": folder_with(
        lambda path: ((path.parent / "dataset.json").symlink_to("/etc/hostname"), path.write_bytes(GOOD_PNG))
    ),
    "a folder named like a picture": folder_with(Path.mkdir),
    "a name of other bytes": folder_with(lambda path: path.with_name(os.fsdecode(b"\xff\n.png")).write_bytes(b"x")),
    "an empty file": raw(b""),
    "noise": raw(NOISE),
    "noise as a zip": raw(b"PK\x03\x04" + NOISE),
    "noise as a gzip": raw(b"\x1f\x8b\x08" + NOISE),
    "a zip and a path upwards": zip_with("../a.png"),
    "a zip and a path upwards within": zip_with("b/../../a.png"),
    "a zip and an absolute path": zip_with("/tmp/a.png"),
    "a zip and a drive": zip_with("C:\\a.png"),
    "a zip and a backslash": zip_with("..\\a.png"),
    "a zip and a link": zip_with("a.png", stat.S_IFLNK | 0o777, b"/etc/hostname"),
    "a zip and a device": zip_with("a.png", stat.S_IFCHR | 0o666),
    "a zip and a pipe": zip_with("a.png", stat.S_IFIFO | 0o666),
    "an encrypted zip": zip_with("a.png", flags=1),
    "a zip bomb": zip_with("a.png", data=bytes(1 << 27)),
    "a zip and a database of noise": zip_with("a_lmdb/data.mdb", data=NOISE),
    "a zip and a damaged database": lambda folder: damaged(zip_with("a_lmdb/data.mdb", data=NOISE)(folder)),
    "a zip without pictures": zip_with("a.txt"),
    "a zip with one name twice": raw(TWICE.getvalue().replace(b"b.png", b"a.png")),
    "a zip with a wrong sum": raw(ZIP.replace(GOOD_PNG[-40:-20], bytes(20), 1)),
    **{f"zip {name}": raw(data) for name, data in shortened(ZIP).items()},
    "a tar and a path upwards": tar_with("../a.png"),
    "a tar and an absolute path": tar_with("/tmp/a.png"),
    "a tar and a link": tar_with("a.png", tarfile.SYMTYPE, target="/etc/hostname"),
    "a tar and a hard link": tar_with("a.png", tarfile.LNKTYPE, target="/etc/hostname"),
    "a tar and a device": tar_with("a.png", tarfile.CHRTYPE),
    "a tar and a block device": tar_with("a.png", tarfile.BLKTYPE),
    "a tar and a pipe": tar_with("a.png", tarfile.FIFOTYPE),
    "a tar bomb": tar_with("a.png", size=1 << 27),
    "a tar without pictures": tar_with("a.txt"),
    "a tar with one name twice": lambda folder: tar_twice(folder / "source"),
    **{f"tar {name}": raw(data) for name, data in shortened(TAR).items() if data},
    **{f"{kind} and {name} label": of(MAKERS[kind], {"a.png": GOOD_PNG, "dataset.json": text})
       for kind in ("folder", "zip") for name, text in LABELS.items()},
    **{f"{kind} and a picture: {name}": of(MAKERS[kind], {"a.png": data, "b.png": GOOD_PNG})
       for kind in ("folder", "zip") for name, data in PICTURES.items()},
    "tar and a picture of noise": of(tar_of, {"a.png": NOISE}),
    "lmdb and a picture of noise": of(MAKERS["lmdb"], {"a": NOISE}),
}  # fmt: skip


def tar_twice(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.png"))
    return path


def lmdb_changed(change: Callable[[bytes], bytes]) -> Build:
    def build(folder: Path) -> Path:
        path = MAKERS["lmdb"](folder / "source", {f"{i}": GOOD_PNG * 30 for i in range(20)})
        (path / "lock.mdb").unlink()
        (path / "data.mdb").write_bytes(change((path / "data.mdb").read_bytes()))
        return path

    return build


def with_noise_at(page: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: 4096 * page] + NOISE + data[4096 * page + len(NOISE) :]


DATABASES: dict[str, Build] = {
    "an empty database": lmdb_changed(lambda data: b""),
    "a database of noise": lmdb_changed(lambda data: NOISE * 20),
    "a database of zeros": lmdb_changed(lambda data: bytes(len(data))),
    "half a database": lmdb_changed(lambda data: data[: len(data) // 2]),
    "a database's first page": lmdb_changed(lambda data: data[:4096]),
    **{f"a database with noise in page {page}": lmdb_changed(with_noise_at(page)) for page in (0, 2, 3, 5)},
    "a database whose pages point anywhere": lmdb_changed(
        lambda data: data[:8192] + b"".join(data[i : i + 16] + NOISE[:4080] for i in range(8192, len(data), 4096))
    ),
}


class Harm:
    """Unpickled in the usual way, it would make a file."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


CANARY = Path(tempfile.gettempdir()) / f"executed-{os.getpid()}"
TOUCH = f"open({str(CANARY)!r}, 'w')"
ROWS = np.zeros((4, 3072), dtype=np.uint8)
BATCH = {"data": ROWS, "labels": [0, 1, 2, 3]}
GOOD_BATCH = pickle.dumps(BATCH, protocol=2)
BATCHES = {
    "os.system": pickle.dumps(Harm(os.system, f"touch {CANARY}")),
    "eval": pickle.dumps(Harm(eval, TOUCH)),
    "exec in the labels": pickle.dumps({"data": ROWS, "labels": Harm(exec, TOUCH)}),
    "open": pickle.dumps(Harm(open, str(CANARY), "w")),
    "getattr": pickle.dumps(Harm(getattr, "", "join")),
    "numpy's reader of files": pickle.dumps(Harm(np.load, str(CANARY))),
    "a class of ours": pickle.dumps(Harm(Path, str(CANARY))),
    "a global by name": b"cos\nsystem\n(S'touch " + str(CANARY).encode() + b"'\ntR.",
    "an instance by name": b"(S'touch " + str(CANARY).encode() + b"'\nios\nsystem\n.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__init__\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "another encoding": pickle.dumps(Harm(__import__("_codecs").encode, "a", "utf-7"), protocol=2),
    "a persistent id": b"Pcanary\n.",
    "a list": pickle.dumps([1]),
    "a number": pickle.dumps(1),
    "no labels": pickle.dumps({"data": ROWS}),
    "no data": pickle.dumps({"labels": [1]}),
    "other data": pickle.dumps({"data": "text", "labels": [1]}),
    "float data": pickle.dumps({"data": ROWS.astype(float), "labels": [0] * 4}, protocol=2),
    "objects": pickle.dumps({"data": np.array([[None] * 3072]), "labels": [0]}, protocol=2),
    "short rows": pickle.dumps({"data": ROWS[:, :100], "labels": [0] * 4}, protocol=2),
    "too few labels": pickle.dumps({"data": ROWS, "labels": [0]}, protocol=2),
    "a label of 10": pickle.dumps({"data": ROWS, "labels": [0, 1, 2, 10]}, protocol=2),
    "a label of -1": pickle.dumps({"data": ROWS, "labels": [0, 1, 2, -1]}, protocol=2),
    "a true label": pickle.dumps({"data": ROWS, "labels": [True] * 4}, protocol=2),
    "a count of 2^31 bytes": b"\x80\x02B\xff\xff\xff\x7fabc.",
    "a memory of 2^31 places": b"\x80\x04Nr\xff\xff\xff\x7f0.",
    "a deep well": b"(" * 100_000 + b"l" * 100_000 + b".",
    "noise": NOISE,
    "nothing": b"",
    **shortened(GOOD_BATCH),
}


def cifar_with(data: bytes) -> Build:
    files = {f"cifar-10-batches-py/data_batch_{i}": GOOD_BATCH for i in range(1, 6)}
    files["cifar-10-batches-py/data_batch_3"] = data
    return lambda folder: tar_of(folder / "cifar-10-python.tar.gz", files)


def cifar_raw(change: Callable[[bytes], bytes]) -> Build:
    def build(folder: Path) -> Path:
        path = folder / "cifar-10-python.tar.gz"
        cifar_archive(path, np.random.default_rng(0).integers(256, size=(20, 3, 32, 32), dtype=np.uint8), [0] * 20)
        path.write_bytes(change(path.read_bytes()))
        return path

    return build


def cifar_link(folder: Path) -> Path:
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(member)
    return folder


CIFARS: dict[str, Build] = {
    "no archive": lambda folder: folder,
    "a link": cifar_link,
    "no batches": lambda folder: tar_of(folder / "cifar-10-python.tar.gz", {"a": b""}),
    "noise": cifar_raw(lambda data: NOISE),
    "fewer images than CIFAR-10 has": cifar_raw(lambda data: data),
    **{f"{cut:.0%} of the archive": cifar_raw(lambda data, cut=cut: data[: int(len(data) * cut)]) for cut in CUTS},
    **{f"a batch: {name}": cifar_with(data) for name, data in BATCHES.items()},
}

DIGITS = np.random.default_rng(0).integers(256, size=(6, 28, 28), dtype=np.uint8)
GOOD_IDX = idx(DIGITS)


def header(*values: int) -> bytes:
    return gzip.compress(np.array(values, dtype=">u4").tobytes() + bytes(784))


IDXES = {
    "empty": b"",
    "noise": NOISE,
    "noise as a gzip": b"\x1f\x8b\x08" + NOISE,
    "another magic": header(0x0D03, 1, 28, 28),
    "labels for images": idx(np.zeros(6, dtype=np.uint8)),
    "another size": idx(np.zeros((6, 27, 28), dtype=np.uint8)),
    "a size that overflows": header(IMAGE_MAGIC, 1, 2**31, 2**31),
    "more digits than MNIST has": header(IMAGE_MAGIC, 2**32 - 1, 28, 28),
    "more digits than there are": header(IMAGE_MAGIC, 2, 28, 28),
    "fewer digits than there are": gzip.compress(gzip.decompress(GOOD_IDX) + b"\0"),
    "a bomb": gzip.compress(gzip.decompress(GOOD_IDX) + bytes(1 << 26)),
    "a header alone": header(IMAGE_MAGIC, 6, 28, 28)[:20],
    "a wrong sum": GOOD_IDX[:-8] + bytes(8),
    "fewer images than labels": idx(DIGITS[:5]),
    **shortened(GOOD_IDX),
}


def idx_with(data: bytes) -> Build:
    def build(folder: Path) -> Path:
        for part in ("train", "t10k"):
            (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(GOOD_IDX)
            (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(6, dtype=np.uint8)))
        (folder / "t10k-images-idx3-ubyte.gz").write_bytes(data)
        return folder

    return build


CASES: dict[str, tuple[str, Build]] = {
    **{f"own: {name}": ("own", build) for name, build in (CONTAINERS | DATABASES).items()},
    **{f"cifar10: {name}": ("cifar10", build) for name, build in CIFARS.items()},
    **{f"mnist-32: {name}": ("mnist-32", idx_with(data)) for name, data in IDXES.items()},
}


def test_there_are_enough_malformed_inputs() -> None:
    assert len(CASES) >= 200


@pytest.fixture
def without_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published sums would refuse all of this before a reader sees it."""
    open_ended = {
        name: replace(SOURCES[name], files=unchecked(SOURCES[name].files)) for name in ("cifar10", "mnist-32")
    }
    monkeypatch.setattr(sources, "SOURCES", dict(SOURCES) | open_ended)


def tree(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize(("name", "build"), CASES.values(), ids=CASES)
def test_a_malformed_source_ends_in_one_sentence_and_nothing_else(
    name: str,
    build: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    without_checksums: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = build(tmp_path)
    before = tree(tmp_path)
    resolution = ("--resolution", "8") if name == "own" else ()
    assert main(["prepare", name, "--source", str(source), *resolution]) == 2
    said = capsys.readouterr()
    message = [line for line in said.err.splitlines() if "img/s" not in line]
    assert len(message) == 1
    assert message[0].startswith("r3gan prepare: ")
    assert message[0].isprintable()
    assert "Traceback" not in said.err
    assert tree(tmp_path) == before
    assert not CANARY.exists()


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "empty"])
def test_broken_pictures_can_be_left_out_and_are_counted_and_named(name: str, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"a.png": PICTURES[name], "b.png": GOOD_PNG, "c.png": b"", "d.png": GOOD_PNG})
    arguments = ("--source", str(source), "--resolution", "8", "--bad", "skip", "--out", str(tmp_path / "out"))
    assert main(["prepare", "own", *arguments]) == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    images, labels = (np.load(tmp_path / f"out/{part}.npy") for part in ("images", "labels"))
    assert (manifest["count"], manifest["skipped"]) == (2, 2)
    assert [text.split()[0] for text in manifest["skipped_names"]] == ["a.png", "c.png"]
    assert manifest["skipped_names"][1] == "c.png is empty"
    assert (images == np.array([1, 2, 3])[:, None, None]).all()
    assert images.shape == (2, 3, 8, 8)
    assert labels.tolist() == [0, 0]


def outcome(read: Callable[[Path], object], data: bytes) -> None:
    """A reader takes the bytes or refuses them in its own words; anything else is a defect."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(data)
        try:
            read(path)
        except (UserError, BadPictureError) as error:
            assert str(error).isprintable()  # noqa: PT017
        assert os.listdir(folder) == ["data"]  # noqa: PTH208


def read_all(container: Container) -> list[bytes]:
    return [read() for _, read in container.pictures(walk(container, "*").keys)]


OWN = replace(SOURCES["own"], resolution=8)
READERS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "idx": (GOOD_IDX, lambda path: read_idx(path, IMAGE_MAGIC, 784)),
    "batch": (GOOD_BATCH, lambda path: read_batch(path.read_bytes(), path)),
    "png": (GOOD_PNG, lambda path: decode(path.read_bytes(), OWN)),
    "jpeg": (jpeg(), lambda path: decode(path.read_bytes(), OWN)),
    "zip": (ZIP[:4000], lambda path: read_all(Zip(path))),
    "tar": (gzip.decompress(TAR), lambda path: read_all(Tar(path))),
    "labels": (b'{"labels": [["a", 1], ["b", 2]]}', lambda path: json_labels(path.read_bytes(), ["a", "b"], path)),
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_reader_breaks_on_any_bytes(kind: str, data: st.DataObject) -> None:
    good, read = READERS[kind]
    start = data.draw(st.integers(0, len(good)))
    middle = data.draw(st.binary(max_size=40))
    end = data.draw(st.integers(start, len(good)))
    outcome(read, good[:start] + middle + good[end:])


def test_nothing_is_imported_from_the_folder_that_the_command_is_called_in(tmp_path: Path) -> None:
    """Not even by the processes that read a database and decode its pictures."""
    launcher = tmp_path / "bin/launch.py"  # as an installed command: its own folder is searched, not the caller's
    launcher.parent.mkdir()
    launcher.write_text("import sys\nfrom r3gan.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    for module in ("multiprocessing", "lmdb", "struct", "PIL", "numpy", "signal"):
        (tmp_path / f"{module}.py").write_text(TOUCH)
    MAKERS["lmdb"](tmp_path / "in", {f"{i:03d}": GOOD_PNG for i in range(300)})
    command = [sys.executable, str(launcher), "prepare", "own", "--source", "in", "--resolution", "8"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(REPOSITORY), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "prepared own: 300 images" in done.stdout
    assert not CANARY.exists()


ARRAYS = {
    "objects": lambda: np.array([{"a": 1}], dtype=object),
    "floats": lambda: np.zeros((2, 3, 8, 8)),
    "another shape": lambda: np.zeros((2, 3, 8, 9), dtype=np.uint8),
    "another count": lambda: np.zeros((3, 3, 8, 8), dtype=np.uint8),
    "no axes": lambda: np.uint8(0),
}


@pytest.mark.parametrize("name", [*ARRAYS, "noise", "empty", "cut", "a pickle"])
def test_prepared_arrays_that_were_tampered_with_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(tmp_path / "in", {"a.png": GOOD_PNG, "b.png": GOOD_PNG})
    assert main(["prepare", "own", "--source", str(source), "--resolution", "8", "--out", str(tmp_path / "out")]) == 0
    path = tmp_path / "out/images.npy"
    if name in ARRAYS:
        np.save(path, ARRAYS[name](), allow_pickle=True)
    else:
        good = path.read_bytes()
        path.write_bytes({"noise": NOISE, "empty": b"", "cut": good[:-1], "a pickle": BATCHES["eval"]}[name])
    capsys.readouterr()
    assert main(["export", "own", "--data", str(tmp_path / "out"), "--out", str(tmp_path / "x.zip")]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "r3gan prepare" in message
    assert not (tmp_path / "x.zip").exists()
    assert not CANARY.exists()
