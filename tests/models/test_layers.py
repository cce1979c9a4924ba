"""Resampling against its formula, initialisation against its statistics, transposes against autograd."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.interfaces import Affine
from r3gan.models import layers
from r3gan.models.layers import LRELU_GAIN, ActivatedConv2d, Basis, BiasedLeakyReLU, ClassEmbedding, Conv2d, Linear

F64 = torch.float64


def textbook_down(x: Tensor) -> Tensor:
    """y[i] = (x[2i-1] + 3 x[2i] + 3 x[2i+1] + x[2i+2]) / 8 along the last axis, zeros outside."""
    at = functional.pad(x, (1, 1))
    return torch.stack(
        [
            (at[..., 2 * i] + 3 * at[..., 2 * i + 1] + 3 * at[..., 2 * i + 2] + at[..., 2 * i + 3]) / 8
            for i in range(x.shape[-1] // 2)
        ],
        dim=-1,
    )


def textbook_up(x: Tensor) -> Tensor:
    """y[2i] = (x[i-1] + 3 x[i]) / 4, y[2i+1] = (3 x[i] + x[i+1]) / 4 along the last axis, zeros outside."""
    at = functional.pad(x, (1, 1))
    even = (at[..., :-2] + 3 * at[..., 1:-1]) / 4
    odd = (3 * at[..., 1:-1] + at[..., 2:]) / 4
    return torch.stack([even, odd], dim=-1).flatten(-2)


@pytest.mark.parametrize(("ours", "textbook"), [(layers.downsample2x, textbook_down), (layers.upsample2x, textbook_up)])
def test_resampling_matches_its_formula_on_both_axes(ours, textbook) -> None:  # type: ignore[no-untyped-def]
    x = torch.randn(2, 3, 8, 12, dtype=F64)
    assert torch.allclose(ours(x), textbook(textbook(x).mT).mT, atol=1e-14)


def test_upsampling_equals_bilinear_in_the_interior_only() -> None:
    x = torch.randn(1, 2, 8, 8, dtype=F64)
    ours = layers.upsample2x(x)
    bilinear = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(ours[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1], atol=1e-14)
    assert (ours[..., 0, :] - bilinear[..., 0, :]).abs().max() > 0.01


def test_blur_matches_a_depthwise_convolution() -> None:
    x = torch.randn(2, 3, 7, 9, dtype=F64)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=F64) / 8
    kernel = (4 * torch.outer(taps, taps)).expand(3, 1, 4, 4)
    expected = functional.conv2d(functional.pad(x, (2, 1, 2, 1)), kernel, groups=3)
    assert torch.allclose(layers.filter2d(x, gain=4.0, padding=(2, 1)), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("layer", "gain", "fan_in"),
    [
        (Conv2d(64, 128, 1), 1.0, 64),
        (Conv2d(64, 128, 3, gain=LRELU_GAIN), LRELU_GAIN, 64 * 9),
        (Conv2d(128, 128, 3, groups=8, gain=0.5), 0.5, 16 * 9),
        (Linear(64, 512), 1.0, 64),
        (ClassEmbedding(10, 4096, gain=0.25), 0.25, 10),
    ],
)
def test_weights_start_at_gain_over_root_fan_in(layer: nn.Module, gain: float, fan_in: int) -> None:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    expected, n = gain / math.sqrt(fan_in), weight.numel()
    assert float(weight.detach().std()) == pytest.approx(expected, rel=4 / math.sqrt(2 * n))
    assert abs(float(weight.detach().mean())) < 4 * expected / math.sqrt(n)


def test_lrelu_gain_is_the_papers_and_keeps_variance() -> None:
    assert pytest.approx(1.38675, abs=1e-5) == LRELU_GAIN
    x = functional.leaky_relu(torch.randn(200_000) * LRELU_GAIN, 0.2)
    assert float(x.square().mean()) == pytest.approx(1.0, rel=0.02)


def test_basis_is_standard_normal_times_a_linear_of_z() -> None:
    basis = Basis(8, 4096)
    assert float(basis.basis.detach().std()) == pytest.approx(1.0, rel=0.01)
    z = torch.randn(3, 8)
    assert torch.allclose(basis(z)[1, 5], basis.basis[5] * (basis.linear.weight[5] @ z[1]), atol=1e-6)


def test_class_embedding_is_a_linear_of_the_one_hot_label() -> None:
    embed = ClassEmbedding(10, 7)
    labels = torch.tensor([3, 0, 9])
    assert torch.equal(embed(labels), functional.one_hot(labels, 10).float() @ embed.weight.T)


@pytest.mark.parametrize(
    ("forward", "transpose"),
    [
        (layers.downsample2x, layers.downsample2x_transpose),
        *[
            (lambda x, w=w: layers.downsampling_conv2d(x, w), lambda g, w=w: layers.downsampling_conv2d_transpose(g, w))
            for w in (torch.randn(3, 3, 1, 1, dtype=F64), torch.randn(3, 3, 3, 3, dtype=F64))
        ],
    ],
)
def test_transposes_satisfy_their_definition(forward, transpose) -> None:  # type: ignore[no-untyped-def]
    x, g = torch.randn(2, 3, 8, 8, dtype=F64), torch.randn(2, 3, 4, 4, dtype=F64)
    assert float((forward(x) * g).sum()) == pytest.approx(float((x * transpose(g)).sum()), rel=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_grouped_transposed_convolution_and_its_gradients_equal_torch_s(layout: torch.memory_format) -> None:
    g, upstream = torch.randn(2, 3, 24, 7, 5, dtype=F64)
    weight = torch.randn(24, 8, 3, 3, dtype=F64)
    found = []
    for transpose in (
        lambda g, w: functional.conv_transpose2d(g, w, padding=1, groups=3),
        lambda g, w: layers.grouped_conv_transpose2d(g, w, 1, 3),
    ):
        inputs = [value.clone(memory_format=layout).requires_grad_() for value in (g, weight)]
        y = transpose(*inputs)
        found.append([y, *torch.autograd.grad(y, inputs, upstream)])
    for plain, fast in zip(*found, strict=True):
        assert float((fast - plain).detach().abs().max()) < 1e-9 * float(plain.detach().abs().max())


@pytest.mark.parametrize(
    "layer",
    [Conv2d(6, 4), Conv2d(6, 6, 3, groups=3), BiasedLeakyReLU(6), ActivatedConv2d(6, 6, 3, groups=2)],
    ids=["1x1", "grouped", "activation", "activated"],
)
def test_pullback_gives_the_vector_jacobian_product_and_what_biases_add(layer: layers.Layer) -> None:
    layer = layer.to(F64)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 6, 5, 5, dtype=F64, requires_grad=True)
    y, back = layer.pullback(x)
    g = torch.randn_like(y)
    (expected,) = torch.autograd.grad(layer(x), x, g)
    before = back(Affine(g, torch.ones(2, dtype=F64)))
    assert torch.allclose(y, layer(x)) and torch.allclose(before.gradient, expected, atol=1e-13)
    assert torch.allclose(before.at(x), (g * y).sum(dim=(1, 2, 3)) + 1, atol=1e-12)
