"""A configuration at a data set that has no preset: one rule, which interpolates the presets (docs/own.md).

Sizes and recipes of the papers' data sets are never derived. What is derived is named in the recipe's `unpublished`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from r3gan.configs.recipe import Config, Recipe
from r3gan.configs.sizes import SIZES
from r3gan.errors import UserError
from r3gan.models.families import Size
from r3gan.schedules import Ramp

# Which presets stand for a resolution in px: of each line the first that the configuration has.
ANCHORS: Mapping[int, tuple[str, ...]] = {
    32: ("cifar10", "stackedmnist"), 64: ("ffhq-64",), 256: ("ffhq-256",)
}  # fmt: skip
MANY_CLASSES = 1000  # from here on as at ImageNet
IMAGENET: Mapping[int, tuple[str, ...]] = {32: ("imagenet-32",), 64: ("imagenet-64",)}
SMOKE, SMOKE_NARROWING = "stackedmnist5k-16", 16  # of the base widths, 32 instead of 512
FULL_WIDTH, CHANNELS_TIMES_PX, LEAST_BASE_WIDTH = 512, 16384, 32  # Config A's widths: min(512, 16384 / px)
BF16_FROM_32_PX = 64  # above this resolution bfloat16 starts at 32 px, as at FFHQ-256
FULL_COUNT = 50_000  # images (CIFAR-10) from which on a run is as long as the preset's
FEW_COUNT, FEW_AUGMENT_P = 1000, 0.6  # images at and below which augmentation is strongest
LEAST_KIMG = 1000.0
LEAST_COUNT = 8  # images
LARGEST_EMA = 0.1  # of the burn-in, where that is less
RELEASED_EMA = 10 / 32  # kimg of half-life per image of the batch (StyleGAN2, Projected GAN)
WIDTHS = (1 / 16, 4.0)  # allowed for --width


@dataclass(frozen=True, kw_only=True)
class PreparedSet:
    """What a configuration is derived from: a prepared data set by its manifest; classes is 0 without labels."""

    name: str
    resolution: int
    channels: int
    classes: int
    count: int


def resized(config: Config, dataset: str, *, width: float | None, unconditional: bool) -> Config:
    """The configuration with all widths at a data set times `width`, or without classes; UserError out of range."""
    size = config.sizes[dataset]
    if unconditional and size.classes:
        size = replace(size, classes=0, published=False)
    if width is not None:
        size = scaled_size(size, width)
    return replace(config, sizes={**config.sizes, dataset: size})


def check_settings(config: Config, dataset: str, settings: Mapping[str, object]) -> None:
    """UserError where `settings` are not possible; of a data set without a preset before it is prepared."""
    if dataset not in config.recipes:
        config = derived(config, PreparedSet(name=dataset, resolution=32, channels=3, classes=0, count=FULL_COUNT))
    config.changed(dataset, settings)


def settings_of(config: Config, dataset: str, options: Mapping[str, Any]) -> dict[str, object]:
    """Options of `r3gan train` as settings of `Config.changed`; options that are None change nothing.

    A schedule keeps its shape: `gamma` and `lr` are its first value, `augment_p` its last.
    """
    recipe = config.recipe(dataset)
    found = {name: value for name, value in options.items() if value is not None}
    if "gamma" in found and not config.penalties:
        raise UserError(f"--gamma: {config.title} has no gradient penalty")
    for name in {"gamma", "lr"} & found.keys():
        first, last = getattr(recipe, name)
        found[name] = [found[name], found[name] * last / first]
    if (p := found.get("augment_p")) is not None:
        found["augment_p"] = [p if recipe.augment_p.base else 0.0, p]
    return found


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is asked for and decides other values: base widths times `width`; None: the derived batch and burn-in."""

    width: float = 1.0
    batch: int | None = None
    burn_in_kimg: float | None = None
    unconditional: bool = False


def derived(config: Config, data: PreparedSet, given: Given = Given()) -> Config:
    """The configuration with the derived size of `data`, at full width, and the derived recipe, at the given one."""
    size = SIZES.get(data.name) or derived_size(data)
    size = replace(size, classes=size.classes if config.networks.conditional and not given.unconditional else 0)
    recipe = derived_recipe(config, data, scaled_size(size, given.width) if given.width != 1 else size, given)
    return replace(config, recipes={**config.recipes, data.name: recipe}, sizes={**config.sizes, data.name: size})


