"""EXTRACTORS: one entry per feature network; uint8 images in, features out. Networks are imported when loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from r3gan.errors import unknown
from r3gan.models.backbones import BACKBONES, INCEPTION_PX

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class FeatureNetwork(Protocol):
    """A loaded feature network on a device."""

    @property
    def record(self) -> dict[str, Any]:
        """What identifies the network: at least the sha256 of its weights."""
        ...

    def __call__(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        """The named outputs [N, ...], on the CPU, of uint8 images [N, C, R, R]."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExtractorPaths:
    """Folders of weight files and of the fitted digit classifier."""

    weights: Path
    classifier: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A feature network: how images are prepared for it, and how it is loaded."""

    protocol: str
    open: Callable[[ExtractorPaths, torch.device], FeatureNetwork]
    px: int | None = None  # to which images are resized; None: they are taken as they are
    weights: str | None = None  # an entry of WEIGHTS, for networks that no package carries


def _digits(paths: ExtractorPaths, device: torch.device) -> FeatureNetwork:
    from r3gan.metrics.features import DigitFeatures

    assert paths.classifier is not None
    return DigitFeatures(paths.classifier, device)


def _inception(mode: str) -> Callable[[ExtractorPaths, torch.device], FeatureNetwork]:
    def open_network(paths: ExtractorPaths, device: torch.device) -> FeatureNetwork:
        from r3gan.metrics.inception import InceptionFeatures

        return InceptionFeatures(mode, paths.weights, device)

    return open_network


def _vgg16(paths: ExtractorPaths, device: torch.device) -> FeatureNetwork:
    from r3gan.metrics.features import VGG16Features

    return VGG16Features(paths.weights, device)


def _lite1(px: int) -> Extractor:
    def open_network(paths: ExtractorPaths, device: torch.device) -> FeatureNetwork:
        from r3gan.metrics.features import BackboneFeatures

        return BackboneFeatures("efficientnet-lite1", px, device)

    return Extractor(
        protocol="EfficientNet-lite1 trained on ImageNet, pooled head (1280); images in [-1, 1], resized to "
        f"{px} px by torch's antialiased bicubic filter",
        open=open_network,
        px=px,
    )


_TF = "Inception of 2015-12-05, TorchScript, pool3 (2048)"
EXTRACTORS: Mapping[str, Extractor] = {
    "inception-tensorflow": Extractor(
        protocol=f"{_TF}; resized to {INCEPTION_PX} px inside the network as TensorFlow did",
        open=_inception("legacy_tensorflow"),
        px=INCEPTION_PX,
        weights="inception-2015-12-05.pt",
    ),
    "inception-clean": Extractor(
        protocol=f"{_TF}; resized to {INCEPTION_PX} px by PIL's bicubic filter, a channel at a time, in float",
        open=_inception("clean"),
        px=INCEPTION_PX,
        weights="inception-2015-12-05.pt",
    ),
    "inception-pytorch": Extractor(
        protocol=f"pytorch-fid's port of the same network; resized to {INCEPTION_PX} px bilinearly by torch",
        open=_inception("legacy_pytorch"),
        px=INCEPTION_PX,
        weights="pt_inception-2015-12-05-6726825d.pth",
    ),
    "vgg16": Extractor(
        protocol="VGG16 of StyleGAN2-ADA's metrics, fc2 (4096); resized inside the network",
        open=_vgg16,
        px=224,
        weights="vgg16.pt",
    ),
    "efficientnet-lite1": _lite1(BACKBONES["efficientnet-lite1"].resolution),
    "efficientnet-lite1-64px": _lite1(64),  # 1/14 of the work, for small images on a CPU
    "digits": Extractor(
        protocol="last convolution of the pipeline's digit classifier averaged over positions, channels concatenated",
        open=_digits,
    ),
}


def find_extractor(name: str) -> Extractor:
    """The entry of EXTRACTORS."""
    if name not in EXTRACTORS:
        raise unknown("feature network", name, EXTRACTORS)
    return EXTRACTORS[name]
