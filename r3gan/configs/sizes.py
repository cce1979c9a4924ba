"""SIZES: how large every configuration's networks are at a data set, one entry per data set."""

from __future__ import annotations

from collections.abc import Mapping

from r3gan.models.families import Size

_W512 = (512,) * 4
# Unconditional sets at 256 px: all networks are as large as on FFHQ.
AT_256 = ("ffhq-256", "lsun-church-256", "lsun-bedroom-256", "clevr-256", "cityscapes-256", "pokemon-256")
SIZES: Mapping[str, Size] = {
    **dict.fromkeys(AT_256, Size(base_widths=(*_W512, 256, 128, 64), bf16_from_px=32)),
    "stackedmnist": Size(base_widths=_W512),
    "cifar10": Size(base_widths=_W512, classes=10),
    "cifar10-unlabelled": Size(base_widths=_W512, published=False),
    "ffhq-64": Size(base_widths=(*_W512, 256)),
    "imagenet-32": Size(base_widths=(1024,) * 4, group_size=32, classes=1000),
    "imagenet-64": Size(base_widths=(1024,) * 5, group_size=32, classes=1000),
    "stackedmnist5k-16": Size(base_widths=(32, 32, 16), group_size=8, narrowing=8, feature_px=64, published=False),
}
