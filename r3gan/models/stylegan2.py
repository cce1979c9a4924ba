"""Config A: StyleGAN2 (Karras et al., arXiv 1912.04958) at the `paper256` setting, skip G and residual D."""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.interfaces import DiscriminatorNetwork, StyleBased
from r3gan.models.layers import LRELU_SLOPE, downsampling_conv2d, filter2d, normal_parameter, upsample2x

NoiseMode = Literal["random", "const", "none"]


def scaled_lrelu(x: Tensor, gain: float = math.sqrt(2.0)) -> Tensor:
    """LeakyReLU(0.2) times sqrt(2), which keeps unit variance; blocks that enter a residual sum pass a smaller gain."""
    return functional.leaky_relu(x, LRELU_SLOPE) * gain


class EqualLinear(nn.Module):
    """Linear at equalised learning rate: w ~ N(0, 1/m) is scaled by m/sqrt(fan_in) at run time, the bias by m.

    `lr_multiplier` m is 1 except in the mapping network (0.01). [N, C_in] -> [N, C_out], StyleGAN2's scaled lrelu after
    it if `activate`.
    """

    def __init__(
        self, c_in: int, c_out: int, *, lr_multiplier: float = 1.0, bias_init: float = 0.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.normal(0.0, 1.0 / lr_multiplier, size=(c_out, c_in)))
        self.bias = nn.Parameter(torch.full((c_out,), bias_init / lr_multiplier))
        self.weight_gain, self.bias_gain, self.activate = (lr_multiplier / math.sqrt(c_in), lr_multiplier, activate)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return scaled_lrelu(y) if self.activate else y


class EqualConv2d(nn.Module):
    """Convolution at equalised learning rate, optionally blurred and halved: [N, C_in, H, W] -> [N, C_out, H', W']."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, *, down: bool = False, bias: bool = True, gain: float | None = None
    ) -> None:
        super().__init__()
        self.weight = normal_parameter(c_out, c_in, kernel, kernel)
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.weight_gain = 1.0 / math.sqrt(c_in * kernel**2)
        self.down, self.padding = down, kernel // 2
        self.gain = gain  # of the activation; None: linear

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.weight_gain
        y = downsampling_conv2d(x, weight) if self.down else functional.conv2d(x, weight, padding=self.padding)
        if self.bias is not None:
            y = y + self.bias[:, None, None]
        return y if self.gain is None else scaled_lrelu(y, self.gain)


class MappingNetwork(nn.Module):
    """z [N, z_dim] -> w [N, w_dim]: z is normalised to unit second moment, then eight layers at 1/100 learning rate.

    `w_avg` is the moving average of w during training, for the truncation trick.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int, lr_multiplier: float, w_avg_beta: float = 0.995) -> None:
        super().__init__()
        sizes = [z_dim] + [w_dim] * layers
        self.layers = nn.Sequential(
            *[EqualLinear(a, b, lr_multiplier=lr_multiplier, activate=True) for a, b in itertools.pairwise(sizes)]
        )
        self.w_avg_beta = w_avg_beta
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, truncation_psi: float = 1.0, update_average: bool = False) -> Tensor:
        w: Tensor = self.layers(z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        if update_average:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        return w if truncation_psi == 1.0 else self.w_avg.lerp(w, truncation_psi)


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, up: bool = False) -> Tensor:
    """Convolve sample n of [N, C_in, H, W] with weight * style[n]; outputs have unit variance if `demodulate`.

    Modulation is applied to the input and demodulation to the output, which equals scaling the weights per sample
    (StyleGAN2, eqs. 1-3) and keeps one convolution for the whole batch.
    """
    x = x * style[:, :, None, None]
    if up:
        # Zero insertion and convolution in one (2H + 1 wide), then the blur brings it to 2H.
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = filter2d(x, gain=4.0, padding=(1, 1))
    else:
        x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    if demodulate:
        energy = functional.linear(style.square(), weight.square().sum(dim=(2, 3)))  # [N, C_out]
        x = x * (energy + 1e-8).rsqrt()[:, :, None, None]
    return x


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, scaled lrelu: [N, C_in, H, W], w [N, w_dim] -> [N, C_out, H', W']."""

    noise_const: Tensor

    def __init__(self, c_in: int, c_out: int, w_dim: int, resolution: int, *, up: bool) -> None:
        super().__init__()
        self.affine = EqualLinear(w_dim, c_in, bias_init=1.0)
        self.weight = normal_parameter(c_out, c_in, 3, 3)
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.noise_strength = nn.Parameter(torch.zeros(1))  # DeepSpeed broadcasts no 0-d tensors
        self.register_buffer("noise_const", torch.normal(0.0, 1.0, size=(resolution, resolution)))
        self.up = up

    def forward(self, x: Tensor, w: Tensor, noise: NoiseMode = "random") -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w), up=self.up)
        if noise == "random":
            x = x + torch.randn(x.shape[0], 1, *x.shape[2:], dtype=x.dtype, device=x.device) * self.noise_strength
        elif noise == "const":
            x = x + self.noise_const * self.noise_strength
        return scaled_lrelu(x + self.bias[:, None, None])


class ToImage(nn.Module):
    """Modulated 1x1 convolution without demodulation, and bias: [N, C_in, H, W], w [N, w_dim] -> [N, C, H, W]."""

    def __init__(self, c_in: int, image_channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = EqualLinear(w_dim, c_in, bias_init=1.0)
        self.weight = normal_parameter(image_channels, c_in, 1, 1)
        self.bias = nn.Parameter(torch.zeros(image_channels))
        self.weight_gain = 1.0 / math.sqrt(c_in)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.weight_gain
        return modulated_conv(x, self.weight, style, demodulate=False) + self.bias[:, None, None]


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, R, R]: a constant, two layers a resolution, outputs summed by skips."""

    def __init__(self, widths: Sequence[int], w_dim: int, image_channels: int) -> None:
        super().__init__()
        self.const = normal_parameter(widths[0], 4, 4)
        layers = [SynthesisLayer(widths[0], widths[0], w_dim, 4, up=False)]
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            resolution = 8 * 2**i
            layers += [
                SynthesisLayer(a, b, w_dim, resolution, up=True),
                SynthesisLayer(b, b, w_dim, resolution, up=False),
            ]
        self.layers = nn.ModuleList(layers)
        self.to_image = nn.ModuleList(ToImage(w, image_channels, w_dim) for w in widths)
        self.num_ws = len(layers) + 1  # each ToImage shares its w with the next resolution's first layer

    def forward(self, ws: Tensor, noise: NoiseMode = "random") -> Tensor:
        x = self.const.expand(ws.shape[0], -1, -1, -1)  # as the size, not as a number, so that it can be exported
        x = self.layers[0](x, ws[:, 0], noise)
        image = self.to_image[0](x, ws[:, 1])
        for i, head in enumerate(self.to_image[1:]):
            first = 2 * i + 1
            x = self.layers[first](x, ws[:, first], noise)
            x = self.layers[first + 1](x, ws[:, first + 1], noise)
            image = upsample2x(image) + head(x, ws[:, first + 2])
        return image


