"""Feature networks that need no Inception: the pipeline's digit classifier, EfficientNet-lite1, VGG16."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from r3gan.metrics.classifier import load_classifier
from r3gan.metrics.weights import find_weights
from r3gan.models.backbones import BACKBONES, fold_batch_norms, load_backbone

DIGIT_BATCH = 1000


@contextmanager
def ignore_torchscript_deprecation() -> Iterator[None]:
    """The published networks are TorchScript files, which torch deprecates."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):  # of older and newer torch
            warnings.simplefilter("ignore", category)
        yield


def as_rgb(images: Tensor) -> Tensor:
    """Grey images as RGB, which ImageNet's networks expect."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def parts_of(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """RGB batches on the device: of 8 images on a CPU, whose caches hold their activations, else of 64."""
    for part in as_rgb(images).split(8 if device.type == "cpu" else 64):
        yield part.to(device)


class DigitFeatures:
    """Each channel is one digit: `features` of the channels concatenated [N, 64 C], `classes` int64 [N, C]."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.classifier, record = load_classifier(folder)
        self.classifier.to(device).to(memory_format=torch.channels_last)
        self.device = device
        self.record: dict[str, Any] = {key: record[key] for key in ("dataset", "sha256", "test_accuracy")}

    @torch.no_grad()
    def __call__(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        n, c, r, _ = images.shape
        # Stacked sets repeat a small number of digits many times: each distinct one passes the network once.
        channels = images.reshape(n * c, 1, r, r).cpu()
        seen: dict[bytes, int] = {}
        index = torch.tensor([seen.setdefault(channel.tobytes(), len(seen)) for channel in channels.numpy()])
        distinct = torch.from_numpy(np.frombuffer(b"".join(seen), dtype=np.uint8).copy()).reshape(-1, 1, r, r)
        features, classes = [], []
        for part in distinct.split(DIGIT_BATCH):
            hidden, logits = self.classifier(part.to(self.device))
            features.append(hidden.cpu())
            classes.append(logits.argmax(dim=1).cpu())
        found = {
            "features": torch.cat(features)[index].reshape(n, -1),
            "classes": torch.cat(classes)[index].reshape(n, c),
        }
        return {output: found[output] for output in outputs}


class BackboneFeatures:
    """`features` [N, D]: the pooled head of a network of BACKBONES, of images resized to `px`."""

    def __init__(self, name: str, px: int, device: torch.device) -> None:
        self.network, self.px, self.device = load_backbone(name), px, device
        fold_batch_norms(self.network)
        self.network.to(device).to(memory_format=torch.channels_last)
        self.record: dict[str, Any] = {"sha256": BACKBONES[name].sha256}

    @torch.no_grad()
    def __call__(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        parts = []
        for part in parts_of(images, self.device):
            x = part.to(torch.float32) / 127.5 - 1.0
            x = interpolate(x, size=(self.px, self.px), mode="bicubic", antialias=True).clamp(-1, 1)
            maps = self.network.forward_features(x)  # type: ignore[operator]
            parts.append(adaptive_avg_pool2d(maps, 1).flatten(1).cpu())
        return {"features": torch.cat(parts)}


class VGG16Features:
    """`features` [N, 4096] of the VGG16 that the papers use for precision and recall."""

    FILE = "vgg16.pt"

    def __init__(self, weights: Path, device: torch.device) -> None:
        path, found = find_weights(self.FILE, weights)
        with ignore_torchscript_deprecation():
            self.network = torch.jit.load(path, map_location=device).eval()
        self.device = device
        self.record: dict[str, Any] = {"sha256": found}

    @torch.no_grad()
    def __call__(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        parts = [
            self.network(part, return_features=True).to("cpu", torch.float32) for part in parts_of(images, self.device)
        ]
        return {"features": torch.cat(parts)}
