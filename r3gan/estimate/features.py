"""Counted work of the feature networks that metrics look through: one entry an extractor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r3gan.estimate.work import BATCH, kept, macs
from r3gan.files import sha256
from r3gan.pipeline.code import code_of_stage

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class FeatureWork:
    """What one image costs a feature network in multiply-adds, and how many features come out."""

    macs: float
    features: int


@functools.cache
def feature_work(extractor: str, px: int, channels: int) -> FeatureWork:
    """The work of an entry of EXTRACTORS on images [channels, px, px], counted once and kept."""
    depends_on = [sha256(Path(__file__)), code_of_stage("evaluate"), str(px), str(channels)]
    found = kept(f"{extractor}-{channels}x{px}px", depends_on, lambda: asdict(count(extractor, px, channels)))
    return FeatureWork(**found)


def count(extractor: str, px: int, channels: int) -> FeatureWork:
    """Count a network of the extractor's architecture, which has random weights."""
    import torch

    architecture = ARCHITECTURES[extractor]
    network = architecture.build(px).to("meta").eval()
    shown, passes = (1, channels) if architecture.channel_by_channel else (3, 1)
    images = torch.empty(BATCH, shown, *[architecture.px or px] * 2, device="meta")
    found: list[Any] = []
    with torch.no_grad():
        counted = macs(lambda: found.append(network(images)))
    features = found[0][0] if isinstance(found[0], tuple) else found[0]
    return FeatureWork(macs=passes * counted / BATCH, features=passes * features.shape[1])


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network with an extractor's layers up to its features, and the images it is shown."""

    build: Callable[[int], nn.Module]  # from the px of the images
    px: int | None = None  # to which images are resized
    channel_by_channel: bool = False


def _inception(px: int) -> nn.Module:
    from torch import nn
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, init_weights=False)
    network.fc = nn.Identity()
    return network


def _vgg16(px: int) -> nn.Module:
    from torchvision.models import vgg16

    network = vgg16(weights=None, init_weights=False)
    network.classifier = network.classifier[:-1]  # features are those of fc2
    return network


def _lite1(px: int) -> nn.Module:
    from torch import nn

    from r3gan.models.backbones import random_backbone

    network: Any = random_backbone("efficientnet-lite1")
    network.classifier = nn.Identity()
    return network


def _digits(px: int) -> nn.Module:
    from r3gan.metrics.classifier import DigitClassifier

    return DigitClassifier(px)


_INCEPTION = Architecture(build=_inception, px=299)
ARCHITECTURES: Mapping[str, Architecture] = {
    "inception-tensorflow": _INCEPTION,
    "inception-clean": _INCEPTION,
    "inception-pytorch": _INCEPTION,
    "vgg16": Architecture(build=_vgg16, px=224),
    "efficientnet-lite1": Architecture(build=_lite1, px=240),
    "efficientnet-lite1-64px": Architecture(build=_lite1, px=64),
    "digits": Architecture(build=_digits, channel_by_channel=True),
}
