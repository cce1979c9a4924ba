"""Prepared data: what the manifest says is what is there, and the stream repeats."""

from pathlib import Path

import numpy as np
import pytest
import torch

from r3gan.data import build, sources
from r3gan.data.loader import Dataset, Stream, open_dataset, to_unit_range
from r3gan.data.readers import digits
from r3gan.errors import UserError
from r3gan.files import sha256


def test_packaged_digits_are_the_5000_of_mnist(prepared: Path) -> None:
    digits = open_dataset(prepared / "data/mnist5k-16")
    assert digits.images.shape == (5000, 1, 16, 16)
    assert np.bincount(digits.labels).tolist() == [500] * 10
    assert digits.manifest["classes"] == 10
    assert digits.manifest["sha256"] == sha256(
        prepared / "data/mnist5k-16/images.npy", prepared / "data/mnist5k-16/labels.npy"
    )


def test_stacks_carry_three_digits_and_their_triple_as_label(prepared: Path) -> None:
    digits, stacks = (open_dataset(prepared / "data" / name) for name in ("mnist5k-16", "stackedmnist5k-16"))
    by_bytes = {image.tobytes(): label for image, label in zip(digits.images[:, 0], digits.labels, strict=True)}
    for stack, label in zip(stacks.images[:200], stacks.labels[:200], strict=True):
        a, b, c = (by_bytes[channel.tobytes()] for channel in stack)
        assert label == 100 * a + 10 * b + c
    assert stacks.manifest["count"] == 50_000
    assert stacks.manifest["classes"] == 1000


def test_preparing_twice_gives_the_same_hash(prepared: Path, tmp_path: Path) -> None:
    manifest = build.prepare("stackedmnist5k-16", None, tmp_path / "again")
    assert manifest["sha256"] == open_dataset(prepared / "data/stackedmnist5k-16").manifest["sha256"]


def test_box_filter_is_the_rounded_mean() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert digits.box_downscale(image, 2).tolist() == [[[[2, 4], [10, 12]]]]  # 2.5, 4.5, 10.5, 12.5 to even


def test_nothing_is_written_when_the_source_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--source"):
        build.prepare("ffhq-256", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def tiny_dataset(count: int) -> Dataset:
    images = np.zeros((count, 1, 1, 2), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return Dataset(name="tiny", manifest={}, images=images, labels=np.arange(count, dtype=np.int64))


def test_an_epoch_shows_every_image_once_and_position_decides_the_order() -> None:
    cpu = torch.device("cpu")
    one, other = Stream(tiny_dataset(10), 0, False, cpu), Stream(tiny_dataset(10), 0, False, cpu)
    first = torch.cat([one.at(start, 4)[1] for start in range(0, 20, 4)])
    assert sorted(first[:10].tolist()) == sorted(first[10:].tolist()) == list(range(10))
    assert first[:10].tolist() != first[10:].tolist()
    assert other.at(7, 9)[1].tolist() == first[7:16].tolist()  # from the middle, with another batch size


def test_large_images_are_read_ahead_and_are_the_same() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(6, 3, 128, 128), dtype=np.uint8)
    manifest = {"sha256": "", "count": 6}
    large = Dataset(name="large", manifest=manifest, images=images, labels=np.arange(6))
    stream = Stream(large, 0, True, torch.device("cpu"))
    assert stream.resident is None
    for start in range(0, 12, 3):
        ahead, labels = stream.at(start, 3, likely_next=start + 3)
        plain, same = Stream(large, 0, True, torch.device("cpu")).at(start, 3)
        assert torch.equal(ahead, plain)
        assert torch.equal(labels, same)


def test_xflip_doubles_the_set() -> None:
    stream = Stream(tiny_dataset(5), 0, True, torch.device("cpu"))
    images, labels = stream.at(0, 10)
    assert sorted(labels.tolist()) == sorted([*range(5), *range(5)])
    left, right = images[:, 0, 0, 0], images[:, 0, 0, 1]
    background = -1.0
    assert int((left == background).sum()) == 5 + 1  # five mirrored, and image 0 is dark on both sides
    assert int((right == background).sum()) == 5 + 1


def test_pixels_map_to_the_unit_range() -> None:
    assert to_unit_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_truncated_arrays_are_refused_by_name(prepared: Path, tmp_path: Path) -> None:
    for part in ("images.npy", "labels.npy", "manifest.json"):
        (tmp_path / part).write_bytes((prepared / "data/mnist5k-16" / part).read_bytes())
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", sources.SOURCES)
def test_every_source_describes_itself(name: str) -> None:
    entry = sources.describe(name)
    assert entry["title"]
    assert entry["kind"]
    assert sources.SOURCES[name].licence
