"""Classic, relativistic and hinge GAN objectives: logits in, one loss per logit out, and the reduction to one number.

`real` and `fake` are logits of the same batch, [N] or [N, discriminators, positions]; sample i is paired with sample i
(arXiv 2501.05441, section 2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Callable[[Tensor, Tensor], Tensor]


def sum_over_discriminators(losses: Tensor) -> Tensor:
    """Mean over samples and positions of [N, discriminators, positions], summed over discriminators: a scalar."""
    return losses.mean(dim=(0, 2)).sum()


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The losses of D and G, whether G's needs D at real images, and the reduction over logits."""

    discriminator: Loss
    generator: Loss
    generator_sees_reals: bool
    reduce: Callable[[Tensor], Tensor] = torch.mean


def classic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(-D(r)) + softplus(D(f)): the non-saturating GAN's D loss (arXiv 1406.2661)."""
    return softplus(-real) + softplus(fake)


def classic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(-D(f)), which does not saturate; it does not use `real`."""
    return softplus(-fake)


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(D(f) - D(r)): the relativistic pairing GAN (RpGAN, arXiv 1807.00734; arXiv 2501.05441, eq. 2)."""
    return softplus(fake - real)


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(D(r) - D(f)); D(r) is a constant for G but stays inside the softplus."""
    return softplus(real - fake)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(r)) + max(0, 1 + D(f)) (arXiv 1705.02894; Projected GAN, arXiv 2111.01007, section 4)."""
    return relu(1 - real) + relu(1 + fake)


def hinge_generator(real: Tensor, fake: Tensor) -> Tensor:
    """-D(f); it does not use `real`."""
    return -fake


_HINGE = Objective(discriminator=hinge_discriminator, generator=hinge_generator, generator_sees_reals=False)
OBJECTIVES: Mapping[str, Objective] = {
    "classic": Objective(discriminator=classic_discriminator, generator=classic_generator, generator_sees_reals=False),
    "relativistic": Objective(
        discriminator=relativistic_discriminator, generator=relativistic_generator, generator_sees_reals=True
    ),
    "hinge-mean": _HINGE,
    "hinge-sum": replace(_HINGE, reduce=sum_over_discriminators),
}
