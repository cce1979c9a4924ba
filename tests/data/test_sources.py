"""Every kind of data set from its own files to arrays: the pixels, the labels, the manifest."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.pictures import make_folder, plain_batches, plain_prepare
from r3gan.cli import main
from r3gan.data import sources
from r3gan.data.build import exclusive, prepare
from r3gan.data.content import Rows
from r3gan.data.export import export
from r3gan.data.kinds import IdxDigits, Pictures, StackedDigits
from r3gan.data.loader import open_dataset
from r3gan.data.readers import workers
from r3gan.data.source import Remote, Source
from r3gan.data.sources import SOURCES
from r3gan.errors import UserError
from tests.conftest import REPOSITORY, paused
from tests.deadly import Deadly
from tests.helpers import MAKERS, cifar_archive, folder_of, idx, lmdb_of, picture, unchecked, zip_of

Register = Callable[[str, Source], None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Puts an entry in the place of one in SOURCES."""

    def put(name: str, entry: Source) -> None:
        monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES) | {name: entry})

    return put


@pytest.fixture
def tiny_mnist(tmp_path: Path, register: Register) -> Path:
    """Four idx files with 6 training and 4 test digits, and entries that expect these."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 4)):
        images = generator.integers(256, size=(count, 28, 28), dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(count, dtype=np.uint8) + 4 * (count == 6)))
    entry = SOURCES["mnist-32"]
    assert isinstance(entry, IdxDigits)
    entry = replace(entry, files=unchecked(entry.files), unpacked=unchecked(entry.unpacked), count=10)
    register("mnist-32", entry)
    stacks = SOURCES["stackedmnist"]
    assert isinstance(stacks, StackedDigits)
    register("stackedmnist", replace(stacks, digits=entry, count=20_000))
    return folder


def test_files_of_a_system_package_are_found_and_checked(tmp_path: Path, register: Register) -> None:
    """Debian packs the same idx files anew, so that its files have other checksums than the published ones."""
    entry = SOURCES["fashion-mnist-32"]
    assert isinstance(entry, IdxDigits)
    contents = {
        remote.name: idx(np.full((4, 28, 28) if "images" in remote.name else 4, i, dtype=np.uint8))
        for i, remote in enumerate(entry.files)
    }
    packed_anew = {name: gzip.compress(gzip.decompress(data), compresslevel=1) + b"" for name, data in contents.items()}

    def known(files: dict[str, bytes]) -> tuple[Remote, ...]:
        return tuple(
            Remote(name=name, size=len(data), checksum=f"md5:{hashlib.md5(data).hexdigest()}")
            for name, data in files.items()
        )

    installed = tmp_path / "usr/share/fashion-mnist"
    register("fashion-mnist-32", replace(
        entry, files=known(contents), unpacked=(), system_files=known(packed_anew), system_folder=str(installed),
        count=8, classes=2,
    ))  # fmt: skip
    with pytest.raises(
        UserError, match=r"fashion-mnist-32 is not installed \(.*fashion-mnist is missing\); see github"
    ):
        prepare("fashion-mnist-32", None, tmp_path / "out")
    folder_of(installed, packed_anew)
    found = prepare("fashion-mnist-32", None, tmp_path / "out")
    assert (found["count"], found["shape"], found["supply"]) == (8, [1, 32, 32], "system package")
    published = prepare("fashion-mnist-32", folder_of(tmp_path / "mine", contents), tmp_path / "published")
    assert published["sha256"] == found["sha256"]
    (installed / entry.files[0].name).write_bytes(idx(np.zeros((4, 28, 28), dtype=np.uint8))[::-1])
    with pytest.raises(UserError, match="fetch it again"):
        prepare("fashion-mnist-32", None, tmp_path / "again")


def test_all_of_mnist_is_read_train_then_test_and_padded(tiny_mnist: Path, tmp_path: Path) -> None:
    manifest = prepare("mnist-32", tiny_mnist, tmp_path / "out")
    digits = open_dataset(tmp_path / "out")
    assert digits.images.shape == (10, 1, 32, 32)
    assert digits.labels.tolist() == [4, 5, 6, 7, 8, 9, 0, 1, 2, 3]
    first = np.random.default_rng(0).integers(256, size=(6, 28, 28), dtype=np.uint8)[0]
    assert (digits.images[0, 0, 2:30, 2:30] == first).all()
    assert digits.images[:, :, :2].max() == digits.images[:, :, :, 30:].max() == 0
    assert manifest["files"][0]["name"] == "train-images-idx3-ubyte.gz"
    assert manifest["files"][0]["checked"] == "not published, none to check"


@pytest.mark.parametrize("layout", ["{}", "MNIST/raw/{}", "raw/{}", "{}/{}", "dots"])
def test_mnist_is_read_unpacked_in_the_usual_layouts(layout: str, tiny_mnist: Path, tmp_path: Path) -> None:
    expected = prepare("mnist-32", tiny_mnist, tmp_path / "out")["sha256"]
    for path in tiny_mnist.iterdir():
        name = path.name.removesuffix(".gz")
        target = layout.format(name, name) if layout != "dots" else name.replace("-idx", ".idx")
        folder_of(tmp_path / "in", {target: gzip.decompress(path.read_bytes())})
    manifest = prepare("mnist-32", tmp_path / "in", tmp_path / "unpacked")
    assert manifest["sha256"] == expected
    assert manifest["files"][0]["name"] == "train-images-idx3-ubyte"


def test_cifar_is_read_from_its_unpacked_batches(tmp_path: Path, register: Register) -> None:
    images = np.random.default_rng(0).integers(256, size=(20, 3, 32, 32), dtype=np.uint8)
    cifar_archive(tmp_path / "cifar-10-python.tar.gz", images, [i % 10 for i in range(20)])
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz") as archive:
        archive.extractall(tmp_path / "in", filter="data")
    entry = SOURCES["cifar10"]
    register("cifar10", replace(entry, unpacked=unchecked(entry.unpacked), count=20))
    for source in (tmp_path / "in", tmp_path / "in/cifar-10-batches-py"):
        prepare("cifar10", source, tmp_path / "out", overwrite=True)
        data = open_dataset(tmp_path / "out")
        assert (data.images == images).all()
        assert data.labels.tolist() == [i % 10 for i in range(20)]


def test_stacks_of_all_digits_have_a_thousand_modes(tiny_mnist: Path, tmp_path: Path) -> None:
    manifest = prepare("stackedmnist", tiny_mnist, tmp_path / "out")
    stacks = open_dataset(tmp_path / "out")
    assert (stacks.images.shape, manifest["classes"], manifest["digit_pool"]) == ((20_000, 3, 32, 32), 1000, 10)
    prepare("mnist-32", tiny_mnist, tmp_path / "digits")
    digits = open_dataset(tmp_path / "digits")
    of_label = {int(label): image for image, label in zip(digits.images[:, 0], digits.labels, strict=True)}
    for stack, label in zip(stacks.images[:50], stacks.labels[:50], strict=True):
        assert (stack == np.stack([of_label[int(d)] for d in f"{label:03d}"])).all()


def test_the_real_stackedmnist_is_128000_stacks_of_70000_digits() -> None:
    entry = SOURCES["stackedmnist"]
    assert isinstance(entry, StackedDigits)
    assert (entry.count, entry.seed, entry.digits, entry.digits.count) == (128_000, 0, SOURCES["mnist-32"], 70_000)


def test_cifar_is_read_from_its_archive_without_executing_it(tmp_path: Path, register: Register) -> None:
    images = np.random.default_rng(0).integers(256, size=(20, 3, 32, 32), dtype=np.uint8)
    labels = [i % 10 for i in range(20)]
    cifar_archive(tmp_path / "cifar-10-python.tar.gz", images, labels)
    entry = SOURCES["cifar10"]
    for name, known in (("cifar10", labels), ("cifar10-unlabelled", [0] * 20)):
        register(name, replace(SOURCES[name], files=unchecked(entry.files), count=20))
        for source in (tmp_path, tmp_path / "cifar-10-python.tar.gz"):
            prepare(name, source, tmp_path / name, overwrite=True)
            data = open_dataset(tmp_path / name)
            assert (data.images == images).all()
            assert data.labels.tolist() == known


def test_a_wrong_checksum_names_both_sums(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\0" * 170_498_071)
    with pytest.raises(UserError, match=r"has md5 [0-9a-f]{32} where c58f30108f718f92721af3b95e74349a is published"):
        prepare("cifar10", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


COLORS = {f"{'ba'[i % 2]}/{i}.png": (10 * i, 20, 30) for i in range(12)}


@pytest.mark.parametrize("kind", MAKERS)
def test_own_pictures_come_from_any_container_in_the_order_of_their_names(tmp_path: Path, kind: str) -> None:
    source = MAKERS[kind](tmp_path / "source", {name: picture(color) for name, color in COLORS.items()})
    manifest = prepare("own", source, tmp_path / "out", resolution=8)
    data = open_dataset(tmp_path / "out")
    assert data.images[:, :, 3, 3].tolist() == [list(COLORS[name]) for name in sorted(COLORS)]
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    assert (manifest["count"], manifest["modes"], manifest["skipped"]) == (12, {"RGB": 12}, 0)
    assert data.manifest == json.loads((tmp_path / "out/manifest.json").read_text())


def test_grey_palette_and_transparent_pictures_become_rgb_and_the_manifest_says_so(tmp_path: Path) -> None:
    files = {
        "a.png": picture(100, mode="L"),
        "b.png": picture((10, 20, 30, 0), mode="RGBA"),
        "c.png": picture((10, 20, 30, 255), mode="RGBA"),
        "d.jpg": picture((0, 0, 0, 0), mode="CMYK", ending="jpeg"),
        "e.webp": picture((0, 0, 0), ending="webp"),
    }
    manifest = prepare("own", folder_of(tmp_path / "in", files), tmp_path / "out", resolution=8)
    first = open_dataset(tmp_path / "out").images[:, :, 0, 0].tolist()
    assert first[:3] == [[100, 100, 100], [255, 255, 255], [10, 20, 30]]
    assert manifest["modes"] == {"CMYK": 1, "L": 1, "RGB": 1, "RGBA": 2}
    assert manifest["changes"] == {"transparent, laid over white": 1}


def stripes() -> bytes:
    """24 x 16 px: black at the left and right 4 columns, noise in the 16 x 16 middle."""
    pixels = np.zeros((16, 24, 3), dtype=np.uint8)
    pixels[:, 4:20] = np.random.default_rng(0).integers(256, size=(16, 16, 3))
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="png")
    return data.getvalue()


def test_the_two_imagenet_variants_crop_and_filter_differently_and_are_not_mixed(
    tmp_path: Path, register: Register
) -> None:
    source = folder_of(tmp_path / "train", {"n01/a.png": stripes(), "n02/b.png": stripes()})
    found = {}
    for name in ("imagenet-32", "imagenet-32-chrabaszcz"):
        register(name, replace(SOURCES[name], resolution=8, count=2, classes=2))
        prepare(name, source, tmp_path / name)
        found[name] = open_dataset(tmp_path / name)
        sources.refuse_variant(found[name].manifest, name)
    pixels = np.asarray(Image.open(io.BytesIO(stripes())))
    middle = Image.fromarray(pixels[:, 4:20]).resize((8, 8), Image.Resampling.LANCZOS)
    squeezed = Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX)
    assert (found["imagenet-32"].images[0] == np.asarray(middle).transpose(2, 0, 1)).all()
    assert (found["imagenet-32-chrabaszcz"].images[0] == np.asarray(squeezed).transpose(2, 0, 1)).all()
    with pytest.raises(UserError, match=r"holds imagenet-32-chrabaszcz \(whole, box to 8 px\).*imagenet-32"):
        sources.refuse_variant(found["imagenet-32-chrabaszcz"].manifest, "imagenet-32")


def test_a_data_set_comes_at_another_resolution_under_its_own_name(tmp_path: Path) -> None:
    assert sources.at_resolution("ffhq-256", 64) == ("ffhq-64", SOURCES["ffhq-64"])
    name, entry = sources.at_resolution("pokemon-256", 1024)
    assert (name, entry.resolution, entry.title) == ("pokemon-1024", 1024, "Pokemon")
    with pytest.raises(UserError, match="--resolution 100 is not allowed; allowed: 8, 16"):
        sources.at_resolution("ffhq-256", 100)
    with pytest.raises(UserError, match="cifar10 comes at 32 px only"):
        sources.at_resolution("cifar10", 64)


def test_afhq_takes_one_animal_of_the_archive(tmp_path: Path, register: Register) -> None:
    files = {
        f"afhq/{split}/{animal}/1.jpg": picture((9, 9, 9)) for split in ("train", "val") for animal in ("cat", "dog")
    }
    entry = replace(SOURCES["afhq-dog-256"], resolution=8, count=1)
    register("afhq-dog-256", entry)
    prepare("afhq-dog-256", zip_of(tmp_path / "afhq.zip", files).parent, tmp_path / "out")
    assert open_dataset(tmp_path / "out").manifest["files"][0]["name"] == "afhq.zip"


def test_lsun_comes_out_of_its_zipped_lmdb_and_is_unpacked_once(tmp_path: Path, register: Register) -> None:
    database = lmdb_of(tmp_path / "church_outdoor_train_lmdb", {f"{i:040x}": picture((i, 0, 0)) for i in range(5)})
    archive = tmp_path / "church_outdoor_train_lmdb.zip"
    zip_of(archive, {f"{database.name}/{file.name}": file.read_bytes() for file in database.iterdir()})
    register("lsun-church-256", replace(SOURCES["lsun-church-256"], resolution=8, count=5))
    for _ in range(2):
        prepare("lsun-church-256", archive, tmp_path / "out", downloads=tmp_path / "downloads", overwrite=True)
        assert open_dataset(tmp_path / "out").images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    (unpacked,) = (tmp_path / "downloads").iterdir()
    assert [file.name for file in unpacked.iterdir()] == ["data.mdb"]


def test_an_exported_zip_comes_back_bit_for_bit(prepared: Path, tmp_path: Path) -> None:
    original = open_dataset(prepared / "data/stackedmnist5k-16")
    few = replace(original, images=original.images[:1100], labels=original.labels[:1100])
    export(few, tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert archive.namelist()[1000] == "00001/img00001000.png"
        assert json.loads(archive.read("dataset.json"))["labels"][0] == ["00000/img00000000.png", int(few.labels[0])]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    prepare("own", tmp_path / "set.zip", tmp_path / "out", resolution=16)
    back = open_dataset(tmp_path / "out")
    assert (back.images == few.images).all()
    assert (back.labels == few.labels).all()
    first = (tmp_path / "set.zip").read_bytes()
    with pytest.raises(UserError, match=r"--out .*set\.zip exists; give --overwrite"):
        export(few, tmp_path / "set.zip")
    export(few, tmp_path / "set.zip", overwrite=True)
    assert (tmp_path / "set.zip").read_bytes() == first


def test_the_page_on_data_sets_is_the_one_that_the_registry_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "datasets", "--markdown"]) == 0
    page = capsys.readouterr().out
    assert (REPOSITORY / "docs/datasets.md").read_text() == page, "r3gan list datasets --markdown > docs/datasets.md"
    for name, entry in SOURCES.items():
        assert f"### {name}\n" in page
        assert all(remote.name in page for remote in entry.files)


@pytest.mark.parametrize("name", [name for name, entry in SOURCES.items() if entry.supply != "packaged"])
def test_every_entry_without_its_data_names_the_page_the_files_and_the_flag(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = SOURCES[name]
    (tmp_path / "empty").mkdir()
    assert main(["prepare", name, "--source", "empty"]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "--source" in message
    assert entry.page in message
    assert (entry.files[0].name if entry.files else entry.expects) in message
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    if entry.supply == "yours":
        assert main(["prepare", name]) == 2
        assert f"must be supplied; see {entry.page} and give --source PATH: " in capsys.readouterr().err


def test_a_killed_prepare_is_finished_by_the_same_command(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(256, 256, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, format="png")
    source = folder_of(tmp_path / "in", {f"{i}.png": data.getvalue() for i in range(300)})
    out = tmp_path / "out"
    command = ["prepare", "own", "--source", str(source), "--resolution", "128", "--out", str(out)]
    environ = paused(REPOSITORY, "before", "images.npy")
    with subprocess.Popen([sys.executable, "-m", "r3gan", *command], env=environ, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(out.glob(".images*.npy")):
            time.sleep(0.01)
        process.kill()
    remains = {path.name for path in out.iterdir()}
    assert ".lock" in remains
    assert "manifest.json" not in remains
    assert main(command) == 0
    assert {path.name for path in out.iterdir()} == {"images.npy", "labels.npy", "manifest.json"}
    first = open_dataset(out).manifest["sha256"]
    assert main(command) == 0
    assert open_dataset(out).manifest["sha256"] == first


@pytest.mark.parametrize("moment", ["save", "replace"])
def test_a_manifest_lies_only_beside_the_arrays_that_it_describes(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = folder_of(tmp_path / "old", {"a.png": picture((1, 2, 3))})
    new = folder_of(tmp_path / "new", {"b.png": picture((4, 5, 6))})
    sha256 = prepare("own", old, tmp_path / "out", resolution=8)["sha256"]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((np, "save", interrupted) if moment == "save" else (Path, "replace", interrupted)))
        with pytest.raises(KeyboardInterrupt):
            prepare("own", new, tmp_path / "out", resolution=8, overwrite=True)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    if moment == "save":  # the old set is whole
        assert open_dataset(tmp_path / "out").manifest["sha256"] == sha256
    assert left == {"images.npy", "labels.npy"} | ({"manifest.json"} if moment == "save" else set())


def test_a_second_prepare_of_the_same_folder_is_told_to_wait(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"a.png": picture((1, 2, 3))})
    with exclusive(tmp_path / "out"), pytest.raises(UserError, match="is being written by another"):
        prepare("own", source, tmp_path / "out", resolution=8)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "lmdb"])
def test_many_pictures_are_decoded_by_several_processes_into_the_same_rows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "SMALL", 40)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    files = {f"{i:03d}.png": picture((i, 0, 0)) if i != 33 else b"broken" for i in range(40)}
    manifest = prepare("own", MAKERS[kind](tmp_path / "in", files), tmp_path / "out", resolution=8, skip_bad=True)
    assert open_dataset(tmp_path / "out").images[:, 0, 0, 0].tolist() == [i for i in range(40) if i != 33]
    assert manifest["skipped_names"] == [
        "033.png is no picture that is read: PNG, JPEG, WEBP, BMP, DIB, GIF, TIFF, PPM"
    ]
    assert manifest["modes"] == {"RGB": 39}


def test_a_decoder_that_crashes_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SMALL", 1)
    container = Deadly(folder_of(tmp_path / "in", {f"{i}.png": picture((i, 0, 0)) for i in range(4)}))
    entry = SOURCES["own"]
    assert isinstance(entry, Pictures)
    rows = Rows.create(tmp_path / "images.npy", 4, (3, 8, 8))
    with rows, pytest.raises(UserError, match="a process that decodes pictures was killed"):
        list(workers.decode_shares(replace(entry, resolution=8), container, [f"{i}.png" for i in range(4)], rows))


def test_a_set_that_does_not_fit_the_disk_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path / "in", {f"{i}.png": picture((1, 2, 3), (64, 64)) for i in range(10)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(UserError, match=r"--out .*out needs 0\.123 MB, and 0\.100 MB are free there"):
        prepare("own", source, tmp_path / "out", resolution=64)
    assert not (tmp_path / "out").exists()


def test_the_plain_side_of_the_benchmark_gives_our_pixels(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "in", 9, 40, 24, "jpg")
    prepare("own", source, tmp_path / "ours", resolution=16)
    plain_prepare(source, tmp_path / "plain", 16)
    assert (open_dataset(tmp_path / "ours").images == np.load(tmp_path / "plain/images.npy")).all()
    export(open_dataset(tmp_path / "ours"), tmp_path / "set.zip")
    (batch,) = plain_batches(tmp_path / "set.zip", [[7, 0]])
    assert (batch == open_dataset(tmp_path / "ours").images[[7, 0]]).all()
