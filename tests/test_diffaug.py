"""Differentiable augmentation: the identity where nothing is asked, the published strengths, its transpose."""

import pytest
import torch

from r3gan.diffaug import COLUMNS, augmentation, draw, shift_matrix

F64 = torch.float64


def table(**columns: float) -> torch.Tensor:
    """One sample's random numbers, all 1 (no transformation chosen at any p) but for these."""
    numbers = torch.ones(1, len(COLUMNS), dtype=F64)
    for name, value in columns.items():
        numbers[0, COLUMNS[name.replace("_if", "?")]] = value
    return numbers


def images(n: int = 1, channels: int = 3, size: int = 16) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(n, channels, size, size, dtype=F64)


def test_neutral_parameters_and_probability_zero_change_nothing() -> None:
    x = images()
    neutral = {"brightness": 0.5, "saturation": 0.5, "contrast": 0.5, "shift_x": 0.5, "shift_y": 0.5, "cutout_if": 1.0}
    view = augmentation(table(color_if=0.0, translation_if=0.0, **neutral), 1.0, 3, 16)
    assert torch.allclose(view.apply(x), x, atol=1e-14)
    off = augmentation(draw(1, torch.Generator().manual_seed(0)), 0.0, 3, 16)
    assert torch.allclose(off.apply(x), x, atol=1e-14)


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    x = images()
    view = augmentation(table(color_if=0.0, brightness=0.9, saturation=0.1, contrast=0.2), 1.0, 3, 16)
    y = x + 0.4
    y = (y - y.mean(dim=1, keepdim=True)) * 0.2 + y.mean(dim=1, keepdim=True)
    y = (y - y.mean()) * 0.7 + y.mean()
    assert torch.allclose(view.apply(x), y, atol=1e-12)


def test_translation_moves_by_whole_pixels_up_to_an_eighth_and_fills_with_zeros() -> None:
    x = images()
    y = augmentation(table(translation_if=0.0, shift_x=0.999, shift_y=0.0), 1.0, 3, 16).apply(x)
    assert torch.allclose(y[:, :, :-2, 2:], x[:, :, 2:, :-2], atol=1e-14)  # two pixels to the right, two up
    assert y[:, :, -2:].abs().max() == 0
    assert y[..., :2].abs().max() == 0
    shifts = torch.arange(-2.0, 3.0)
    assert shift_matrix(shifts, 16).sum(dim=(1, 2, 3)).tolist() == [14, 15, 16, 15, 14]


def test_cutout_removes_a_square_of_half_the_side() -> None:
    y = augmentation(table(cutout_if=0.0, cutout_x=0.5, cutout_y=0.5), 1.0, 3, 16).apply(torch.ones(1, 3, 16, 16))
    assert y[0, 0].sum() == 16 * 16 - 8 * 8
    assert y[0, 0, 4:12, 4:12].abs().max() == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_pull_is_the_transpose_and_gradients_flow(channels: int) -> None:
    view = augmentation(draw(4, torch.Generator().manual_seed(1)), 1.0, channels, 8)
    x = images(4, channels, 8).requires_grad_(True)
    g = torch.randn(4, channels, 8, 8, dtype=F64)
    (gradient,) = torch.autograd.grad((view.apply(x) * g).sum(), x)
    assert torch.allclose(gradient, view.pull(g), atol=1e-12)
    assert gradient.abs().max() > 0


def test_joined_views_are_those_of_both_batches() -> None:
    one, two = (augmentation(draw(2, torch.Generator().manual_seed(seed)), 1.0, 3, 8) for seed in (0, 1))
    x = images(4, size=8)
    assert torch.allclose(one.joined(two).apply(x), torch.cat([one.apply(x[:2]), two.apply(x[2:])]))
