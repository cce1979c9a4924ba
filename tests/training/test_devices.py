"""Every tensor on the device it belongs to, found out without a second device: fake tensors only know where they are.

They claim to be on "meta", since autograd refuses devices that are not there; what is asked of "cuda" by name (pinned
memory, fused Adam, free memory) stays unseen.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorDeviceMismatchError, FakeTensorMode

from r3gan import augment
from r3gan.configs import CONFIGS, SIZES
from r3gan.data.loader import Dataset, open_dataset
from r3gan.distributed import World
from r3gan.ema import update_ema
from r3gan.interfaces import Network
from r3gan.metrics import inception
from r3gan.metrics.evaluate import draw_samples, sample_images
from r3gan.metrics.features import BackboneFeatures
from r3gan.metrics.frechet import frechet_distance, statistics
from r3gan.models import layers
from r3gan.schedules import Ramp
from r3gan.training import checkpoint, state
from r3gan.training.curve import LoggingInterval
from r3gan.training.execution import Execution, choose_execution
from r3gan.training.steps import Hyper, discriminator_step, generator_step
from tests.helpers import SMOKE, make_run

ELSEWHERE = torch.device("meta")
CACHES = (layers.cached_fir_matrix, augment.resampling_matrices, inception.pil_bicubic)


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


@pytest.fixture
def numberless(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """Fake tensors; where Python asks one for a number, it is given 1."""
    for name, answer in (("__bool__", True), ("__int__", 1), ("__float__", 1.0)):
        monkeypatch.setattr(FakeTensor, name, lambda self, answer=answer: answer)
    monkeypatch.setattr(FakeTensor, "tolist", lambda self: [1.0] * len(self))
    for cache in CACHES:
        cache.cache_clear()
    augment.resampling_matrices(SIZES[SMOKE].resolution)  # element by element, which takes fake tensors a while
    yield FakeTensorMode(allow_non_fake_inputs=True)
    for cache in CACHES:
        cache.cache_clear()  # they may hold fake tensors now


# Those of the released code have the same modules in other numbers.
SMALL = [name for name in CONFIGS if SMOKE in CONFIGS[name].recipes and not name.endswith("-release")]


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")  # into a fake one: what is wanted
@pytest.mark.parametrize(
    ("name", "augment_p", "classes"),
    [*((name, 0.5, 0) for name in SMALL), ("E", 0.0, 1000)],
)
def test_training_keeps_to_its_device(
    name: str,
    augment_p: float,
    classes: int,
    stacks: Dataset,
    numberless: FakeTensorMode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SIZES, SMOKE, replace(SIZES[SMOKE], classes=classes))  # type: ignore[arg-type]
    run = make_run(name, augment_p=Ramp(augment_p, augment_p))
    networks = state.build_networks(run.config, SMOKE, 0)
    arrange_as_on_a_gpu(networks, name, monkeypatch)
    monkeypatch.setattr(state, "build_networks", lambda *arguments: networks)
    with numberless:
        trained = state.build_state(run, stacks, ELSEWHERE, wanted={"adam": "foreach"}, micro=8)
        assert trained.stream.resident is not None
        trained.stream.resident = trained.stream.resident.to(ELSEWHERE)  # which it does by itself where there is a GPU
        hyper, interval = Hyper.at(run.recipe, 0), LoggingInterval(run, trained)
        trained.seconds += 1.0
        measured = discriminator_step(run, trained, hyper) | generator_step(run, trained, hyper)
        update_ema(trained.ema, trained.generator, 0.5)
        interval.add(measured, 1)
        interval.close(trained, hyper)
        assert {value.device for value in measured.values()} == {ELSEWHERE}
        kept = checkpoint.tensors_of(trained)
        assert {value.device.type for value in kept.values()} == {"cpu"}
        checkpoint.restore(trained, {key: getattr(trained, key) for key in checkpoint.PLAIN_FIELDS}, kept)
        assert {value.device for value in trained.generator_engine.export_state().values()} == {ELSEWHERE}


def arrange_as_on_a_gpu(networks: tuple[Network, Network], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layout and precision of a GPU, before anything is fake: modules cannot change the layout of fake tensors."""
    execution = choose_execution(CONFIGS[name], networks[0], torch.device("cuda"), {})
    for network in networks:
        execution.prepare(network, SIZES[SMOKE])
        execution.set_layout(network)
    monkeypatch.setattr(Execution, "prepare", lambda self, network, dataset: None)
    monkeypatch.setattr(Execution, "set_layout", lambda self, network: None)


def test_evaluation_keeps_to_its_device(stacks: Dataset, numberless: FakeTensorMode) -> None:
    torch.manual_seed(0)
    generator = CONFIGS["A"].networks.generator(SIZES[SMOKE]).eval()
    features = BackboneFeatures("efficientnet-lite1", 64, torch.device("cpu"))
    with numberless:
        generator.to(ELSEWHERE)
        features.network.to(ELSEWHERE)
        features.device = ELSEWHERE
        (images,) = draw_samples(generator, 4, 0, stacks.labels, World())
        assert images.device == ELSEWHERE
        for resized in (inception.resized_clean, inception.resized_bilinear):
            assert resized(images.to(torch.float32)).device == ELSEWHERE
        found = features(images, ["features"])["features"]
        assert found.device.type == "cpu"  # where all metrics are computed
        frechet_distance(statistics(found), statistics(found))
        sample_images(generator, 0, ELSEWHERE)


def test_a_tensor_on_another_device_would_be_seen(numberless: FakeTensorMode) -> None:
    with numberless, pytest.raises(FakeTensorDeviceMismatchError):
        torch.zeros(2, device=ELSEWHERE) + torch.zeros(2)
