"""Kernel distance (KID): the unbiased squared MMD under a cubic kernel (arXiv 1801.01401, section 4)."""

import torch
from torch import Tensor

SUBSETS, LARGEST_SUBSET, SEED = 100, 1000, 0


def squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased squared MMD of features [m, D] and [m, D] under the kernel (x.y / D + 1)^3; can be negative."""
    m, d = x.shape

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / d + 1) ** 3

    within = kernel(x, x) + kernel(y, y)
    return (within.sum() - within.trace()) / (m * (m - 1)) - 2 * kernel(x, y).mean()


def kernel_distance(reals: Tensor, fakes: Tensor) -> float:
    """Mean of the squared MMD over 100 pairs of subsets of at most 1000 features [N, D], in float64."""
    m = min(len(reals), len(fakes), LARGEST_SUBSET)
    generator = torch.Generator().manual_seed(SEED)
    found = []
    for _ in range(SUBSETS):
        x, y = (part[torch.randperm(len(part), generator=generator)[:m]].to(torch.float64) for part in (reals, fakes))
        found.append(squared_mmd(x, y))
    return float(torch.stack(found).mean())
