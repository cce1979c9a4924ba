"""Cosine burn-in (arXiv 2501.05441, hyperparameter table): values that move from `base` to `final` and stay there."""

import math
from typing import NamedTuple


class Ramp(NamedTuple):
    """A hyperparameter's value at the first image and after the burn-in."""

    base: float
    final: float

    @classmethod
    def constant(cls, value: float) -> "Ramp":
        return cls(value, value)

    def __str__(self) -> str:
        return f"{self.base:g}" if self.base == self.final else f"{self.base:g} -> {self.final:g}"


def cosine_burn_in(ramp: Ramp, images_seen: float, burn_in_images: float) -> float:
    """v(n) = final + (1 + cos(pi n / N)) / 2 * (base - final) for n <= N, then final; N = 0 is final at once."""
    if images_seen >= burn_in_images:
        return ramp.final
    return ramp.final + 0.5 * (1.0 + math.cos(math.pi * images_seen / burn_in_images)) * (ramp.base - ramp.final)


def ema_beta(batch: int, half_life_images: float) -> float:
    """Decay of the generator's moving average a step: 0.5^(batch / half_life); half-life 0 means EMA = G."""
    return 0.5 ** (batch / half_life_images) if half_life_images > 0 else 0.0
