"""FID, and all that goes through feature networks, against clean-fid's own functions on the same images."""

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from cleanfid import features as clean_features
from cleanfid import fid as clean_fid
from cleanfid import inception_pytorch
from cleanfid.resize import build_resizer
from PIL import Image
from torch import Tensor, nn

from r3gan.configs import CONFIGS, SIZES
from r3gan.data.download import http as download
from r3gan.data.loader import Dataset, open_dataset
from r3gan.distributed import World
from r3gan.errors import UserError
from r3gan.metrics import METRICS, inception, reference
from r3gan.metrics.evaluate import Plan, evaluate
from r3gan.metrics.extractors import EXTRACTORS, ExtractorPaths, FeatureNetwork
from r3gan.metrics.frechet import Moments, frechet_distance, statistics
from r3gan.metrics.inception import PYTORCH, InceptionFeatures, resized_clean
from r3gan.metrics.inception_score import inception_score
from r3gan.metrics.kernel import kernel_distance
from r3gan.metrics.precision_recall import coverage
from r3gan.metrics.reference import read_statistics, reference_samples
from r3gan.metrics.samples import Sample
from r3gan.metrics.weights import WEIGHTS, find_weights, weights_folder
from r3gan.records import schema, store
from r3gan.weights import save_network
from tests.conftest import REPOSITORY, run_in
from tests.helpers import training_of
from tests.stand_ins import INCEPTION, Layers, write_stand_ins

