"""What a configuration consists of: families of networks, the objective, and a training recipe per data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from r3gan.configs.sizes import SIZES
from r3gan.errors import UserError, unknown
from r3gan.models.families import Networks, Size
from r3gan.schedules import Ramp

T = TypeVar("T", bound=Networks)
constant = Ramp.constant
OFF = constant(0.0)


@dataclass(frozen=True, kw_only=True)
class PathLength:
    """StyleGAN2's path length penalty; every `interval` steps on batch / `batch_shrink` samples."""

    weight: float = 2.0
    interval: int = 4
    decay: float = 0.01
    batch_shrink: int = 2


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training hyperparameters at one data set; amounts are in kimg, thousands of reals seen by D."""

    batch: int
    total_kimg: float
    burn_in_kimg: float = 0.0
    lr: Ramp
    gamma: Ramp
    beta1: float = 0.0
    beta2: Ramp
    ema_half_life_kimg: Ramp
    augment_p: Ramp = OFF
    xflip: bool = False
    unpublished: tuple[str, ...] = ()  # fields that the paper does not state, chosen here


@dataclass(frozen=True, kw_only=True)
class Config:
    """One configuration: networks, objective, and a recipe per data set it is trained on."""

    title: str  # the row's name in published.csv
    summary: str
    networks: Networks
    loss: str
    penalties: tuple[str, ...]
    augmentation: str = "ada"  # of D's images: an entry of AUGMENTATIONS, at the recipe's `augment_p`
    penalty_interval: int = 1  # steps between penalties; above 1 they are "lazy"
    path_length: PathLength | None = None
    unpublished: tuple[str, ...] = ()
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    sizes: Mapping[str, Size] = field(default_factory=lambda: SIZES)

    @property
    def penalty(self) -> str:
        """How penalties are computed, an entry of PENALISED: the networks decide it."""
        return "transposed" if self.networks.piecewise_linear else "double-backward"

    def paper_sizes(self) -> tuple[str, ...]:
        """The data sets of the paper this configuration is used at, in the order of SIZES."""
        return tuple(name for name, size in SIZES.items() if size.published and name in self.recipes)

    def recipe(self, dataset: str) -> Recipe:
        """The hyperparameters at a data set; UserError if it is not trained there."""
        if dataset not in self.recipes:
            raise unknown(f"data set for configuration {self.title!r}", dataset, self.recipes)
        return self.recipes[dataset]

    def changed(self, dataset: str, settings: Mapping[str, object]) -> tuple[Config, Recipe]:
        """The configuration and its recipe at a data set with `settings` changed, which count as chosen here.

        They are fields of Recipe, `penalty_interval`, or fields of the networks; a schedule is one number, or its ends.
        UserError for another name or type.
        """
        import msgspec

        recipe, own = (
            self.recipe(dataset),
            [item.name for item in fields(Recipe) if item.name not in ("total_kimg", "unpublished")],
        )
        kinds = get_type_hints(Recipe) | get_type_hints(type(self.networks)) | {"penalty_interval": int}
        allowed = [*own, "penalty_interval", *(item.name for item in fields(self.networks))]  # type: ignore[arg-type]
        found: dict[str, Any] = {}
        for name, value in settings.items():
            if name not in allowed:
                raise unknown("setting", name, allowed)
            if get_origin(kinds[name]) is Literal and value not in get_args(kinds[name]):
                raise unknown(f"setting {name}", value, get_args(kinds[name]))
            ends = [value, value] if kinds[name] is Ramp and not isinstance(value, list) else value
            try:
                found[name] = msgspec.convert(ends, kinds[name])
            except msgspec.ValidationError as error:
                raise UserError(f"setting {name}={value}: {error}") from None
        of_recipe = {name: value for name, value in found.items() if name in own}
        of_networks = {name: value for name, value in found.items() if name in allowed[len(own) + 1 :]}
        networks = replace(self.networks, **of_networks)  # type: ignore[type-var]
        interval = found.get("penalty_interval", self.penalty_interval)
        chosen = tuple(dict.fromkeys((*recipe.unpublished, *of_recipe)))
        # What is not piecewise linear any more starts with gains that are chosen here (r3gan/models/nonlinear.py).
        gains = ["initialisation"] if self.networks.piecewise_linear and not networks.piecewise_linear else []
        unpublished = dict.fromkeys((*self.unpublished, *of_networks, *gains))
        config = replace(self, networks=networks, penalty_interval=interval, unpublished=tuple(unpublished))
        return config, replace(recipe, **of_recipe, unpublished=chosen)

    def describe(self, dataset: str) -> dict[str, Any]:
        """Everything that defines a training run but its seed, as plain JSON values."""
        plain = asdict(replace(self, recipes={}, sizes={}))
        del plain["recipes"], plain["sizes"]
        return plain | {
            "networks": described(self.networks),
            "penalty": self.penalty,
            "recipe": asdict(self.recipe(dataset)),
            "size": asdict(self.sizes[dataset]),
        }


def described(networks: Any) -> dict[str, Any]:
    """A family of networks as plain JSON values; a family may hold another, whose generator it trains."""
    values = {item.name: getattr(networks, item.name) for item in fields(networks)}
    plain = {name: described(value) if is_dataclass(value) else value for name, value in values.items()}
    return {"family": type(networks).__name__} | plain


def as_described(networks: T, description: Mapping[str, Any]) -> T:
    """These networks with the fields of a description that `described` gave; a field that it does not have stays.

    Raises msgspec.ValidationError where it is of another family, or a value is not possible.
    """
    import msgspec

    family, kinds = type(networks).__name__, get_type_hints(type(networks))
    if description.get("family") != family:
        raise msgspec.ValidationError(f"they are {description.get('family')}, not {family}")
    found: dict[str, Any] = {}
    for item in fields(networks):  # type: ignore[arg-type]
        old, name = getattr(networks, item.name), item.name
        if name in description:
            new = description[name]
            nested = is_dataclass(old) and not isinstance(old, type)
            found[name] = as_described(old, new) if nested else msgspec.convert(new, kinds[name])
    return replace(networks, **found)  # type: ignore[type-var]
