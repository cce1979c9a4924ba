"""How a step is computed: choices that change speed and memory but not the result (bf16: up to its rounding)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from r3gan.configs import Config
from r3gan.errors import UserError, unknown
from r3gan.models.backbones import fold_batch_norms

if TYPE_CHECKING:
    from r3gan.interfaces import Network
    from r3gan.models.families import Size

CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("nchw", "channels-last"),
    "precision": ("fp32", "bf16"),
    "compile": ("off", "on", "graphs"),
    "adam": ("foreach", "fused"),
}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One value of each of CHOICES."""

    layout: str = "nchw"
    precision: str = "fp32"
    compile: str = "off"
    adam: str = "fused"

    def prepare(self, network: Network, size: Size) -> None:
        """Set the network's precision, and bring its frozen feature networks into their fastest form."""
        for frozen in network.frozen:
            fold_batch_norms(frozen)
            frozen.to(memory_format=torch.channels_last)  # depthwise convolutions are faster so, also on a CPU
        if self.precision == "bf16":
            network.bf16_from_px = size.bf16_from_px

    def set_layout(self, network: Network) -> None:
        """Set the parameters' memory layout, after the engine is built: DeepSpeed broadcasts them as bytes."""
        if self.layout == "channels-last":
            network.to(memory_format=torch.channels_last)


def choose_execution(
    config: Config,
    network: Network,
    device: torch.device,
    wanted: Mapping[str, str | None],
    zero_stage: int | None = None,
) -> Execution:
    """The defaults of a device, overridden by `wanted`; UserError where a value does not exist or is not possible.

    Channels last, unless ZeRO keeps the parameters in one flat buffer. On a GPU also bfloat16 in the resolutions of
    the paper where the networks support it, and compilation where the penalty allows it; not on a CPU, where compiling
    takes longer than a short run and bfloat16 is emulated unless the processor has instructions for it.
    """
    can_compile = config.penalty == "transposed"
    on_gpu = device.type == "cuda"
    flat = zero_stage in (1, 2)
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
    if chosen["precision"] == "bf16" and not network.mixed_precision:
        raise UserError(f"--precision bf16: {config.title} is defined in fp32; mixed precision is for D and E")
    if chosen["compile"] == "graphs" and not on_gpu:
        raise UserError("--compile graphs: CUDA graphs need a GPU; use on or off")
    if chosen["compile"] != "off" and not can_compile:
        raise UserError(
            f"--compile {chosen['compile']}: {config.title} needs double backward, which cannot be compiled"
        )
    if chosen["layout"] == "channels-last" and flat:
        raise UserError(f"--layout channels-last: not possible with ZeRO {zero_stage}; use nchw, or --zero 0")
    return Execution(**chosen)
