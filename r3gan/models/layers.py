"""Blocks shared by the network families: resampling, convolutions and linears without equalised learning rate."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.interfaces import Affine

LRELU_SLOPE = 0.2
# E[lrelu(x)^2] = (1 + slope^2)/2 for x ~ N(0, 1): this gain keeps the variance through a layer.
LRELU_GAIN = math.sqrt(2.0 / (1.0 + LRELU_SLOPE**2))
RESAMPLING_TAPS = (1.0, 3.0, 3.0, 1.0)
# g * (1 or slope) by the sign of the second argument: autograd's own kernel, one pass over memory.
lrelu_backward = torch.ops.aten.leaky_relu_backward


def fir_matrix(size: int, before: int, after: int, stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`build_fir_matrix` with a cache, which is not used while compiling: the matrix is then part of the graph."""
    build = build_fir_matrix if torch.compiler.is_compiling() else cached_fir_matrix
    return build(size, before, after, stride, dtype, device)


def build_fir_matrix(
    size: int, before: int, after: int, stride: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """[out, size] matrix of y[i] = sum_k taps[k] x[i * stride + k - before] / 8, zero outside the `size` samples.

    `before` and `after` count the zeros padded at either end; out = (size + before + after - 4) / stride + 1.
    """
    out = (size + before + after - len(RESAMPLING_TAPS)) // stride + 1
    tap_at = torch.arange(size, device=device) + before - stride * torch.arange(out, device=device)[:, None]
    matrix = torch.zeros(out, size, dtype=dtype, device=device)
    for k, tap in enumerate(RESAMPLING_TAPS):
        matrix = torch.where(tap_at == k, tap / sum(RESAMPLING_TAPS), matrix)
    return matrix


cached_fir_matrix = functools.lru_cache(maxsize=256)(build_fir_matrix)


def apply_both_axes(rows: Tensor, columns: Tensor, x: Tensor) -> Tensor:
    """Rows x columns^T for each channel of [N, C, H, W].

    Two small dense products beat a one-channel convolution over N C maps on a CPU: at 64 samples of 24 channels of
    16 px, one thread, 1.75 ms against 0.84 ms forward and 26 ms against 0.93 ms backward. On the meta device, where
    work is counted, only the shape is made: which products resampling takes is a matter of speed.
    """
    if x.is_meta:
        return functional.interpolate(x, size=(len(rows), len(columns)))
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return rows @ x @ columns.T
    # Channels last: an image is a matrix [H, W C], a row of it a matrix [W, C]. Both products keep the layout.
    n, c, h, w = x.shape
    x = rows @ x.permute(0, 2, 3, 1).reshape(n, h, w * c)
    return (columns @ x.reshape(-1, w, c)).reshape(n, len(rows), len(columns), c).permute(0, 3, 1, 2)


def filter2d(x: Tensor, gain: float = 1.0, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Blur each channel of [N, C, H, W] with [1, 3, 3, 1] x `gain`; `padding` zeros go before and after both axes."""
    h, w = (fir_matrix(size, *padding, 1, x.dtype, x.device) for size in x.shape[2:])
    return apply_both_axes(h * gain, w, x)


def downsample2x(x: Tensor) -> Tensor:
    """Halve the resolution of [N, C, H, W]; per axis y[i] = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8."""
    h, w = (fir_matrix(size, 1, 1, 2, x.dtype, x.device) for size in x.shape[2:])
    return apply_both_axes(h, w, x)


def downsample2x_transpose(g: Tensor) -> Tensor:
    """The transpose of `downsample2x`: [N, C, H/2, W/2] -> [N, C, H, W]."""
    h, w = (fir_matrix(2 * size, 1, 1, 2, g.dtype, g.device).T for size in g.shape[2:])
    return apply_both_axes(h, w, g)


def upsample2x(x: Tensor) -> Tensor:
    """Double the resolution of [N, C, H, W]; per axis y[2i] = (x[i-1] + 3 x[i]) / 4, y[2i+1] = (3 x[i] + x[i+1]) / 4.

    Zero padding, so the borders differ from bilinear interpolation. It is 4 times the transpose of `downsample2x`.
    """
    return 4.0 * downsample2x_transpose(x)


def downsampling_conv2d(x: Tensor, weight: Tensor) -> Tensor:
    """Blur with [1, 3, 3, 1], then convolve at stride 2: [N, C_in, H, W] -> [N, C_out, H/2, W/2] (StyleGAN2's D)."""
    if weight.shape[-1] == 1:
        return functional.conv2d(downsample2x(x), weight)
    padding = weight.shape[-1] // 2 + 1  # the convolution's and the blur's together, before the blur
    return functional.conv2d(filter2d(x, padding=(padding, padding)), weight, stride=2)


def downsampling_conv2d_transpose(g: Tensor, weight: Tensor) -> Tensor:
    """The transpose of `downsampling_conv2d`: [N, C_out, H/2, W/2] -> [N, C_in, H, W]."""
    if weight.shape[-1] == 1:
        return downsample2x_transpose(functional.conv_transpose2d(g, weight))
    padding = weight.shape[-1] // 2 + 1
    g = functional.conv_transpose2d(g, weight, stride=2)
    # The blur took H to H + 2 * padding - 3; its transpose goes back.
    h, w = (fir_matrix(n + 3 - 2 * padding, padding, padding, 1, g.dtype, g.device).T for n in g.shape[2:])
    return apply_both_axes(h, w, g)


class GroupedConvTranspose2d(torch.autograd.Function):
    """conv_transpose2d at stride 1 as a convolution's gradient: in oneDNN, 1.1 to 2.6 times as fast with groups."""

    @staticmethod
    def forward(g: Tensor, weight: Tensor, padding: int, groups: int) -> Tensor:
        (n, _, h, w), c_in = g.shape, weight.shape[1] * groups
        # Of the convolution's input only the shape matters, and at stride 1 and odd kernels it is the output's.
        shape = g.new_empty(()).expand(n, c_in, h, w)
        return conv_gradients(g, shape, weight, padding, groups, (True, False))[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.padding, ctx.groups = inputs[2:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        g, weight = ctx.saved_tensors
        before = functional.conv2d(gradient, weight, padding=ctx.padding, groups=ctx.groups)
        wanted = ctx.needs_input_grad[1]
        of_weight = conv_gradients(g, gradient, weight, ctx.padding, ctx.groups, (False, True))[1] if wanted else None
        return before, of_weight, None, None


def conv_gradients(
    g: Tensor, x: Tensor, weight: Tensor, padding: int, groups: int, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """The `wanted` gradients of conv2d(x, weight) at stride 1 with respect to x and weight, from its output's."""
    one, pad = (1, 1), (padding, padding)
    backward = torch.ops.aten.convolution_backward
    return backward(g, x, weight, None, one, pad, one, False, (0, 0), groups, (*wanted, False))[:2]


grouped_conv_transpose2d = GroupedConvTranspose2d.apply


def normal_parameter(*shape: int, gain: float | None = None) -> nn.Parameter:
    """A parameter drawn from N(0, 1), or with a gain from N(0, (gain / sqrt(fan_in))^2), fan_in counted per group."""
    std = 1.0 if gain is None else gain / math.sqrt(math.prod(shape[1:]))
    # Drawn at creation: the first in-place fill on the meta device, where networks are counted, takes seconds.
    return nn.Parameter(torch.normal(0.0, std, size=shape))


# The piecewise linear networks have transposed layers. Around any input each layer is an affine map, so an affine
# function of its output is one of its input: `pullback(x)` returns the layer's output at x and the map from the former
# function to the latter, an ordinary computation with the forward pass's LeakyReLU slopes as constants. Pulled back
# through all of D, the logit's gradient is grad_x D(x), without second-order differentiation.
Pullback = Callable[[Affine], Affine]


def linear_pullback(transpose: Callable[[Tensor], Tensor]) -> Pullback:
    """The pullback of a linear map, from its transpose."""
    return lambda after: Affine(transpose(after.gradient), after.constant)


class Layer(nn.Module):
    """A layer that is piecewise linear in its input."""

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """The output at `x`, and the map from affine functions of outputs to those of inputs around `x`."""
        raise TypeError(f"{type(self).__name__} has no transpose")


class Chain(nn.Sequential):
    """Layers one after the other."""

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        return chain_pullback(cast(Iterable[Layer], self), x)


def chain_pullback(layers: Iterable["Layer | Chain | Cast"], x: Tensor) -> tuple[Tensor, Pullback]:
    """Output of consecutive `layers` at `x`, and the composition of their pullbacks."""
    pullbacks = []
    for layer in layers:
        x, back = layer.pullback(x)
        pullbacks.append(back)

    def pull(after: Affine) -> Affine:
        for back in reversed(pullbacks):
            after = back(after)
        return after

    return x, pull


class Cast:
    """Change of precision between stages; not a module, since it is created for every pass."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        dtype = x.dtype
        return x.to(self.dtype), linear_pullback(lambda g: g.to(dtype))


class Conv2d(Layer):
    """Convolution without bias, size-preserving: [N, C_in, H, W] -> [N, C_out, H, W]."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, *, groups: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.groups, self.padding = groups, kernel // 2
        self.weight = normal_parameter(c_out, c_in // groups, kernel, kernel, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight.to(x.dtype), padding=self.padding, groups=self.groups)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        return self(x), linear_pullback(self.transpose)

    def transpose(self, g: Tensor) -> Tensor:
        """[N, C_out, H, W] -> [N, C_in, H, W]."""
        weight = self.weight.to(g.dtype)
        if self.groups > 1:
            return grouped_conv_transpose2d(g, weight, self.padding, self.groups)
        return functional.conv_transpose2d(g, weight, padding=self.padding)


class Linear(Layer):
    """Matrix product without bias: [N, C_in] -> [N, C_out]."""

    def __init__(self, c_in: int, c_out: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = normal_parameter(c_out, c_in, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        return self(x), linear_pullback(self.transpose)

    def transpose(self, g: Tensor) -> Tensor:
        """[N, C_out] -> [N, C_in]."""
        return functional.linear(g, self.weight.T)


class ClassEmbedding(Linear):
    """One row of a learned table per class, as Linear(one-hot) without bias: [N] integers -> [N, C_out]."""

    def forward(self, labels: Tensor) -> Tensor:
        return functional.embedding(labels, self.weight.T)


class BiasedLeakyReLU(Layer):
    """lrelu(x + b, 0.2) with one bias per channel, initialised to 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        biased = x + self.bias.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))
        return functional.leaky_relu(biased, LRELU_SLOPE, inplace=True)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        y = self(x)
        return y, activation_pullback(y, self.bias)


class ActivatedConv2d(Conv2d):
    """lrelu(conv(x) + b, 0.2): Conv2d followed by BiasedLeakyReLU, with one pass over memory less."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, *, groups: int = 1, gain: float = LRELU_GAIN) -> None:
        super().__init__(c_in, c_out, kernel, groups=groups, gain=gain)
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        y = functional.conv2d(x, weight, bias, padding=self.padding, groups=self.groups)
        return functional.leaky_relu(y, LRELU_SLOPE, inplace=True)

    def pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        y = self(x)
        before_activation, before_conv = activation_pullback(y, self.bias), linear_pullback(self.transpose)
        return y, lambda after: before_conv(before_activation(after))


def activation_pullback(y: Tensor, bias: Tensor) -> Pullback:
    """The pullback of y = lrelu(x + bias), from y alone, which has the signs of x + bias.

    The slopes are constants: their derivative is zero almost everywhere.
    """
    signs = y.detach()

    def pull(after: Affine) -> Affine:
        return Affine(lrelu_backward(after.gradient, signs, LRELU_SLOPE, False), after.constant).before_bias(bias)

    return pull


class Basis(nn.Module):
    """Learned 4x4 input of a generator: Basis[C, 4, 4] times Linear(z) channel-wise, [N, C_in] -> [N, C, 4, 4]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.basis = normal_parameter(c_out, 4, 4)
        self.linear = Linear(c_in, c_out)

    def forward(self, z: Tensor) -> Tensor:
        return self.basis * self.linear(z)[:, :, None, None]
