"""Small TorchScript networks with the interfaces of the files that cannot be had without a network."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.metrics.features import ignore_torchscript_deprecation
from r3gan.metrics.weights import WEIGHTS

INCEPTION, VGG16 = "inception-2015-12-05.pt", "vgg16.pt"


class Layers(nn.Module):
    """Images [N, 3, 299, 299] in [-1, 1] -> features [N, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2048, 108) / 108**0.5)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(x, 6).flatten(1)
        return functional.leaky_relu(pooled @ self.weight.T, 0.1)


class Inception(nn.Module):
    """The interface of the official file: 0..255 in, resized inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()
        self.output = nn.Linear(2048, 1008)

    def forward(
        self, img: Tensor, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False
    ) -> Tensor:
        x = functional.interpolate(img.to(torch.float32), [299, 299], mode="bilinear", align_corners=False)
        features = self.layers((x - 128) / 128)
        if return_features:
            return features
        logits = features @ self.output.weight.T
        return torch.softmax(logits if no_output_bias else logits + self.output.bias, dim=1)


class VGG(nn.Module):
    """The interface of StyleGAN2-ADA's VGG16."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4096, 108) / 108**0.5)

    def forward(
        self, img: Tensor, resize_images: bool = True, return_features: bool = False, return_lpips: bool = False
    ) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(img.to(torch.float32) / 128 - 1, 6).flatten(1)
        return functional.leaky_relu(pooled @ self.weight.T, 0.1)


def write_stand_ins(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put the stand-ins where the official files belong, and expect their hashes."""
    torch.manual_seed(0)
    for name, network in ((INCEPTION, Inception()), (VGG16, VGG())):
        with ignore_torchscript_deprecation():
            torch.jit.script(network.eval()).save(str(folder / name))
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        patch.setitem(WEIGHTS, name, replace(WEIGHTS[name], checksum=f"sha256:{digest}"))  # type: ignore[arg-type]
    return folder
