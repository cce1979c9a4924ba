"""What can stand between two convolutions of R3GAN's blocks: its LeakyReLU, or what the paper found no better.

With GELU, Swish or group normalisation D is not piecewise linear, so these layers have no pullback, and R1 and R2 need
double backward. Not published, chosen here: every activation has the gain that keeps the variance of normal inputs, as
LeakyReLU has; a group is as wide as one of the 3x3 convolution, and the scale after normalisation starts at the gain
that the convolution before it would have had without.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.models.layers import LRELU_GAIN, LRELU_SLOPE, ActivatedConv2d, Conv2d, Layer


class Activation(NamedTuple):
    """A function, and 1 / sqrt(E[f(x)^2]) for x ~ N(0, 1)."""

    function: Callable[[Tensor], Tensor]
    gain: float


ACTIVATIONS: Mapping[str, Activation] = {
    "lrelu": Activation(lambda x: functional.leaky_relu(x, LRELU_SLOPE), LRELU_GAIN),
    "gelu": Activation(functional.gelu, 1.5335304),
    "swish": Activation(functional.silu, 1.6765325),
}


class Nonlinearity(NamedTuple):
    """The activation of a network, and the channels of a group where there is group normalisation."""

    activation: str = "lrelu"
    norm_group: int | None = None

    def conv2d(self, c_in: int, c_out: int, kernel: int = 1, *, groups: int = 1, scale: float = 1.0) -> Layer:
        """A convolution and what follows it; its gain is that of the activation times `scale`."""
        function, gain = ACTIVATIONS[self.activation]
        if self == LEAKY_RELU:
            return ActivatedConv2d(c_in, c_out, kernel, groups=groups, gain=gain * scale)
        conv = Conv2d(c_in, c_out, kernel, groups=groups, gain=gain * scale)
        return NonlinearConv2d(conv, function, c_out // self.norm_group if self.norm_group else 0, gain * scale)


LEAKY_RELU = Nonlinearity()


class NonlinearConv2d(Layer):
    """f(conv(x) + b), or f(norm(conv(x)) * scale + b) with a norm of so many groups."""

    def __init__(self, conv: Conv2d, function: Callable[[Tensor], Tensor], norm_groups: int, scale: float) -> None:
        super().__init__()
        self.conv, self.function, self.norm_groups = conv, function, norm_groups
        channels = len(conv.weight)
        self.bias = nn.Parameter(torch.zeros(channels))
        if norm_groups:
            self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        y, bias = self.conv(x), self.bias.to(x.dtype)
        if self.norm_groups:
            y = functional.group_norm(y, self.norm_groups, self.scale.to(x.dtype), bias)
        else:
            y = y + bias[:, None, None]
        return self.function(y)
