"""Frechet distance between two Gaussians, the last step of FID and its relatives."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

Statistics = tuple[Tensor, Tensor]  # mean [D] and covariance over N - 1 [D, D], float64


class Moments:
    """Sums over features [N, D] added batch by batch, in float64: memory does not grow with N."""

    def __init__(self) -> None:
        self.count = 0
        self.shift = self.first = self.second = torch.zeros(0)

    def add(self, features: Tensor) -> None:
        features = features.to(torch.float64)
        if not self.count:
            # Sums are taken relative to the first batch's mean, so that no digits are lost where the mean is large.
            self.shift = features.mean(dim=0)
            self.first = torch.zeros_like(self.shift)
            self.second = torch.zeros(len(self.shift), len(self.shift), dtype=torch.float64)
        centred = features - self.shift
        self.count += len(features)
        self.first += centred.sum(dim=0)
        self.second.addmm_(centred.T, centred)

    @classmethod
    def of(cls, parts: Iterable[Moments]) -> Moments:
        """The moments of the images of all `parts`."""
        total = cls()
        for part in (p for p in parts if p.count):
            if not total.count:
                total.shift = part.shift
                total.first, total.second = torch.zeros_like(part.first), torch.zeros_like(part.second)
            moved = part.shift - total.shift
            cross = torch.outer(part.first, moved)
            total.second += part.second + cross + cross.T + part.count * torch.outer(moved, moved)
            total.first += part.first + part.count * moved
            total.count += part.count
        return total

    def statistics(self) -> Statistics:
        """Mean [D] and covariance over N - 1 [D, D]."""
        mean = self.first / self.count
        return self.shift + mean, (self.second - self.count * torch.outer(mean, mean)) / (self.count - 1)


def statistics(features: Tensor) -> Statistics:
    """Mean and covariance of features [N, D]."""
    moments = Moments()
    moments.add(features)
    return moments.statistics()


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (arXiv 1706.08500, eq. 6).

    tr((S_a S_b)^(1/2)) is the sum of square roots of the eigenvalues of S_a S_b, which are those of the symmetric
    L^T S_b L with S_a = L L^T: real, not negative, and found without a matrix square root.
    """
    (mean_a, cov_a), (mean_b, cov_b) = a, b
    root = square_root(cov_a)
    trace = torch.linalg.eigvalsh(root.T @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace)


def square_root(covariance: Tensor) -> Tensor:
    """Some L with L L^T = covariance [D, D]: Cholesky's, or from eigenvalues where the covariance is singular."""
    root, failed = torch.linalg.cholesky_ex(covariance)
    # Cholesky may succeed on a matrix that is singular up to rounding; its last pivots are then noise.
    if failed or root.diagonal().min() < 1e-6 * root.diagonal().max():
        values, vectors = torch.linalg.eigh(covariance)
        return vectors * values.clamp(min=0).sqrt()
    return root
