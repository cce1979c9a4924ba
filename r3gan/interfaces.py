"""What training and evaluation may expect of any family's networks."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


class GeneratorNetwork(nn.Module):
    """z [N, z_dim] and labels int64 [N] (None without classes) to images [N, C, R, R], about [-1, 1]."""

    z_dim: int
    classes: int


class DiscriminatorNetwork(nn.Module):
    """Images [N, C, R, R] and labels int64 [N] (None without classes) to logits [N]."""

    classes: int


@runtime_checkable
class PiecewiseLinear(Protocol):
    """A discriminator that knows its own transpose, as the penalty without double backward needs."""

    def pullback(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Callable[[Tensor], Tensor]]: ...


@runtime_checkable
class StyleBased(Protocol):
    """A generator with intermediate latents, as the path length penalty needs."""

    def latents(self, z: Tensor) -> Tensor: ...

    def synthesis(self, ws: Tensor) -> Tensor: ...
