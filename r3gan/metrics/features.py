"""Images to features: what every metric is computed from."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from r3gan.metrics.classifier import DigitClassifier

BATCH = 1000


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
    # A stacked set repeats few digits many times: each distinct one goes through the network once.
    channels = images.reshape(n * c, 1, r, r)
    seen: dict[bytes, int] = {}
    index = torch.tensor([seen.setdefault(channel.tobytes(), len(seen)) for channel in channels.numpy()])
    distinct = torch.from_numpy(np.frombuffer(b"".join(seen), dtype=np.uint8).copy()).reshape(-1, 1, r, r)
    for part in torch.split(distinct, BATCH):
        hidden, logits = classifier(part.to(device))
        features.append(hidden.cpu())
        classes.append(logits.argmax(dim=1).cpu())
    return Features(features=torch.cat(features)[index].reshape(n, -1), classes=torch.cat(classes)[index].reshape(n, c))
