"""Losses by hand, penalties against finite differences and against each other, schedules at given points, EMA."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from r3gan import augment
from r3gan.configs import CONFIGS, SIZES, Config
from r3gan.ema import update_ema
from r3gan.interfaces import DiscriminatorNetwork
from r3gan.losses import OBJECTIVES
from r3gan.models import stylegan2
from r3gan.models.families import R3GAN
from r3gan.penalties import PENALISED, double_backward, path_length_penalty, path_lengths
from r3gan.schedules import Ramp, cosine_burn_in, ema_beta
from r3gan.training.losses import Batch, Losses

F64 = torch.float64
SMOKE = SIZES["stackedmnist5k-16"]
CONDITIONAL = [name for name, config in CONFIGS.items() if isinstance(config.networks, R3GAN)]
PIECEWISE_LINEAR = [name for name, config in CONFIGS.items() if config.penalty == "transposed"]
SMOOTH: Mapping[str, dict[str, object]] = {
    "gelu": {"activation": "gelu"}, "swish": {"activation": "swish"}, "groupnorm": {"norm": "group"},
    "both": {"activation": "swish", "norm": "group"},
}  # fmt: skip


def test_relativistic_losses_match_hand_computed_values() -> None:
    real, fake = torch.tensor([1.0, -2.0], dtype=F64), torch.tensor([0.5, 3.0], dtype=F64)
    rp = OBJECTIVES["relativistic"]
    assert rp.discriminator(real, fake).tolist() == pytest.approx([math.log1p(math.exp(-0.5)), math.log1p(math.exp(5))])
    assert rp.generator(real, fake).tolist() == pytest.approx([math.log1p(math.exp(0.5)), math.log1p(math.exp(-5))])
    assert rp.generator_sees_reals


def test_classic_losses_match_hand_computed_values() -> None:
    real, fake = torch.tensor([1.0], dtype=F64), torch.tensor([0.5], dtype=F64)
    classic = OBJECTIVES["classic"]
    assert float(classic.discriminator(real, fake)) == pytest.approx(
        math.log1p(math.exp(-1)) + math.log1p(math.exp(0.5))
    )
    assert float(classic.generator(real, fake)) == pytest.approx(math.log1p(math.exp(-0.5)))
    assert not classic.generator_sees_reals


def test_losses_stay_finite_at_extreme_logits() -> None:
    for objective in OBJECTIVES.values():
        for loss in (objective.discriminator, objective.generator):
            assert torch.isfinite(loss(torch.tensor([1e4]), torch.tensor([-1e4]))).all()
            assert torch.isfinite(loss(torch.tensor([-1e4]), torch.tensor([1e4]))).all()


def smooth(variant: str) -> Config:
    """A variant of E-inverted whose D is not piecewise linear."""
    return CONFIGS["E-inverted"].changed("stackedmnist5k-16", SMOOTH[variant])[0]


def small_discriminator(name: str, classes: int = 0) -> DiscriminatorNetwork:
    """With every weight random: at the start the last convolution of a block is zero and would hide mistakes."""
    torch.manual_seed(0)
    size = replace(SMOKE, base_widths=(32, 16), group_size=8, classes=classes)
    config = smooth(name) if name in SMOOTH else CONFIGS[name]
    net = config.networks.discriminator(size).to(F64)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net


@pytest.mark.parametrize(
    ("name", "penalty"),
    [
        ("A", "double-backward"),
        *itertools.product(PIECEWISE_LINEAR, PENALISED),
        *((n, smooth(n).penalty) for n in SMOOTH),
    ],
)
def test_penalty_matches_finite_differences(name: str, penalty: str) -> None:
    net = small_discriminator(name)
    images = torch.randn(2, 3, 8, 8, dtype=F64)
    _, norms = PENALISED[penalty](net, images, None, None)
    # Along the gradient's own direction u, the slope of D is the gradient's norm.
    leaf = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(net(leaf).sum(), leaf)
    eps = 1e-6
    with torch.no_grad():
        for i in range(2):
            direction = torch.zeros_like(images)
            direction[i] = gradient[i] / gradient[i].norm()
            slope = (net(images + eps * direction).sum() - net(images - eps * direction).sum()) / (2 * eps)
            assert float(slope**2) == pytest.approx(float(norms[i]), rel=1e-5)


@pytest.mark.parametrize("augment_p", [0.0, 0.8])
@pytest.mark.parametrize(
    ("name", "classes"), [*((name, 0) for name in PIECEWISE_LINEAR), *((name, 10) for name in CONDITIONAL)]
)
def test_transposed_penalty_equals_double_backward(name: str, classes: int, augment_p: float) -> None:
    table = augment.draw(6, torch.Generator().manual_seed(0))
    view = augment.augmentation(table, augment_p, 3, 8) if augment_p else None
    net = small_discriminator(name, classes)
    images = torch.randn(6, 3, 8, 8, dtype=F64)
    labels = torch.arange(6) if classes else None
    results = []
    for penalised in PENALISED.values():
        net.zero_grad()
        logits, norms = penalised(net, images, labels, view)
        (nn.functional.softplus(logits).mean() + 0.7 * norms.mean()).backward()
        results.append((logits.detach(), norms.detach(), [p.grad for p in net.parameters()]))
    (logits_a, norms_a, grads_a), (logits_b, norms_b, grads_b) = results
    assert torch.allclose(logits_a, logits_b, rtol=1e-12)
    assert torch.allclose(norms_a, norms_b, rtol=1e-11)
    for a, b in zip(grads_a, grads_b, strict=True):
        assert float((a - b).norm()) <= 1e-9 * float(a.norm())


@pytest.mark.parametrize("variant", SMOOTH)
def test_the_networks_decide_how_penalties_are_computed(variant: str) -> None:
    assert CONFIGS["E-inverted"].penalty == "transposed"
    config = smooth(variant)
    assert config.describe("stackedmnist5k-16")["penalty"] == "double-backward"
    assert {*SMOOTH[variant], "initialisation"} <= set(config.unpublished)
    net = small_discriminator(variant)
    with pytest.raises(TypeError, match="NonlinearConv2d has no transpose"):
        PENALISED["transposed"](net, torch.randn(2, 3, 8, 8, dtype=F64), None, None)


@pytest.mark.parametrize("variant", SMOOTH)
def test_r1_and_r2_of_smooth_networks_equal_autograd_side_by_side(variant: str) -> None:
    """Of both sides in one pass, as they are trained; the reference takes each image's gradient alone."""
    net, config = small_discriminator(variant), smooth(variant)
    reals, z = torch.randn(3, 3, 8, 8, dtype=F64), torch.randn(3, 64, dtype=F64)
    generator = config.networks.generator(replace(SMOKE, base_widths=(32, 16), group_size=8)).to(F64)
    losses = Losses(config, generator, net)
    total, measured = losses.discriminator(Batch(reals=reals, z=z, labels=None), torch.tensor(3.0, dtype=F64))
    found = torch.autograd.grad(total, list(net.parameters()))

    sides = {"r1": reals, "r2": generator(z).detach()}
    logits, norms = {}, {}
    for side, images in sides.items():
        leaves = [image[None].clone().requires_grad_(True) for image in images]
        logits[side] = torch.cat([net(leaf) for leaf in leaves])
        gradients = torch.autograd.grad(logits[side].sum(), leaves, create_graph=True)
        norms[side] = torch.stack([gradient.square().sum() for gradient in gradients]).mean()
        assert float(measured[side]) == pytest.approx(float(norms[side].detach()), rel=1e-11)
    expected = nn.functional.softplus(logits["r2"] - logits["r1"]).mean() + 3.0 / 2 * (norms["r1"] + norms["r2"])
    assert float(total.detach()) == pytest.approx(float(expected.detach()), rel=1e-11)
    for a, b in zip(found, torch.autograd.grad(expected, list(net.parameters())), strict=True):
        assert float((a - b).norm()) <= 1e-9 * float(b.norm())