class Generator(StyleBased):
    """z [N, z_dim] -> images [N, C, R, R]; in training mode styles are mixed and the average of w is updated."""

    synthesis: Synthesis

    def __init__(
        self,
        *,
        widths: Sequence[int],
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 8,
        mapping_lr_multiplier: float = 0.01,
        style_mixing_prob: float = 0.9,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.z_dim, self.classes, self.style_mixing_prob = z_dim, 0, style_mixing_prob
        self.noise: NoiseMode = "random"
        self.mapping = MappingNetwork(z_dim, w_dim, mapping_layers, mapping_lr_multiplier)
        self.synthesis = Synthesis(widths, w_dim, image_channels)

    def latents(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        """Ws [N, num_ws, w_dim], one w per layer; in training mode, with the mixing probability, of two different z."""
        ws = self.mapping(z, truncation_psi, update_average=self.training)
        ws = ws[:, None].repeat(1, self.synthesis.num_ws, 1)
        if self.training and torch.rand(()) < self.style_mixing_prob:
            cutoff = int(torch.randint(1, self.synthesis.num_ws, ()))
            other = self.mapping(torch.randn_like(z), truncation_psi)
            ws = torch.cat([ws[:, :cutoff], other[:, None].expand_as(ws)[:, cutoff:]], dim=1)
        return ws

    def forward(
        self, z: Tensor, labels: Tensor | None = None, truncation_psi: float = 1.0, noise: NoiseMode | None = None
    ) -> Tensor:
        image: Tensor = self.synthesis(self.latents(z, truncation_psi), noise or self.noise)
        return image

    def fix_noise(self) -> None:
        self.noise = "const"


class DownBlock(nn.Module):
    """Residual block of D: two 3x3, the second halving, plus a 1x1 shortcut; both branches at gain sqrt(1/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = EqualConv2d(c_in, c_in, 3, gain=math.sqrt(2.0))
        self.conv2 = EqualConv2d(c_in, c_out, 3, down=True, gain=1.0)  # sqrt(2) of the lrelu times sqrt(1/2)
        self.shortcut = EqualConv2d(c_in, c_out, 1, down=True, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return y + self.shortcut(x) * math.sqrt(0.5)


def minibatch_stddev(x: Tensor, group_size: int) -> Tensor:
    """Append one channel to [N, C, H, W]: the mean over C, H, W of the standard deviation within groups of samples.

    Group g takes the samples whose index is g modulo N / group_size; the groups are as large as N divides, up to
    `group_size`.
    """
    n, c, h, w = x.shape
    group = max(size for size in range(1, min(group_size, n) + 1) if n % size == 0)
    y = x.reshape(group, n // group, c, h, w)
    std = ((y - y.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [n / group]
    return torch.cat([x, std.repeat(group)[:, None, None, None].expand(n, 1, h, w)], dim=1)


class Discriminator(DiscriminatorNetwork):
    """images [N, C, R, R] -> logits [N]: residual blocks, minibatch-stddev, 3x3, two linears."""

    def __init__(self, *, widths: Sequence[int], stddev_group: int = 8, image_channels: int = 3) -> None:
        super().__init__()
        self.classes, self.stddev_group = 0, stddev_group
        falling = list(reversed(widths))
        self.from_image = EqualConv2d(image_channels, falling[0], 1, gain=math.sqrt(2.0))
        self.stages = nn.Sequential(*[DownBlock(a, b) for a, b in itertools.pairwise(falling)])
        self.last_conv = EqualConv2d(widths[0] + 1, widths[0], 3, gain=math.sqrt(2.0))
        self.linear = EqualLinear(16 * widths[0], widths[0], activate=True)
        self.logit = EqualLinear(widths[0], 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        x = minibatch_stddev(self.stages(self.from_image(images)), self.stddev_group)
        logit: Tensor = self.logit(self.linear(self.last_conv(x).flatten(1)))
        return logit.squeeze(1)
