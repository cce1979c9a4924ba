"""The augment pipe against a plain one that pads, filters and warps step by step, and against its own transpose."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from r3gan import augment

F64 = torch.float64


def table_of(batch: int, seed: int = 0) -> Tensor:
    return augment.draw(batch, torch.Generator().manual_seed(seed))


def fir(x: Tensor, taps: Tensor) -> Tensor:
    """Correlate both axes of [N, C, H, W] with the taps, no padding."""
    n, c, h, w = x.shape
    x = x.reshape(n * c, 1, h, w)
    x = functional.conv2d(functional.conv2d(x, taps[None, None, None, :]), taps[None, None, :, None])
    return x.reshape(n, c, *x.shape[2:])


def plain_pipe(x: Tensor, table: Tensor, p: float, *, full_padding: bool = False) -> Tensor:
    """One transformation after the other; padded by the published estimate of what this batch needs, or fully."""
    n, channels, size, _ = x.shape
    at = {name: table[:, i] for name, i in augment.COLUMNS.items()}
    taps = torch.tensor(augment.SYM6, dtype=F64)
    taps = taps / taps.sum()

    def on(name: str, chance: float = p) -> Tensor:
        return (at[f"{name}?"] < chance).to(F64)

    def homogeneous(a: object, b: object, tx: object, c: object, d: object, ty: object) -> Tensor:
        entries = [torch.as_tensor(e, dtype=F64).expand(n) for e in (a, b, tx, c, d, ty, 0, 0, 1)]
        return torch.stack(entries, dim=1).reshape(n, 3, 3)

    def turn(angle: Tensor) -> Tensor:
        return homogeneous(angle.cos(), -angle.sin(), 0, angle.sin(), angle.cos(), 0)

    flip = 1 - 2 * (at["xflip"] * 2).floor() * on("xflip")
    scale = 2 ** (at["scale"] * 0.2 * on("scale"))
    stretch = 2 ** (at["stretch"] * 0.2 * on("stretch"))
    p_turn = 1 - math.sqrt(1 - p)
    shift = [((at[f"shift_{a}"] * 2 - 1) * 0.125 * on("shift") * size).round() for a in "xy"]
    fraction = [at[f"fraction_{a}"] * 0.125 * on("fraction") * size for a in "xy"]
    # The forward map, from input to output positions: its parts in the order in which they are applied.
    forward = torch.eye(3, dtype=F64).expand(n, 3, 3)
    for part in (
        homogeneous(flip, 0, 0, 0, 1, 0),
        turn(-math.pi / 2 * (at["rot90"] * 4).floor() * on("rot90")),
        homogeneous(1, 0, shift[0], 0, 1, shift[1]),
        homogeneous(scale, 0, 0, 0, scale, 0),
        turn(-(at["rot"] * 2 - 1) * math.pi * on("rot", p_turn)),
        homogeneous(stretch, 0, 0, 0, 1 / stretch, 0),
        turn(-(at["rot_after"] * 2 - 1) * math.pi * on("rot_after", p_turn)),
        homogeneous(1, 0, fraction[0], 0, 1, fraction[1]),
    ):
        forward = part @ forward
    inverse = torch.linalg.inv(forward)

    # Padding: as far as the corners of the output are looked up, and the filters' support.
    half = (size - 1) / 2
    corners = torch.tensor([[x_, y_, 1.0] for x_ in (-half, half) for y_ in (-half, half)], dtype=F64).T
    reach = float((inverse @ corners)[:, :2].abs().max())
    margin = size - 1 if full_padding else min(max(math.ceil(reach + 2 * 3 - half), 0), size - 1)
    x = functional.pad(x, [margin] * 4, mode="reflect")
    zeros_between = torch.zeros(n, channels, 2 * x.shape[2], 2 * x.shape[3], dtype=F64)
    zeros_between[:, :, ::2, ::2] = x
    x = fir(functional.pad(zeros_between, [6, 5, 6, 5]), 2 * taps.flip(0))
    # affine_grid works in units of half an image; on both sides of the map pixels are half as large as before.
    fine_out, fine_in = 2 * (size + 6), x.shape[2]

    def moved(by: float) -> Tensor:
        return homogeneous(1, 0, by, 0, 1, by)

    def zoomed(by: float) -> Tensor:
        return homogeneous(by, 0, 0, 0, by, 0)

    fine = moved(-0.5) @ zoomed(2) @ inverse @ zoomed(0.5) @ moved(0.5)
    theta = (zoomed(2 / fine_in) @ fine @ zoomed(fine_out / 2))[:, :2]
    grid = functional.affine_grid(theta, [n, channels, fine_out, fine_out], align_corners=False)
    x = functional.grid_sample(x, grid, align_corners=False)
    x = fir(x[:, :, 1:-1, 1:-1], taps)[:, :, ::2, ::2]

    # Colours, one 4x4 matrix after the other.
    def matrix4(linear: Tensor, offset: Tensor) -> Tensor:
        out = torch.zeros(n, 4, 4, dtype=F64)
        out[:, :3, :3], out[:, :3, 3], out[:, 3, 3] = linear, offset[:, None], 1
        return out

    eye, none = torch.eye(3, dtype=F64).expand(n, 3, 3), torch.zeros(n, dtype=F64)
    v = torch.full((3,), 1 / math.sqrt(3), dtype=F64)
    grey = torch.outer(v, v)
    skew = torch.tensor([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]], dtype=F64)
    hue = (at["hue"] * 2 - 1) * math.pi * on("hue", p / 2)
    rodrigues = eye + hue.sin()[:, None, None] * skew + (1 - hue.cos())[:, None, None] * (skew @ skew)
    contrast = 2 ** (at["contrast"] * 0.5 * on("contrast", p / 2))
    luma = (at["luma"] * 2).floor() * on("luma", p / 2)
    saturation = 2 ** (at["saturation"] * on("saturation", p / 2))
    colour = torch.eye(4, dtype=F64).expand(n, 4, 4)
    for part in (
        matrix4(eye, at["brightness"] * 0.2 * on("brightness", p / 2)),
        matrix4(eye * contrast[:, None, None], none),
        matrix4(eye - 2 * grey * luma[:, None, None], none),
        matrix4(rodrigues, none),
        matrix4(grey + (eye - grey) * saturation[:, None, None], none),
    ):
        colour = part @ colour
    if channels == 3:
        x = torch.einsum("ncd,ndhw->nchw", colour[:, :3, :3], x) + colour[:, :3, 3, None, None]
    else:
        mean = colour[:, :3].mean(dim=1)
        x = x * mean[:, :3].sum(dim=1)[:, None, None, None] + mean[:, 3, None, None, None]

    # Cutout: a square of half the side, where the coin says so.
    centres = (torch.arange(size, dtype=F64) + 0.5) / size
    far = [(centres - at[f"cutout_{a}"][:, None]).abs() >= 0.25 * on("cutout")[:, None] for a in "xy"]
    return x * (far[0][:, None, None, :] | far[1][:, None, :, None])


@pytest.mark.parametrize(("p", "size", "channels"), [(1.0, 16, 3), (0.4, 16, 3), (1.0, 8, 1), (0.7, 32, 3)])
def test_pipe_equals_the_plain_one(p: float, size: int, channels: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(24, channels, size, size, dtype=F64) * 2 - 1
    table = table_of(24, seed=size)
    ours = augment.augmentation(table, p, channels, size).apply(x)
    assert torch.allclose(ours, plain_pipe(x, table, p), atol=1e-9)


def test_pipe_equals_the_plain_one_at_full_padding_also_where_the_published_padding_is_too_small() -> None:
    torch.manual_seed(0)
    x = torch.rand(24, 3, 32, 32, dtype=F64) * 2 - 1
    published = []
    for seed in range(4):
        table = table_of(24, seed)
        found = augment.augmentation(table, 0.55, 3, 32).apply(x)
        assert torch.allclose(found, plain_pipe(x, table, 0.55, full_padding=True), atol=1e-9)
        published.append(float((found - plain_pipe(x, table, 0.55)).abs().max()))
    assert 1e-6 < max(published) < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_pull_is_the_transpose_and_both_train_through(channels: int) -> None:
    x = torch.rand(5, channels, 8, 8, dtype=F64, requires_grad=True)
    view = augment.augmentation(table_of(5), 1.0, channels, 8)
    y = view.apply(x)
    g = torch.randn_like(y, requires_grad=True)
    (by_autograd,) = torch.autograd.grad(y, x, g, create_graph=True)
    pulled = view.pull(g)
    assert torch.allclose(pulled, by_autograd, atol=1e-12)
    # The penalty's backward goes through the transpose: its own transpose is the map again.
    v = torch.randn_like(x)
    (forth,) = torch.autograd.grad(pulled, g, v)
    zero = view.apply(torch.zeros_like(x))
    assert torch.allclose(forth, view.apply(v) - zero, atol=1e-12)


def test_nothing_happens_at_p_0() -> None:
    x = torch.rand(4, 3, 16, 16, dtype=F64)
    assert torch.allclose(augment.augmentation(table_of(4), 0.0, 3, 16).apply(x), x, atol=1e-10)


def test_each_transformation_applies_with_its_probability() -> None:
    table = table_of(4000)
    column = {name: table[:, i] for name, i in augment.COLUMNS.items()}
    for p in (0.2, 0.8):
        still = torch.eye(3, dtype=F64)
        # Flip and quarter turns draw the identity among their values; the rest is never exactly the identity.
        odds = (1 - p / 2) * (1 - p * 3 / 4) * (1 - p) ** 4 * math.sqrt(1 - p) ** 2
        unmoved = (augment.warp(column, p, 16) - still).abs().amax(dim=(1, 2)) < 1e-9
        # An integer shift may round to (0, 0): 1/4 in each axis at 16 px and an eighth.
        shift_stays = (1 - p + p / 16) / (1 - p)
        expected = odds * shift_stays
        assert float(unmoved.double().mean()) == pytest.approx(expected, abs=4 * math.sqrt(expected / 4000) + 1e-3)
        cut = (augment.cutout_mask(column, p, 16).amin(dim=(1, 2, 3)) == 0).double().mean()
        assert float(cut) == pytest.approx(p, abs=0.03)


def test_the_same_seed_draws_the_same_table() -> None:
    assert torch.equal(table_of(8, 3), table_of(8, 3))
    assert not torch.equal(table_of(8, 3), table_of(8, 4))