@pytest.mark.parametrize("variant", SMOOTH)
def test_the_penalty_s_own_gradient_matches_finite_differences(variant: str) -> None:
    """With respect to the weights, which needs second derivatives of activations and of the normalisation."""
    net, images = small_discriminator(variant), torch.randn(2, 3, 8, 8, dtype=F64)

    def penalty() -> Tensor:
        return double_backward(net, images)[1].mean()

    gradients = torch.autograd.grad(penalty(), list(net.parameters()))
    length = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    values, eps = [], 1e-6
    for sign in (1, -2):  # to the one side, then from there to the other
        with torch.no_grad():
            for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                parameter += sign * eps * gradient / length
        values.append(float(penalty().detach()))
    assert (values[0] - values[1]) / (2 * eps) == pytest.approx(float(length), rel=1e-5)


def test_penalty_sums_over_pixels_and_is_per_sample() -> None:
    class Scale(DiscriminatorNetwork):
        def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
            return 3.0 * images.sum(dim=(1, 2, 3))

    _, norms = double_backward(Scale(), torch.randn(5, 2, 4, 4))
    assert norms.tolist() == pytest.approx([9.0 * 2 * 4 * 4] * 5)


def test_path_lengths_match_the_jacobian_of_a_linear_map() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(3 * 4 * 4, 5, dtype=F64)
    ws = torch.randn(4000, 1, 5, dtype=F64, requires_grad=True)
    lengths = path_lengths((ws[:, 0] @ matrix.T).reshape(-1, 3, 4, 4), ws)
    # E |J^T y|^2 = |J|_F^2 / (H W) for y ~ N(0, 1 / (H W)).
    expected = float(matrix.square().sum()) / 16
    assert float(lengths.detach().square().mean()) == pytest.approx(expected, rel=0.05)


