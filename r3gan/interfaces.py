"""The interfaces of networks that training and evaluation rely on."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Common to generators and discriminators."""

    classes: int
    mixed_precision = False  # whether the family supports bfloat16 at some of its resolutions
    bf16_from_px: int | None = None  # lowest resolution computed in bfloat16; None: all in the parameters' precision
    # Frozen feature networks. They are no submodules: not among its parameters, in no checkpoint, not affected by
    # train() and requires_grad_(). What is random in them follows from the run's seed.
    frozen: tuple[nn.Module, ...] = ()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves or casts the frozen networks together with this one."""
        for network in self.frozen:
            network._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def dtype_at(self, resolution: int, dtype: torch.dtype) -> torch.dtype:
        """The precision of the stage at `resolution`, where parameters have `dtype`."""
        low = self.bf16_from_px is not None and resolution >= self.bf16_from_px
        return torch.bfloat16 if low else dtype


class GeneratorNetwork(Network):
    """z [N, z_dim] and labels int64 [N] (None without classes) to images [N, C, R, R], about [-1, 1]."""

    z_dim: int

    def fix_noise(self) -> None:
        """From now on an image depends on z and its label alone; only families with noise have something to do."""


class DiscriminatorNetwork(Network):
    """Images [N, C, R, R] and labels int64 [N] (None without classes) to logits [N].

    A network of several discriminators with several logits each returns all of them, [N, discriminators, positions].
    """

    mixes_samples = True  # whether a logit depends on the other images of its batch


class Affine(NamedTuple):
    """A function y -> <gradient, y> + constant for each sample: gradient shaped as y, [N, ...], constant [N]."""

    gradient: Tensor
    constant: Tensor

    def at(self, y: Tensor) -> Tensor:
        """Its values [N]."""
        return (self.gradient * y).flatten(1).sum(dim=1) + self.constant

    def before_bias(self, bias: Tensor) -> "Affine":
        """The same as a function of y - bias, one bias per channel."""
        channels = self.gradient.flatten(2).sum(dim=2) if self.gradient.ndim > 2 else self.gradient
        return Affine(self.gradient, self.constant + channels.to(self.constant.dtype) @ bias)


@runtime_checkable
class PiecewiseLinear(Protocol):
    """A discriminator with transposed layers, which the penalty without double backward needs."""

    def pullback(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Callable[[Affine], Affine]]:
        """Logits [N], and the map from affine functions of a logit to those of its image around `images`."""
        ...


class StyleBased(GeneratorNetwork):
    """A generator with intermediate latents, as the path length penalty needs.

    No protocol: from Python 3.12 on `isinstance` does not see that a module has a protocol's members as submodules.
    """

    synthesis: nn.Module  # ws [N, num_ws, w_dim] to images

    def latents(self, z: Tensor) -> Tensor:
        """Ws [N, num_ws, w_dim]."""
        raise NotImplementedError


@runtime_checkable
class Reconstructing(Protocol):
    """A discriminator that also learns to reconstruct the reals."""

    def with_reconstruction(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the reconstructions' losses [N]."""
        ...
