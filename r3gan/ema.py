"""Exponential moving average of the generator."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, beta: float) -> None:
    """Ema <- beta * ema + (1 - beta) * model for parameters; buffers (running averages, fixed noise) are copied."""
    averaged: list[Tensor] = list(ema.parameters())
    current: list[Tensor] = list(model.parameters())
    torch._foreach_lerp_(averaged, current, 1.0 - beta)
    for target, source in zip(ema.buffers(), model.buffers(), strict=True):
        target.copy_(source)
