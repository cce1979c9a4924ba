"""Images to features: what every metric is computed from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.metrics.classifier import DigitClassifier

BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features float [N, D] and per-channel digit classes int64 [N, C] of N images."""

    features: Tensor
    classes: Tensor


@torch.no_grad()
def digit_features(classifier: DigitClassifier, images: Tensor) -> Features:
    """Features of uint8 images [N, C, R, R]: each channel is one digit, the channels' features are concatenated."""
    n, c, r, _ = images.shape
    device = next(classifier.parameters()).device
    features, classes = [], []
    for part in torch.split(images, BATCH):
        hidden, logits = classifier(part.to(device).reshape(-1, 1, r, r))
        features.append(hidden.reshape(len(part), -1).cpu())
        classes.append(logits.argmax(dim=1).reshape(len(part), c).cpu())
    return Features(features=torch.cat(features), classes=torch.cat(classes))