CPU = torch.device("cpu")
HAS_OFFICIAL = (weights_folder(None) / INCEPTION).is_file()
OFFICIAL = dict(WEIGHTS)  # before the stand-ins take their place
TAKEN = 24  # features that are compared: clean-fid's matrix square root of all 2048 takes most of a minute
IMAGES = 60


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield write_stand_ins(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def two_sets() -> tuple[Tensor, Tensor]:
    """Two sets of smooth images, uint8 [60, 3, 24, 24], which differ in brightness and contrast."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, IMAGES, 3, 6, 6, generator=generator)
    coarse[1] = coarse[1] * 0.8 + 0.1
    smooth = [torch.nn.functional.interpolate(c, 24, mode="bicubic").clamp(0, 1) for c in coarse]
    first, second = ((s * 255).to(torch.uint8) for s in smooth)
    return first, second


def pytorch_layers() -> Layers:
    torch.manual_seed(1)
    return Layers()


class PytorchStandIn(nn.Module):
    """The interface of clean-fid's copy of pytorch-fid's network: images in [0, 1], a list of maps."""

    def __init__(self, output_blocks: list[int], resize_input: bool) -> None:
        super().__init__()
        self.layers = pytorch_layers()

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.layers(2 * x - 1)[:, :, None, None]]


def clean_fid_of(folders: list[Path], mode: str, weights: Path, patch: pytest.MonkeyPatch) -> float:
    """clean-fid's number for two folders of images, over the first features."""
    real_wrapper = clean_features.InceptionV3W

    def wrapper(path: str, download: bool, resize_inside: bool) -> nn.Module:
        return real_wrapper(str(weights), download=False, resize_inside=resize_inside)

    patch.setattr(clean_features, "InceptionV3W", wrapper)
    patch.setattr(clean_features, "InceptionV3", PytorchStandIn)
    model = clean_features.build_feature_extractor(mode, device=CPU, use_dataparallel=False)
    few = lambda x: model(x)[:, :TAKEN]  # noqa: E731
    return float(
        clean_fid.compare_folders(
            *map(str, folders), few, mode, num_workers=0, batch_size=16, device=CPU, verbose=False
        )
    )


def place(folder: Path, name: str, tensors: dict[str, Tensor], patch: pytest.MonkeyPatch) -> None:
    """Save tensors under an official file's name, and expect that file's hash."""
    torch.save(tensors, folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    patch.setitem(WEIGHTS, name, replace(WEIGHTS[name], checksum=f"sha256:{digest}"))  # type: ignore[arg-type]


# SciPy, Pillow and torch say that what clean-fid asks of them will go.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize(
    ("mode", "source"),
    [
        ("legacy_tensorflow", "stand-in"),
        ("clean", "stand-in"),
        ("legacy_pytorch", "stand-in"),
        *(
            (mode, "official")
            for mode in ("legacy_tensorflow", "clean")
            if (weights_folder(None) / INCEPTION).is_file()
        ),
    ],
)
def test_fid_is_clean_fids_number(
    mode: str,
    source: str,
    two_sets: tuple[Tensor, Tensor],
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if source == "official":
        monkeypatch.setitem(WEIGHTS, INCEPTION, OFFICIAL[INCEPTION])  # type: ignore[arg-type]
        weights = weights_folder(None)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder, images in zip(folders, two_sets, strict=True):
        folder.mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{i:03d}.png")
    expected = clean_fid_of(folders, mode, weights, monkeypatch)
    monkeypatch.setattr(inception, "load_pytorch", lambda path: pytorch_layers())
    if mode == "legacy_pytorch":
        place(tmp_path, PYTORCH, {}, monkeypatch)
    network = InceptionFeatures(mode, tmp_path if mode == "legacy_pytorch" else weights, CPU)
    ours = [statistics(network(images, ["features"])["features"][:, :TAKEN]) for images in two_sets]
    assert expected > 0.1
    assert frechet_distance(*ours) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_clean_resizing_of_any_shape_is_pils(two_sets: tuple[Tensor, Tensor]) -> None:
    resize = build_resizer("clean")
    for image in (two_sets[0][0], torch.randint(256, (3, 500, 333), dtype=torch.uint8)):
        expected = resize(image.permute(1, 2, 0).numpy()).transpose(2, 0, 1)
        found = resized_clean(image[None].to(torch.float32))[0].numpy()
        np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.filterwarnings("ignore")  # torchvision on the way clean-fid builds the network
def test_the_pytorch_network_is_clean_fids_filled_from_the_verified_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "load_state_dict", lambda self, state: None)
        patch.setattr(inception_pytorch, "load_state_dict_from_url", lambda url, progress: {})
        state = inception_pytorch.fid_inception_v3().state_dict()
    for weight in (value for value in state.values() if value.ndim == 4):
        nn.init.kaiming_normal_(weight)  # torchvision's own would leave features of 1e-7
    place(tmp_path, PYTORCH, state, monkeypatch)
    monkeypatch.setattr(inception_pytorch, "load_state_dict_from_url", lambda url, progress: state)
    expected = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    images = torch.randint(256, (2, 3, 299, 299), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    network = InceptionFeatures("legacy_pytorch", tmp_path, CPU)
    found = network(images, ["features"])["features"]
    torch.testing.assert_close(found, expected(images / 255)[0].flatten(1), rtol=1e-3, atol=1e-3)
    assert float(found.std()) > 0.1
    assert not network.network.training


def test_streamed_moments_are_those_of_all_features_at_once() -> None:
    features = torch.randn(1000, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1e4
    streamed, others = Moments(), Moments()
    for part in features[:700].split(150):
        streamed.add(part)
    others.add(features[700:])
    for mean, covariance in (Moments.of([streamed, Moments(), others]).statistics(), statistics(features)):
        torch.testing.assert_close(mean, features.mean(dim=0), rtol=1e-12, atol=0)
        torch.testing.assert_close(covariance, torch.cov(features.T), rtol=1e-9, atol=1e-9)


def test_kernel_distance_is_clean_fids_where_a_subset_is_everything() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(200, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = clean_fid.kernel_distance(x.numpy(), (y + 0.3).numpy(), num_subsets=3)
    assert kernel_distance(x, y + 0.3) == pytest.approx(expected, rel=1e-9)
    assert abs(kernel_distance(x, y)) < abs(expected) / 5  # unbiased: about 0 for equal distributions


def test_precision_and_recall_agree_with_a_loop_over_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    reals = torch.randn(80, 3, generator=generator)
    fakes = torch.randn(60, 3, generator=generator) * 0.6 + 0.5

    def naive(of: Tensor, by: Tensor) -> float:
        reach = [sorted(math.dist(y, other) for other in by.tolist())[3] for y in by.tolist()]
        within = [any(math.dist(x, y) <= r for y, r in zip(by.tolist(), reach, strict=True)) for x in of.tolist()]
        return sum(within) / len(of)

    precision, recall = coverage(of=fakes, by=reals), coverage(of=reals, by=fakes)
    assert (precision, recall) == (naive(fakes, reals), naive(reals, fakes))
    assert 0 < recall < precision  # a narrow generator is precise and forgets


def test_inception_score_counts_classes_that_are_told_apart() -> None:
    assert inception_score(torch.full((100, 8), 1 / 8)) == pytest.approx(1.0)
    assert inception_score(torch.eye(8).repeat(100, 1)) == pytest.approx(8.0, rel=1e-6)


def test_the_place_of_weights_is_the_flags_the_variables_or_the_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R3GAN_WEIGHTS", str(tmp_path / "named"))
    assert weights_folder(None) == tmp_path / "named"
    assert weights_folder(tmp_path) == tmp_path
    monkeypatch.delenv("R3GAN_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_folder(None) == tmp_path / "cache/r3gan"


def test_another_file_under_the_official_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / INCEPTION).write_bytes(b"something else")
    digest = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(UserError, match=f"has sha256 {digest} where [0-9a-f]{{64}} is published"):
        find_weights(INCEPTION, tmp_path)


def test_a_missing_file_that_cannot_be_fetched_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(WEIGHTS[INCEPTION], mirrors=("http://127.0.0.1:9/inception-2015-12-05.pt",))
    monkeypatch.setitem(WEIGHTS, INCEPTION, nowhere)  # type: ignore[arg-type]
    monkeypatch.setattr(download, "RETRIES", 0)
    with pytest.raises(UserError, match=f"put it into {tmp_path}/here, or name its folder with --weights") as error:
        find_weights(INCEPTION, tmp_path / "here")
    assert "127.0.0.1" in str(error.value)
    assert not (tmp_path / "here").exists()


@pytest.fixture
def trained(prepared: Path, tmp_path: Path) -> tuple[Path, Dataset]:
    """A run of Config E that has trained for no step, on real data of which few are looked at."""
    dataset = open_dataset(prepared / "data/stackedmnist5k-16")
    few = replace(dataset, images=dataset.images[:80], labels=dataset.labels[:80])
    torch.manual_seed(0)
    generator = CONFIGS["E-inverted"].networks.generator(SIZES["stackedmnist5k-16"])
    save_network(tmp_path / "run/generator.safetensors", generator)
    record = training_of(f"smoke/{dataset.name}/E-inverted/seed0")
    data = schema.TrainingData(dataset=dataset.name, sha256=dataset.manifest["sha256"], count=80)
    store.write(tmp_path / "run/train.json", msgspec.structs.replace(record, data=data))
    return tmp_path / "run", few


def test_evaluation_says_how_it_was_done_and_keeps_the_reference(
    trained: tuple[Path, Dataset], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, dataset = trained
    plan = Plan(
        metrics=("kid", "inception-score", "recall"),
        samples=60,
        draws=2,
        paths=ExtractorPaths(weights=weights),
        cache=tmp_path / "cache",
    )
    record = evaluate(run, dataset, plan, tmp_path / "out", CPU)
    kid = record.metrics["kid"]
    assert kid.draws[0] != kid.draws[1]
    assert kid.value == pytest.approx(sum(kid.draws) / 2)
    assert kid.draws_std == pytest.approx(abs(kid.draws[0] - kid.draws[1]) / 2**0.5)
    assert (kid.n_fake, kid.n_real, kid.drawing_seeds, kid.snapshot) == (60, 80, (0, 1), "last")
    digest = hashlib.sha256((weights / INCEPTION).read_bytes()).hexdigest()
    assert kid.extractor == schema.Extractor(name="inception-tensorflow", sha256=digest, mode="legacy_tensorflow")
    assert kid.images == "16 px, box filter, uint8"
    assert kid.untrained == kid.draws[0]  # this run's generator is as training began
    assert record.metrics["inception-score"].n_real is None

    looked_at: list[str] = []
    monkeypatch.setattr(reference, "extract_features", lambda *a, **k: looked_at.append(k["label"]) or _fail())
    again = evaluate(run, dataset, plan, tmp_path / "out", CPU)
    assert not looked_at
    assert again.metrics["kid"].draws == kid.draws


def _fail() -> Any:
    raise AssertionError("the reals were looked at again")


def test_a_damaged_cache_is_made_anew(trained: tuple[Path, Dataset], weights: Path, tmp_path: Path) -> None:
    network: dict[str, FeatureNetwork] = {"vgg16": EXTRACTORS["vgg16"].open(ExtractorPaths(weights=weights), CPU)}
    key = ("vgg16", "features")
    first = reference_samples(trained[1], network, {key: True}, World(), tmp_path)[key]
    (file,) = tmp_path.glob("vgg16-features-*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    second = reference_samples(trained[1], network, {key: True}, World(), tmp_path)[key]
    assert torch.equal(first.features, second.features)
    assert torch.equal(first.statistics[1], second.statistics[1])


def test_statistics_from_a_file_give_the_same_number(
    trained: tuple[Path, Dataset], weights: Path, tmp_path: Path
) -> None:
    run, dataset = trained
    network = InceptionFeatures("legacy_tensorflow", weights, CPU)
    mu, sigma = statistics(network(torch.from_numpy(np.array(dataset.images)), ["features"])["features"])
    path = tmp_path / "stats.npz"
    np.savez(path, mu=mu.numpy(), sigma=sigma.numpy())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store.write(run / "train.json", msgspec.structs.replace(store.read_training(run), outcome="imported"))
    plan = Plan(metrics=("fid",), samples=40, paths=ExtractorPaths(weights=weights), cache=tmp_path / "cache")
    computed = evaluate(run, dataset, plan, tmp_path / "out", CPU).metrics["fid"]
    given = evaluate(run, dataset, replace(plan, references={"fid": (path, digest)}), tmp_path / "out", CPU)
    assert given.metrics["fid"].value == pytest.approx(computed.value, rel=1e-9)
    assert given.metrics["fid"].reference == schema.Reference(file="stats.npz", sha256=digest)
    with pytest.raises(UserError, match=f"sha256 {digest}, not 00"):
        read_statistics(path, "00")
    np.savez(path, mu=np.zeros(5), sigma=np.eye(5))
    with pytest.raises(UserError, match="5 features, not 2048"):
        evaluate(run, dataset, replace(plan, references={"fid": (path, None)}), tmp_path / "out", CPU)


@pytest.mark.parametrize("content", [b"", b"not a zip", None], ids=["empty", "text", "pickled objects"])
def test_a_foreign_statistics_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    if content is None:
        np.savez(path, mu=np.array([{"a": 1}]), sigma=np.eye(1))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read as an \.npz file with mu and sigma"):
        read_statistics(path, None)


@pytest.fixture(scope="module")
def seen(fitted: Path, weights: Path) -> Callable[[str], list[dict[str, Tensor]]]:
    """What a feature network says of reals, of other reals and of shades of grey; looked at once for all metrics."""
    dataset = open_dataset(fitted / "data/stackedmnist5k-16")
    places = ExtractorPaths(weights=weights, classifier=fitted / "runs/classifier/mnist5k-16")

    @functools.cache
    def look(extractor: str) -> list[dict[str, Tensor]]:
        network = EXTRACTORS[extractor].open(places, CPU)
        outputs = {metric.output for metric in METRICS.values() if metric.extractor == extractor}
        count = {"digits": 2000, "efficientnet-lite1": 20}.get(extractor, 100)
        images = torch.from_numpy(np.array(dataset.images[: 2 * count]))
        shades = torch.linspace(100, 110, count)[:, None, None, None].expand(-1, 3, 16, 16).to(torch.uint8)
        return [network(part, outputs) for part in (images[:count], images[count:], shades)]

    return look


# pytorch-fid's network has no stand-in; its metric is the same computation in other features.
@pytest.mark.parametrize("name", [name for name in METRICS if name != "fid-pytorch"])
def test_every_metric_prefers_reals_to_noise(seen: Callable[[str], list[dict[str, Tensor]]], name: str) -> None:
    metric = METRICS[name]
    reals, good, bad = (
        Sample(count=len(outputs[metric.output]), kept=outputs[metric.output][:, :256])
        for outputs in seen(metric.extractor)
    )
    found, worse = metric.compute(reals, good), metric.compute(reals, bad)
    assert found < worse if metric.better == "lower" else found > worse


def test_two_ranks_measure_what_one_does(fitted: Path, r3gan: Callable[..., Any]) -> None:
    folder = fitted / "runs/smoke/stackedmnist5k-16/E-inverted/seed0"
    torch.manual_seed(0)
    save_network(folder / "generator.safetensors", CONFIGS["E-inverted"].networks.generator(SIZES["stackedmnist5k-16"]))
    sha256 = open_dataset(fitted / "data/stackedmnist5k-16").manifest["sha256"]
    record = training_of("smoke/stackedmnist5k-16/E-inverted/seed0")
    data = schema.TrainingData(dataset="stackedmnist5k-16", sha256=sha256, count=50_000)
    store.write(folder / "train.json", msgspec.structs.replace(record, data=data))
    arguments = ["evaluate", "smoke/stackedmnist5k-16/E-inverted/seed0", "--classifier", "mnist5k-16", "--metrics"]
    arguments += ["digit-frechet", "modes", "kl", "--samples", "1100", "--threads", "1", "--device", "cpu"]
    alone = r3gan(*arguments, cwd=fitted)
    assert alone.returncode == 0, alone.stderr
    path = fitted / "results/smoke/stackedmnist5k-16/E-inverted/seed0/metrics.json"
    expected = json.loads(path.read_text())
    for cached in (fitted / "work/cache/reference").iterdir():
        cached.unlink()
    both = run_in(
        fitted, "torchrun", "--standalone", "--nproc-per-node", "2", "-m", "r3gan", *arguments, code=REPOSITORY
    )
    assert both.returncode == 0, both.stderr
    found = json.loads(path.read_text())
    assert found["provenance"]["device"]["count"] == 2
    for name, metric in expected["metrics"].items():
        assert found["metrics"][name]["value"] == pytest.approx(metric["value"], rel=1e-9)
