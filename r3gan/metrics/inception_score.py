"""Inception Score (arXiv 1606.03498, section 4)."""

import torch
from torch import Tensor

SPLITS = 10


def inception_score(probabilities: Tensor) -> float:
    """exp(E_x KL(p(y|x) || p(y))) of class probabilities [N, classes], mean over 10 splits."""
    scores = []
    for part in probabilities.to(torch.float64).tensor_split(SPLITS):
        logs = part.clamp(min=1e-300).log() - part.mean(dim=0).clamp(min=1e-300).log()
        scores.append((part * logs).sum(dim=1).mean().exp())
    return float(torch.stack(scores).mean())
