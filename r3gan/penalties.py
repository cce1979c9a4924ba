"""Zero-centred gradient penalties: R1 at reals, R2 at fakes; and StyleGAN2's path length penalty.

Both penalties are ||grad_x D(x)||^2, summed over C, H, W and not averaged (arXiv 2501.05441, eqs. 3-4).
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from r3gan.augment import View
from r3gan.interfaces import Affine, DiscriminatorNetwork, PiecewiseLinear

Penalised = Callable[[DiscriminatorNetwork, Tensor, Tensor | None, View | None], tuple[Tensor, Tensor]]


def double_backward(
    discriminator: DiscriminatorNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    augmentation: View | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits [N] and squared norms [N] of their gradients with respect to `images` [N, C, H, W]: the reference.

    The gradient is itself differentiable, so a penalty's backward pass goes through the network twice. With operations
    across samples (minibatch stddev) the gradient is that of the sum of logits, as in StyleGAN2. D's images may be
    augmented; the gradient is with respect to the images before.
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
    """The same values and gradients for a piecewise linear discriminator, by its transposed layers.

    Around x, D is an affine function of its input, D(x) = <v, x> + c, where v = grad_x D(x) and c collects the biases.
    Pulling the logit back through the transposed layers computes v and c, and everything the loss needs is a function
    of them: the penalty of v, the objective of <v, x> + c. So the forward pass only has to find the slopes, nothing is
    differentiated through it, and each layer's weight has one gradient for both. A step takes four passes an image
    (forward, transposed, and the two of an ordinary backward), where double backward takes six.
    """
    assert isinstance(discriminator, PiecewiseLinear), f"{type(discriminator).__name__} has no pullback"
    seen = augmentation.apply(images) if augmentation else images
    with torch.no_grad():
        logits, pull = discriminator.pullback(seen, labels)
    affine = pull(Affine(torch.ones_like(logits), torch.zeros_like(logits)))
    gradient = augmentation.pull(affine.gradient) if augmentation else affine.gradient
    retraced = affine.at(seen)  # the logits again, up to rounding: for their gradients, not their values
    return logits + (retraced - retraced.detach()), gradient.square().sum(dim=(1, 2, 3))


PENALISED: Mapping[str, Penalised] = {"double-backward": double_backward, "transposed": transposed}


def path_lengths(images: Tensor, ws: Tensor) -> Tensor:
    """|J_w^T y| per sample, y ~ N(0, 1/(H W)): images [N, C, H, W] of ws [N, num_ws, w_dim] -> [N].

    The norm is summed over w and averaged over the layers (StyleGAN2, section 3.2).
    """
    # Not randn_like, whose numbers would depend on the images' memory layout.
    y = torch.randn(*images.shape, dtype=images.dtype, device=images.device) / math.sqrt(images[0, 0].numel())
    (gradient,) = torch.autograd.grad((images * y).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Squared deviation [N] of `lengths` [N] from their running mean, and that mean after this step (scalar).

    The batch's own share of the mean keeps its gradient, as in StyleGAN2's code; only the mean that is stored has none.
    """
    mean = mean.lerp(lengths.mean(), decay)
    return (lengths - mean).square(), mean.detach()