def derived_size(data: PreparedSet) -> Size:
    """Config A's widths, min(512, 16384 / px) at every resolution; those of ImageNet from 1,000 classes on."""
    resolutions = [2**k for k in range(2, int(math.log2(data.resolution)) + 1)]
    widths = tuple(max(LEAST_BASE_WIDTH, min(FULL_WIDTH, CHANNELS_TIMES_PX // px)) for px in resolutions)
    large = data.classes >= MANY_CLASSES
    return Size(
        base_widths=(2 * FULL_WIDTH,) * len(widths) if large else widths,
        group_size=32 if large else 16,
        classes=data.classes,
        image_channels=data.channels,
        bf16_from_px=32 if data.resolution > BF16_FROM_32_PX else 8,
        published=False,
    )


def scaled_size(size: Size, width: float) -> Size:
    """All widths times `width`, in steps that every configuration's groups divide; UserError out of range."""
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise UserError(f"--width {width:g} is not allowed; allowed: {WIDTHS[0]:g} to {WIDTHS[1]:g}")
    step = 32 if min(size.base_widths) * width >= 32 else 16
    widths = tuple(step * max(1, round(base * width / step)) for base in size.base_widths)
    return replace(
        size, base_widths=widths, group_size=min(size.group_size, step // 2), narrowing=size.narrowing / width,
        published=False,
    )  # fmt: skip


def derived_recipe(config: Config, data: PreparedSet, size: Size, given: Given) -> Recipe:
    """The presets of `config` interpolated at the resolution, then adapted to the number of images and the width."""
    preset = at_resolution(presets_of(config, size.classes), data.resolution)
    share = min(1.0, data.count / FULL_COUNT)
    total = max(preset.total_kimg * share, min(LEAST_KIMG, preset.total_kimg))
    batch = given.batch or min(preset.batch, 1 << (data.count.bit_length() - 1))
    burn_in = given.burn_in_kimg or preset.burn_in_kimg * total / preset.total_kimg
    half_life = preset.ema_half_life_kimg.final
    least = batch * RELEASED_EMA
    if preset.burn_in_kimg:
        least = max(half_life * burn_in / preset.burn_in_kimg, min(least, burn_in * LARGEST_EMA))
    half_life = min(half_life, least)
    few = min(1.0, max(0.0, math.log(FULL_COUNT / data.count) / math.log(FULL_COUNT / FEW_COUNT)))
    p = preset.augment_p
    if p.final > p.base:  # a schedule of ADA; the constant one of Projected GAN stays
        p = Ramp(p.base, p.final + few * (max(FEW_AUGMENT_P, p.final) - p.final))
    narrower = FULL_WIDTH / max(size.base_widths)
    lr = preset.lr
    if SMOKE in config.recipes and narrower > 1:
        t = min(1.0, math.log(narrower) / math.log(SMOKE_NARROWING))
        lr = between(preset.lr, config.recipes[SMOKE].lr, t)
    recipe = replace(
        preset,
        batch=batch,
        total_kimg=three_digits(total),
        burn_in_kimg=three_digits(burn_in),
        lr=lr,
        ema_half_life_kimg=Ramp(preset.ema_half_life_kimg.base and half_life, half_life),
        augment_p=p,
        xflip=preset.xflip and data.channels == 3,  # grey sets are digits, letters and measurements, which have a side
    )
    schedules = ("lr", "gamma", "beta2", "ema_half_life_kimg", "augment_p")
    rounded = {name: Ramp(*map(three_digits, getattr(recipe, name))) for name in schedules}
    names = ("batch", "total_kimg", "burn_in_kimg", *schedules, "xflip")
    return replace(recipe, **rounded, unpublished=("size", *names))  # type: ignore[arg-type]


def presets_of(config: Config, classes: int) -> dict[int, Recipe]:
    """The presets to interpolate, by resolution; at 32 px without classes gamma is that of StackedMNIST."""
    recipes = config.recipes
    lines = IMAGENET if classes >= MANY_CLASSES and "imagenet-64" in recipes else ANCHORS
    found = {px: next((recipes[name] for name in names if name in recipes), None) for px, names in lines.items()}
    presets = {px: recipe for px, recipe in found.items() if recipe}
    if 32 in presets and not classes and "stackedmnist" in recipes:
        presets[32] = replace(presets[32], gamma=recipes["stackedmnist"].gamma)
    return presets


def at_resolution(presets: Mapping[int, Recipe], px: int) -> Recipe:
    """Between two presets on a logarithmic scale of px and value; below the first as there.

    Above the last as there too, but gamma grows with the number of pixels.
    """
    low = max((known for known in presets if known <= px), default=min(presets))
    high = min((known for known in presets if known >= px), default=max(presets))
    one, two = presets[low], presets[high]
    if px > high:
        return replace(two, gamma=Ramp(*(value * (px / high) ** 2 for value in two.gamma)))
    t = math.log(px / low) / math.log(high / low) if low < high else 0.0
    blended = {
        name: between(getattr(one, name), getattr(two, name), t)
        for name in ("lr", "gamma", "beta2", "ema_half_life_kimg", "augment_p")
    }
    lengths = {
        name: value_between(getattr(one, name), getattr(two, name), t) for name in ("total_kimg", "burn_in_kimg")
    }
    batch = 2 ** round(math.log2(value_between(one.batch, two.batch, t)))
    return replace(one, **blended, **lengths, batch=batch)  # type: ignore[arg-type]


def between(one: Ramp, two: Ramp, t: float) -> Ramp:
    return Ramp(*(value_between(a, b, t) for a, b in zip(one, two, strict=True)))


def value_between(a: float, b: float, t: float) -> float:
    """The value at 0 <= t <= 1 on the way from a to b: geometric, or linear where one of them is 0."""
    if a == b:
        return a
    return a ** (1 - t) * b**t if a > 0 and b > 0 else a + t * (b - a)


def three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def explain(config: Config, recipe: Recipe, data: PreparedSet) -> str:
    """Every derived value with its name, for the command's output."""
    size = config.sizes[data.name]
    classes = f"{data.classes} classes" if data.classes else "no classes"
    ignored = " (ignored)" if data.classes and not size.classes else ""
    lines = [
        f"{data.name}: {data.count} images, {data.resolution} px, {data.channels} channel(s), {classes}{ignored}; "
        "the papers have no preset for it, so these values are derived by the rule of docs/own.md:"
    ]
    values = {"base widths": " ".join(map(str, size.base_widths)), "group size": size.group_size}
    values |= {name: getattr(recipe, name) for name in recipe.unpublished if name != "size"}
    return "\n".join([*lines, *(f"  {name} = {value}" for name, value in values.items())])
