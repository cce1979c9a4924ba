"""Inception features by clean-fid's networks, in its three modes, from uint8 batches in memory.

The networks and their input ranges are clean-fid's. It resizes one channel of one image at a time with PIL; here a
whole batch is resized at once, on any device, to the same values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from r3gan.metrics.features import ignore_torchscript_deprecation, parts_of
from r3gan.metrics.weights import find_weights
from r3gan.models.backbones import INCEPTION_PX

TORCHSCRIPT, PYTORCH = "inception-2015-12-05.pt", "pt_inception-2015-12-05-6726825d.pth"
FILES = {"legacy_tensorflow": TORCHSCRIPT, "clean": TORCHSCRIPT, "legacy_pytorch": PYTORCH}


@functools.lru_cache(maxsize=8)
def pil_bicubic(source_px: int, target_px: int) -> Tensor:
    """PIL's bicubic filter as a matrix [target_px, source_px], from PIL's own result for each unit vector."""
    units = Image.fromarray(np.eye(source_px, dtype=np.float32), mode="F")
    resized = units.resize((target_px, source_px), resample=Image.Resampling.BICUBIC)  # rows only
    return torch.from_numpy(np.asarray(resized).T.copy())


def resized_clean(images: Tensor) -> Tensor:
    """Images [N, 3, H, W] in 0..255 to 299 px as clean-fid does: PIL's bicubic filter in float, clipped."""
    rows, columns = (pil_bicubic(px, INCEPTION_PX).to(images) for px in images.shape[2:])
    return (rows @ (images @ columns.T)).clamp(0, 255)


def resized_bilinear(images: Tensor) -> Tensor:
    """Images [N, 3, H, W] in 0..255 to 299 px as pytorch-fid does, clipped."""
    return interpolate(images, size=(INCEPTION_PX,) * 2, mode="bilinear", align_corners=False).clamp(0, 255)


def load_torchscript(path: Path, *, resize_inside: bool) -> nn.Module:
    """clean-fid's wrapper of the TorchScript network."""
    from cleanfid.inception_torchscript import InceptionV3W

    with ignore_torchscript_deprecation():
        return InceptionV3W(str(path.parent), download=False, resize_inside=resize_inside)


def load_pytorch(path: Path) -> nn.Module:
    """pytorch-fid's network as clean-fid has it, filled from the verified file; [N, 3, H, W] in [-1, 1] to [N, 2048].

    clean-fid's own constructor would download the weights.
    """
    from cleanfid import inception_pytorch as blocks
    from torchvision.models import inception_v3

    network = inception_v3(num_classes=1008, aux_logits=False, init_weights=False)
    network.Mixed_5b = blocks.FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = blocks.FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = blocks.FIDInceptionA(288, pool_features=64)
    network.Mixed_6b = blocks.FIDInceptionC(768, channels_7x7=128)
    network.Mixed_6c = blocks.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6d = blocks.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6e = blocks.FIDInceptionC(768, channels_7x7=192)
    network.Mixed_7b = blocks.FIDInceptionE_1(1280)
    network.Mixed_7c = blocks.FIDInceptionE_2(2048)
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    network.fc = nn.Identity()
    return network.requires_grad_(False)


class InceptionFeatures:
    """`features` [N, 2048] in one of clean-fid's modes, and `probabilities` [N, 1008] of the TorchScript network."""

    def __init__(self, mode: str, weights: Path, device: torch.device) -> None:
        path, found = find_weights(FILES[mode], weights)
        self.device = device
        self.record: dict[str, Any] = {"sha256": found, "mode": mode}
        if mode == "legacy_pytorch":
            network = load_pytorch(path)
            self.features: Callable[[Tensor], Tensor] = lambda x: network(2 * (resized_bilinear(x) / 255) - 1)
        else:
            network = load_torchscript(path, resize_inside=mode == "legacy_tensorflow")
            resize = resized_clean if mode == "clean" else lambda x: x
            self.features = lambda x: network(resize(x))
        # Channels last: the same numbers to rounding, and several times as fast on a CPU.
        self.network = network.to(device).eval().to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, images: Tensor, outputs: Collection[str]) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {output: [] for output in outputs}
        for x in parts_of(images, self.device):
            if "features" in outputs:
                found["features"].append(self.features(x.to(torch.float32)).cpu())
            if "probabilities" in outputs:
                found["probabilities"].append(self.network.base(x, no_output_bias=True).cpu())  # type: ignore[operator]
        return {output: torch.cat(parts) for output, parts in found.items()}
