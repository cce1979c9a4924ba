"""Zero-centred gradient penalties: R1 at reals, R2 at fakes; and StyleGAN2's path length penalty.

Both penalties are ||grad_x D(x)||^2, summed over C, H, W and not averaged (arXiv 2501.05441, eqs. 3-4).
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from r3gan.augment import View
from r3gan.interfaces import DiscriminatorNetwork, PiecewiseLinear

Penalised = Callable[[DiscriminatorNetwork, Tensor, Tensor | None, View | None], tuple[Tensor, Tensor]]


def double_backward(
    discriminator: DiscriminatorNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    augmentation: View | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits [N] and squared norms [N] of their gradients with respect to `images` [N, C, H, W]: the reference.

    The gradient is itself differentiable, so a penalty's backward pass goes through the network twice. With operations
    across samples (minibatch stddev) the gradient is that of the sum of logits, as in StyleGAN2. What D sees may be
    augmented; the gradient is that of the images before.
    """
    images = images.detach().requires_grad_(True)
    logits = discriminator(augmentation.apply(images) if augmentation else images, labels)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return logits, gradient.square().sum(dim=(1, 2, 3))


def transposed(
    discriminator: DiscriminatorNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    augmentation: View | None = None,
) -> tuple[Tensor, Tensor]:
    """The same numbers and gradients for a piecewise linear discriminator, by its transposed layers.

    The gradient is then the output of an ordinary computation, and one ordinary backward trains through it.
    """
    assert isinstance(discriminator, PiecewiseLinear), f"{type(discriminator).__name__} has no pullback"
    logits, pull = discriminator.pullback(augmentation.apply(images) if augmentation else images, labels)
    gradient = pull(torch.ones_like(logits))
    gradient = augmentation.pull(gradient) if augmentation else gradient
    return logits, gradient.square().sum(dim=(1, 2, 3))


PENALISED: Mapping[str, Penalised] = {"double-backward": double_backward, "transposed": transposed}


def path_lengths(images: Tensor, ws: Tensor) -> Tensor:
    """|J_w^T y| per sample, y ~ N(0, 1/(H W)): images [N, C, H, W] of ws [N, num_ws, w_dim] -> [N].

    The norm is summed over w and averaged over the layers (StyleGAN2, section 3.2).
    """
    noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Squared deviation [N] of `lengths` [N] from their running mean, and that mean after this step (scalar)."""
    mean = mean.lerp(lengths.detach().mean(), decay)
    return (lengths - mean).square(), mean
