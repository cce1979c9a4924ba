"""FID from memory against clean-fid's path through a folder of PNG files: the same network, images and cores."""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from unittest import mock

import pytest
import torch
from cleanfid import fid as clean_fid
from cleanfid import inception_pytorch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from r3gan.metrics.features import parts_of
from r3gan.metrics.frechet import Statistics, frechet_distance, statistics
from r3gan.metrics.inception import resized_bilinear
from r3gan.training.memory import keep_freed_memory

# Inception is most of the work on a CPU, 11 GFLOP an image, so few images already give the rate.
IMAGES, PX, ROUNDS, BATCH = 96, 32, 3, 32
FEATURES = 2048

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """clean-fid's own Inception (mode legacy_pytorch), with random weights, which are as fast as the published ones."""
    download = mock.patch.object(inception_pytorch, "load_state_dict_from_url", return_value={})
    with download, mock.patch.object(nn.Module, "load_state_dict"):
        built = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False)
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Tensor], list[Path]]:
    """Reals and fakes as uint8 tensors, and as folders of PNG files."""
    images, folders = [], []
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        images.append(torch.randint(256, (IMAGES, 3, PX, PX), generator=generator, dtype=torch.uint8))
        folders.append(tmp_path_factory.mktemp("png"))
        for i, image in enumerate(images[-1]):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folders[-1] / f"{i:04d}.png")
    return images, folders


def take_turns(
    benchmark: BenchmarkFixture, ours: Callable[[], object], theirs: Callable[[], object], **said: object
) -> None:
    """Time both sides round by round, so that a machine that slows down slows both."""
    theirs_s: list[float] = []

    def other_side() -> None:
        started = time.perf_counter()
        theirs()
        theirs_s.append(time.perf_counter() - started)

    benchmark.pedantic(ours, setup=other_side, rounds=ROUNDS, warmup_rounds=1)
    ours_s, other_s = median(benchmark.stats.stats.data), median(theirs_s[-ROUNDS:])
    benchmark.extra_info |= {
        "ours_ms": round(ours_s * 1e3, 1),
        "clean_fid_ms": round(other_s * 1e3, 1),
        "ratio": round(other_s / ours_s, 3),
        "rounds": ROUNDS,
        **said,
    }


def test_features(benchmark: BenchmarkFixture, network: nn.Module, sets: tuple[list[Tensor], list[Path]]) -> None:
    """Features of one set: PNG decoding, resizing and the network against what `evaluate` does."""
    images, folders = sets
    fast = copy.deepcopy(network).to(memory_format=torch.channels_last)
    found: dict[str, Tensor] = {}

    @torch.no_grad()
    def ours() -> None:
        batches = parts_of(images[0], torch.device("cpu"))
        parts = [fast(resized_bilinear(part.to(torch.float32)) / 255)[0].flatten(1) for part in batches]
        found["ours"] = torch.cat(parts)

    def theirs() -> None:
        model = lambda x: network(x / 255)[0].squeeze(-1).squeeze(-1)  # noqa: E731
        features = clean_fid.get_folder_features(
            str(folders[0]), model, num_workers=2, batch_size=BATCH, device=torch.device("cpu"),
            mode="legacy_pytorch", verbose=False,
        )  # fmt: skip
        found["theirs"] = torch.from_numpy(features)

    keep_freed_memory()
    take_turns(benchmark, ours, theirs, step="features", images=IMAGES, px=PX)
    torch.testing.assert_close(found["ours"], found["theirs"], rtol=1e-4, atol=1e-4)


def test_distance(benchmark: BenchmarkFixture) -> None:
    """The Frechet distance of two sets of 2048 features of full rank: eigenvalues against a matrix square root."""
    generator = torch.Generator().manual_seed(0)
    given: list[Statistics] = [
        statistics(torch.randn(2 * FEATURES, FEATURES, generator=generator, dtype=torch.float64) * scale)
        for scale in (1.0, 1.2)
    ]
    arrays = [part.numpy() for pair in given for part in pair]
    found: dict[str, float] = {}

    def ours() -> None:
        found["ours"] = frechet_distance(*given)

    def theirs() -> None:
        found["theirs"] = float(clean_fid.frechet_distance(*arrays))

    take_turns(benchmark, ours, theirs, step="distance", features=FEATURES)
    assert found["ours"] == pytest.approx(found["theirs"], rel=1e-6)
