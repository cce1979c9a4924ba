"""Counted work of the feature networks of metrics: each entry of EXTRACTORS as a network of its layers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.configs import SIZES
from r3gan.estimate.work import BATCH, kept, macs
from r3gan.files import sha256
from r3gan.metrics.extractors import find_extractor
from r3gan.pipeline.code import code_of_stage
from r3gan.records.schema import Record

if TYPE_CHECKING:
    from torch import Tensor, nn


class FeatureWork(Record, frozen=True, kw_only=True):
    """What one image costs a feature network in multiply-adds, and how many features come out."""

    macs: float
    features: int


@functools.cache
def feature_work(extractor: str, dataset: str) -> FeatureWork:
    """The work of an entry of EXTRACTORS on images of a data set, counted once and kept."""
    px, channels = SIZES[dataset].resolution, SIZES[dataset].image_channels
    depends_on = [sha256(Path(__file__)), code_of_stage("evaluate"), str(px), str(channels)]
    return kept(f"{extractor}-{channels}x{px}px", depends_on, FeatureWork, lambda: count(extractor, px, channels))


def count(extractor: str, px: int, channels: int) -> FeatureWork:
    """Count a network of the extractor's layers on images [channels, px, px]."""
    import torch

    network = layers_of(extractor, px).to("meta").eval()
    in_channels = next(network.parameters()).shape[1]
    passes = channels if in_channels == 1 else 1  # channel by channel, or all at once as RGB
    images = torch.empty(BATCH, in_channels, *[find_extractor(extractor).px or px] * 2, device="meta")
    outputs: list[Tensor | tuple[Tensor, ...]] = []
    with torch.no_grad():
        counted = macs(lambda: outputs.append(network(images)))
    features = outputs[0][0] if isinstance(outputs[0], tuple) else outputs[0]
    return FeatureWork(macs=passes * counted / BATCH, features=passes * features.shape[1])


def layers_of(extractor: str, px: int) -> nn.Module:
    """The layers of an entry of EXTRACTORS up to its features, with random weights, for images of `px`."""
    from torch import nn
    from torchvision import models

    from r3gan.metrics.classifier import DigitClassifier
    from r3gan.models.backbones import random_backbone

    match extractor.split("-"):
        case ["inception", _]:
            network = models.inception_v3(weights=None, init_weights=False)
            network.fc = nn.Identity()
        case ["vgg16"]:
            network = models.vgg16(weights=None, init_weights=False)
            network.classifier = network.classifier[:-1]  # features are those of fc2
        case ["efficientnet", "lite1", *_]:
            network = random_backbone("efficientnet-lite1")
            network.classifier = nn.Identity()
        case _:
            assert extractor == "digits"
            network = DigitClassifier(px)
    return network
