"""How a step is computed: choices that change speed and memory but not what is trained (bf16: to its rounding)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from r3gan.configs import SIZES, Config
from r3gan.errors import UserError, unknown
from r3gan.models.backbones import fold_batch_norms

if TYPE_CHECKING:
    from r3gan.interfaces import Network

CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("nchw", "channels-last"),
    "precision": ("fp32", "bf16"),
    "compile": ("off", "on"),
    "adam": ("foreach", "fused"),
}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One value of each of CHOICES."""

    layout: str = "nchw"
    precision: str = "fp32"
    compile: str = "off"
    adam: str = "fused"

    def arrange(self, network: Network, dataset: str) -> None:
        """Give the network this layout and precision, and what it looks through the fastest form there is."""
        for frozen in network.frozen:
            fold_batch_norms(frozen)
            frozen.to(memory_format=torch.channels_last)  # its depthwise convolutions are faster so, also on a CPU
        if self.layout == "channels-last":
            network.to(memory_format=torch.channels_last)
        if self.precision == "bf16":
            network.bf16_from_px = SIZES[dataset].bf16_from_px


def choose_execution(
    config: Config, network: Network, device: torch.device, wanted: Mapping[str, str | None], *, flat: bool = False
) -> Execution:
    """The defaults of a device, overridden by what is `wanted`; UserError where a choice does not exist or fit.

    Channels last, but where parameters are kept in one `flat` piece (ZeRO 1 and 2). On a GPU also bfloat16 in the
    resolutions of the paper where the networks know it, compiled where the penalty can be; not on a CPU, where
    compiling takes longer than a short run and many emulate bfloat16.
    """
    can_compile = config.penalty == "transposed"
    on_gpu = device.type == "cuda"
    chosen = {
        "layout": "nchw" if flat else "channels-last",
        "precision": "bf16" if on_gpu and network.mixed_precision else "fp32",
        "compile": "on" if on_gpu and can_compile else "off",
        "adam": "fused",
    }
    for name, value in wanted.items():
        if value is None:
            continue
        if value not in CHOICES[name]:
            raise unknown(f"--{name}", value, CHOICES[name])
        chosen[name] = value
    if chosen["layout"] == "channels-last" and flat:
        raise UserError("--layout channels-last: ZeRO 1 and 2 keep parameters in one flat piece; it goes with --zero 0")
    if chosen["precision"] == "bf16" and not network.mixed_precision:
        raise UserError(f"--precision bf16: {config.title} is defined in fp32; mixed precision is for D and E")
    if chosen["compile"] == "on" and not can_compile:
        raise UserError(f"--compile on: {config.title} needs double backward, which cannot be compiled")
    return Execution(**chosen)
