"""What is derived for a data set without a preset: the values, and that every configuration trains with them."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from r3gan.cli import main
from r3gan.configs import CONFIGS, SIZES
from r3gan.configs.derive import Given, PreparedSet, derived, resized, settings_of
from r3gan.configs.projected import PROJECTED
from r3gan.data.loader import Dataset
from r3gan.errors import UserError
from r3gan.training.loop import check
from r3gan.training.run import Run
from r3gan.training.state import State, build_state
from r3gan.training.steps import iterate
from tests.helpers import CPU, folder_of, picture

NARROW = 1 / 16
ALIKE = ("-release", "projected-ccm", "projected-no-mixing", "projected-1", "projected-2", "projected-3", "-random")


def cats(resolution: int = 64, channels: int = 3, classes: int = 0, count: int = 70_000) -> PreparedSet:
    return PreparedSet(name="cats", resolution=resolution, channels=channels, classes=classes, count=count)


def images_of(data: PreparedSet, count: int = 16) -> Dataset:
    shape = (count, data.channels, data.resolution, data.resolution)
    images = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    labels = np.arange(count) % max(1, data.classes)
    return Dataset(name=data.name, manifest={"sha256": "", "count": count}, images=images, labels=labels)


def trained(name: str, data: PreparedSet, steps: int = 2) -> State:
    """A narrow configuration after a few steps of 8 images; frozen features at 64 px, which a processor can do."""
    config = resized(derived(CONFIGS[name], data, Given(width=NARROW)), data.name, width=NARROW, unconditional=False)
    size = replace(config.sizes[data.name], feature_px=64)
    recipe = replace(config.recipe(data.name), batch=8)
    config = replace(config, sizes={data.name: size}, recipes={data.name: recipe})
    run = Run(scale="own", config_name=name, config=config, recipe=recipe, dataset=data.name, seed=0)
    state = build_state(run, images_of(data), CPU)
    for _ in range(steps):
        iterate(run, state)
    return state


@pytest.mark.parametrize(
    ("resolution", "classes", "gamma"),
    [(8, 0, 1), (32, 10, 0.05), (32, 0, 1), (64, 0, 2), (256, 0, 150), (512, 0, 600)],
)
def test_gamma_is_the_presets_at_their_resolutions(resolution: int, classes: int, gamma: float) -> None:
    recipe = derived(CONFIGS["E"], cats(resolution, classes=classes)).recipe("cats")
    assert recipe.gamma == (gamma, pytest.approx(gamma / 10))


def test_between_two_presets_the_way_is_halved_on_a_logarithmic_scale() -> None:
    recipe = derived(CONFIGS["E"], cats(128)).recipe("cats")
    assert recipe.gamma[0] == pytest.approx(300**0.5, rel=1e-2)
    assert recipe.total_kimg == pytest.approx(2e10**0.5, rel=1e-2)
    assert (recipe.batch, recipe.lr, recipe.augment_p) == (256, (2e-4, 5e-5), (0, 0.3))


@pytest.mark.parametrize("dataset", ["ffhq-64", "ffhq-256", "cifar10"])
def test_a_set_like_a_published_one_gets_that_preset(dataset: str) -> None:
    size, config = SIZES[dataset], CONFIGS["E"]
    like = derived(config, cats(size.resolution, classes=size.classes))
    assert replace(like.sizes["cats"], published=True) == size
    assert replace(like.recipe("cats"), unpublished=()) == config.recipe(dataset)


@pytest.mark.parametrize("dataset", ["imagenet-32-chrabaszcz", "imagenet-64-chrabaszcz"])
def test_a_thousand_classes_are_trained_as_imagenet(dataset: str) -> None:
    twin = dataset.removesuffix("-chrabaszcz")
    data = PreparedSet(
        name=dataset, resolution=SIZES[twin].resolution, channels=3, classes=1000, count=1_281_167
    )  # fmt: skip
    like = derived(CONFIGS["E"], data)
    assert replace(like.sizes[dataset], published=True) == SIZES[twin]
    assert replace(like.recipe(dataset), unpublished=()) == CONFIGS["E"].recipe(twin)


def test_presets_are_never_derived(capsys: pytest.CaptureFixture[str]) -> None:
    for name, config in CONFIGS.items():
        for dataset in config.recipes:
            changed, recipe = resized(config, dataset, width=None, unconditional=False).changed(
                dataset, settings_of(config, dataset, {"gamma": None})
            )
            assert (recipe, changed.sizes[dataset]) == (config.recipe(dataset), SIZES[dataset]), (name, dataset)


def test_few_pictures_mean_a_shorter_run_a_smaller_batch_and_more_augmentation() -> None:
    recipe = derived(CONFIGS["E"], cats(count=100)).recipe("cats")
    assert (recipe.total_kimg, recipe.burn_in_kimg, recipe.batch, recipe.augment_p) == (1000, 200, 64, (0, 0.6))
    assert recipe.ema_half_life_kimg == (0, 20)
    short = derived(CONFIGS["E"], cats(count=100), Given(batch=16, burn_in_kimg=12)).recipe("cats")
    assert (short.burn_in_kimg, short.ema_half_life_kimg) == (12, (0, 1.2))
    assert set(recipe.unpublished) >= {"size", "batch", "total_kimg", "gamma", "lr"}


def test_narrow_networks_have_the_larger_step_of_the_smoke_presets() -> None:
    for name, config in CONFIGS.items():
        smoke, narrow = config.recipe("stackedmnist5k-16"), derived(config, cats(), Given(width=NARROW)).recipe("cats")
        assert narrow.lr == pytest.approx(smoke.lr), name


@pytest.mark.parametrize("name", [name for name in CONFIGS if not any(each in name for each in ALIKE)])
def test_every_configuration_trains_on_a_set_of_its_own(name: str) -> None:
    state = trained(name, cats(16, classes=3))
    assert state.generator.classes == (3 if CONFIGS[name].networks.conditional else 0)
    assert all(bool(p.isfinite().all()) for p in state.ema.parameters())


SHAPES = [
    (px, channels, classes)
    for px, channels, classes in itertools.product((8, 32, 64, 128), (1, 3), (0, 2))
    if px < 64 or (channels == 3) is (classes == 0)  # half of the larger ones, which take longer
]


@pytest.mark.parametrize(("resolution", "channels", "classes"), SHAPES)
def test_config_e_trains_at_any_size_in_grey_and_colour_with_and_without_classes(
    resolution: int, channels: int, classes: int
) -> None:
    state = trained("E", cats(resolution, channels, classes), steps=1)
    z = torch.zeros(2, state.generator.z_dim)
    images = state.ema(z, torch.zeros(2, dtype=torch.long) if classes else None)
    assert images.shape == (2, channels, resolution, resolution)


@pytest.mark.parametrize("name", ["A", "B", "D-resnet", "dcgan", "fastgan", "projected-fastgan"])
@pytest.mark.parametrize(("resolution", "channels"), [(8, 1), (64, 3)])
def test_other_families_train_at_other_sizes(name: str, resolution: int, channels: int) -> None:
    assert trained(name, cats(resolution, channels), steps=1).images_seen == 8


LARGE = [name for name in CONFIGS if name not in PROJECTED or name == "projected-E"]


@pytest.mark.parametrize("resolution", [256, 512, 1024])
@pytest.mark.parametrize("width", [1.0, NARROW])
def test_large_networks_can_be_built(resolution: int, width: float) -> None:
    for name in LARGE:
        config = resized(derived(CONFIGS[name], cats(resolution)), "cats", width=width, unconditional=False)
        size = config.sizes["cats"]
        with torch.device("meta"):
            generator = config.networks.generator(size)
            discriminator = config.networks.discriminator(size) if name not in PROJECTED else None
        assert size.resolution == resolution
        assert generator.classes == 0
        assert discriminator is None or sum(p.numel() for p in discriminator.parameters()) > 0


def test_options_replace_values_by_name_and_schedules_keep_their_shape() -> None:
    config = resized(CONFIGS["E"], "cifar10", width=0.125, unconditional=True)
    options = {"batch": 64, "gamma": 10.0, "lr": 1e-3, "augment_p": 0.2, "xflip": False, "burn_in_kimg": None}
    config, recipe = config.changed("cifar10", settings_of(config, "cifar10", options))
    assert config.sizes["cifar10"].base_widths == (64,) * 4
    assert config.sizes["cifar10"].classes == 0
    assert (recipe.batch, recipe.xflip, recipe.augment_p) == (64, False, (0, 0.2))
    assert recipe.gamma == (10, pytest.approx(1))
    assert recipe.lr == (1e-3, pytest.approx(2.5e-4))
    assert {"batch", "gamma", "lr", "augment_p", "xflip"} <= set(recipe.unpublished)
    with pytest.raises(UserError, match="--gamma: DCGAN has no gradient penalty"):
        settings_of(CONFIGS["dcgan"], "stackedmnist", {"gamma": 1.0})
    with pytest.raises(UserError, match=r"--width 9 is not allowed; allowed: 0.0625 to 4"):
        resized(CONFIGS["E"], "cifar10", width=9, unconditional=False)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("cifr10", ("did you mean cifar10?",)),
        ("dogs", ("unknown data set 'dogs'", "r3gan prepare own --name dogs --source FOLDER")),
    ],
)
def test_an_unknown_set_is_one_sentence(
    dataset: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", "E", "--dataset", dataset]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words)
    assert said.count("\n") == 1


def test_labels_that_are_missing_are_said_before_training() -> None:
    config = CONFIGS["E"]
    run = Run(
        scale="own", config_name="E", config=config, recipe=config.recipe("cifar10"), dataset="cifar10", seed=0
    )  # fmt: skip
    unlabelled = images_of(PreparedSet(name="cifar10", resolution=32, channels=3, classes=0, count=16))
    with pytest.raises(UserError, match="--data holds cifar10 with no labels, but E is trained there with 10 classes"):
        check(run, unlabelled)


def test_a_handful_of_pictures_is_too_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "in", {f"{i}.png": picture("red") for i in range(7)})
    assert main(["prepare", "own", "--name", "cats", "--source", "in", "--resolution", "8"]) == 0
    capsys.readouterr()
    assert main(["train", "--config", "E", "--dataset", "cats"]) == 2
    assert capsys.readouterr().err == "r3gan train: data set cats has 7 images, and training needs 8\n"
