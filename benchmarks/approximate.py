"""An approximation of R1 and R2 that needs no gradient at the images, to show what exactness costs."""

import torch
from torch import Tensor

from benchmarks.cases import NOISE
from r3gan.augment import View
from r3gan.interfaces import DiscriminatorNetwork


def finite_difference(
    discriminator: DiscriminatorNetwork, images: Tensor, labels: Tensor | None = None, augmentation: View | None = None
) -> tuple[Tensor, Tensor]:
    """Logits [N] and squared difference quotients [N] along noise, whose mean is near the squared gradient's norm."""
    noise = NOISE * torch.randn(*images.shape, device=images.device)
    logits = discriminator(torch.cat([images, images + noise]), None if labels is None else labels.repeat(2))
    here, there = logits.chunk(2)
    return here, ((there - here) / NOISE).square()