def test_path_lengths_average_over_layers() -> None:
    ws = torch.randn(3, 4, 5, dtype=F64, requires_grad=True)
    one_layer = torch.randn(2 * 2, 5, dtype=F64)
    torch.manual_seed(1)
    spread = path_lengths((ws.sum(dim=1) @ one_layer.T).reshape(-1, 1, 2, 2), ws)
    torch.manual_seed(1)
    alone = path_lengths((ws[:, 0] @ one_layer.T).reshape(-1, 1, 2, 2), ws)
    assert torch.allclose(spread, 2 * alone)  # 4 layers of equal norm: mean 1; one of 4: mean 1/4; square roots


def test_path_length_penalty_follows_its_running_mean() -> None:
    penalty, mean = path_length_penalty(torch.tensor([1.0, 3.0]), torch.tensor(0.0), decay=0.01)
    assert float(mean) == pytest.approx(0.02)
    assert penalty.tolist() == pytest.approx([0.98**2, 2.98**2])


def test_path_length_penalty_differentiates_through_the_share_of_the_batch_in_its_mean() -> None:
    lengths, decay = torch.tensor([1.0, 3.0, 5.0], dtype=F64, requires_grad=True), 0.25
    penalty, mean = path_length_penalty(lengths, torch.tensor(2.0, dtype=F64), decay)
    penalty.mean().backward()
    # m = 3/4 * 2 + 1/4 * 3 = 2.25, deviations d = (-1.25, 0.75, 2.75), mean(d) = 0.75. With dm/dl_i = decay / N:
    # d/dl_i of mean_j (l_j - m)^2 is 2/N (d_i - decay * mean(d)); with a detached mean it would be 2/N d_i.
    assert lengths.grad is not None
    assert lengths.grad.tolist() == pytest.approx([2 / 3 * (d - 0.25 * 0.75) for d in (-1.25, 0.75, 2.75)], abs=1e-15)
    assert float(mean) == 2.25
    assert not mean.requires_grad


def test_path_length_reaches_the_mapping_network_and_synthesis_of_a() -> None:
    generator = stylegan2.Generator(widths=(8, 8), z_dim=8, w_dim=8)
    ws = generator.latents(torch.randn(2, 8))
    path_lengths(generator.synthesis(ws), ws).mean().backward()
    assert float(generator.synthesis.layers[0].weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("images_seen", "expected"),
    [(0, 1.0), (500, 0.55), (250, 0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2), (1000, 0.1), (10**9, 0.1)],
)
def test_cosine_burn_in_moves_from_base_to_final_and_stays(images_seen: int, expected: float) -> None:
    assert cosine_burn_in(Ramp(1.0, 0.1), images_seen, 1000) == pytest.approx(expected)


def test_without_burn_in_the_final_value_holds_at_once() -> None:
    assert cosine_burn_in(Ramp(1.0, 0.1), 0, 0) == 0.1


def test_ema_beta_halves_after_one_half_life_and_is_off_at_zero() -> None:
    assert ema_beta(10, 100) ** 10 == pytest.approx(0.5)
    assert ema_beta(64, 0) == 0.0


def test_ema_moves_parameters_and_copies_buffers() -> None:
    ema, net = stylegan2.MappingNetwork(4, 4, 1, 1.0), stylegan2.MappingNetwork(4, 4, 1, 1.0)
    net.w_avg.fill_(2.0)
    before, now = ema.layers[0].weight.detach().clone(), net.layers[0].weight.detach()
    update_ema(ema, net, beta=0.75)
    assert torch.allclose(ema.layers[0].weight, 0.75 * before + 0.25 * now)
    assert torch.equal(ema.w_avg, net.w_avg)
    update_ema(ema, net, beta=0.0)
    assert torch.allclose(ema.layers[0].weight, now)
