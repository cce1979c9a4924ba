"""Classic and relativistic GAN objectives: logits in, one loss per sample out.

`real` and `fake` are logits [N] of the same batch; sample i is paired with sample i (arXiv 2501.05441, section 2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The losses of D and G, and whether G's needs D at real images."""

    discriminator: Loss
    generator: Loss
    generator_sees_reals: bool


def classic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(-D(r)) + softplus(D(f)): the non-saturating GAN's D loss (arXiv 1406.2661)."""
    return softplus(-real) + softplus(fake)


def classic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(-D(f)), which does not saturate; it does not look at `real`."""
    return softplus(-fake)


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(D(f) - D(r)): the relativistic pairing GAN (RpGAN, arXiv 1807.00734; arXiv 2501.05441, eq. 2)."""
    return softplus(fake - real)


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(D(r) - D(f)); D(r) is a constant for G but stays inside the softplus."""
    return softplus(real - fake)


OBJECTIVES: Mapping[str, Objective] = {
    "classic": Objective(discriminator=classic_discriminator, generator=classic_generator, generator_sees_reals=False),
    "relativistic": Objective(
        discriminator=relativistic_discriminator, generator=relativistic_generator, generator_sees_reals=True
    ),
}
