"""Mode coverage of StackedMNIST: which of the 1000 digit triples are generated, and how evenly."""

import torch
from torch import Tensor

MODES = 1000


def mode_counts(digits: Tensor) -> Tensor:
    """Samples in each of the 1000 modes [1000]; `digits` int64 [N, 3] are the classes of the three channels."""
    weights = torch.tensor([100, 10, 1], device=digits.device)
    return torch.bincount((digits * weights).sum(dim=1), minlength=MODES)


def covered_modes(digits: Tensor) -> int:
    """Distinct triples among the samples."""
    return int((mode_counts(digits) > 0).sum())


def reverse_kl(digits: Tensor) -> float:
    """KL(p || uniform) = sum_m p_m log(1000 p_m) in nat; with N samples of a perfect sampler about 999 / (2 N)."""
    counts = mode_counts(digits).to(torch.float64)
    p = counts[counts > 0] / counts.sum()
    return float((p * (MODES * p).log()).sum())
