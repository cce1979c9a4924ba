"""FastGAN: parameter counts, blocks against their formulas, every resolution, the reconstructing discriminator."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from r3gan.configs import CONFIGS, SIZES
from r3gan.configs.counts import count_parameters
from r3gan.interfaces import Reconstructing
from r3gan.models import fastgan
from r3gan.models.families import FastGAN
from r3gan.models.fastgan_discriminator import Discriminator, feature_distance, quadrant
from r3gan.models.projector import FeatureMaps

F64 = torch.float64
SMOKE = SIZES["stackedmnist5k-16"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("projected-fastgan-release", 105_684_175), ("projected-fastgan-lite-release", 79_354_307)],
)
def test_generators_at_256_px_have_the_published_parameters(name: str, parameters: int) -> None:
    assert count_parameters(CONFIGS[name], "lsun-church-256")["g_params"] == parameters


def generator(resolution: int, **more: object) -> fastgan.Generator:
    settings = {"ngf": 8, "blocks": "alternating", "normalise_z": False, "tanh": False} | more
    return fastgan.Generator(resolution=resolution, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256, 1024])
def test_generator_makes_images_of_any_power_of_two(resolution: int) -> None:
    net = generator(resolution)
    with torch.no_grad():
        assert net(torch.randn(2, 256)).shape == (2, 3, resolution, resolution)
        assert net.eval()(torch.randn(1, 256)).shape == (1, 3, resolution, resolution)


def test_skip_layer_excitation_joins_the_published_pairs_and_ours_below() -> None:
    assert fastgan.excitations(1024) == {64: 4, 128: 8, 256: 16, 512: 32}
    assert fastgan.excitations(128) == {64: 4, 128: 8}
    assert fastgan.excitations(32) == {32: 4}


def test_excitation_is_a_gate_a_channel() -> None:
    block = fastgan.SkipLayerExcitation(4, 6).double().eval()
    small, large = torch.randn(2, 4, 8, 8, dtype=F64), torch.randn(2, 6, 16, 16, dtype=F64)
    pooled = functional.avg_pool2d(small, 2)
    squeezed = torch.einsum("nchw,ochw->no", pooled, block.squeeze.weight)
    gate = torch.sigmoid((squeezed * torch.sigmoid(squeezed)) @ block.gate.weight[:, :, 0, 0].T)
    assert torch.allclose(block(small, large), large * gate[:, :, None, None])


def test_up_blocks_equal_their_layers_written_out() -> None:
    block = fastgan.up_block(4, 6, big=False).double()
    x = torch.randn(3, 4, 5, 5, dtype=F64)
    weight = block[1].weight.detach()
    block.eval()  # no further step of the power iteration
    doubled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    y = functional.conv2d(doubled, block[1].weight, padding=1)
    a, b = y.chunk(2, dim=1)  # an untrained norm in eval mode: mean 0, variance 1
    expected = a / (1 + 1e-5) ** 0.5 * torch.sigmoid(b / (1 + 1e-5) ** 0.5)
    assert torch.allclose(block(x), expected)
    assert weight.shape == (12, 4, 3, 3)
    assert len(fastgan.up_block(4, 6, big=True)) == 1 + 2 * 4


def test_batch_norm_trains_as_torch_s_and_its_averages_start_as_plain_means() -> None:
    ours, torchs = fastgan.BatchNorm2d(3).double(), nn.BatchNorm2d(3).double()
    batches = [torch.randn(4, 3, 5, 5, dtype=F64) * (i + 1) for i in range(20)]
    for i, x in enumerate(batches):
        assert torch.allclose(ours(x), torchs(x))
        if i == 4:
            expected = torch.stack([b.var(dim=(0, 2, 3)) for b in batches[:5]]).mean(dim=0)
            assert torch.allclose(ours.running_var, expected)
    after = ours.running_mean.clone()
    ours(batches[0])
    assert torch.allclose(ours.running_mean, after.lerp(batches[0].mean(dim=(0, 2, 3)), 0.1))


def test_noise_starts_without_effect_and_is_the_same_in_all_channels() -> None:
    noise, x = fastgan.Noise(), torch.zeros(2, 3, 4, 4)
    assert torch.equal(noise(x), x)
    nn.init.ones_(noise.strength)
    y = noise(x)
    assert torch.equal(y[:, 0], y[:, 2])
    assert float(y.detach().std()) > 0.5


def test_normalised_z_forgets_its_length_and_tanh_bounds_images() -> None:
    net = generator(16, normalise_z=True).eval()
    z = torch.randn(2, 256)
    with torch.no_grad():
        assert torch.allclose(net(z), net(5 * z), atol=1e-6)
        assert float(generator(16, tanh=True)(100 * z).abs().max()) <= 1
    assert FastGAN().tanh
    assert not CONFIGS["projected-fastgan"].networks.player.tanh  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def perceptual() -> FeatureMaps:
    return FeatureMaps("efficientnet-lite0", pretrained=True)


@pytest.mark.parametrize("resolution", [16, 64, 256, 1024])
def test_discriminator_has_two_scales_of_25_logits_and_reconstructs(perceptual: FeatureMaps, resolution: int) -> None:
    net = Discriminator(perceptual, resolution=resolution, ndf=8)
    assert isinstance(net, Reconstructing)
    images = torch.rand(2, 3, resolution, resolution) * 2 - 1
    with torch.no_grad():
        assert net(images).shape == (2, 2, 25)
        logits, losses = net.with_reconstruction(images)
    assert logits.shape == (2, 2, 25)
    assert losses.shape == (2,)
    assert float(losses.min()) > 0


def test_reconstruction_trains_the_decoders_and_not_the_feature_network(perceptual: FeatureMaps) -> None:
    net = Discriminator(perceptual, resolution=16, ndf=8)
    net.with_reconstruction(torch.rand(4, 3, 16, 16))[1].mean().backward()
    assert all(p.grad is not None for p in net.decoders.parameters())
    assert all(p.grad is None for p in perceptual.parameters())
    assert all(p.grad is None for p in net.head.parameters())


def test_feature_distance_is_zero_for_equal_images_only(perceptual: FeatureMaps) -> None:
    one, two = torch.rand(2, 2, 3, 32, 32)
    with torch.no_grad():
        assert feature_distance(perceptual, one, one).tolist() == [0.0, 0.0]
        distances = feature_distance(perceptual, one, two)
        cosines = [functional.cosine_similarity(a, b) for a, b in zip(perceptual(one), perceptual(two), strict=True)]
    expected = torch.stack([1 - cosine.mean(dim=(1, 2)) for cosine in cosines]).mean(dim=0)
    assert torch.allclose(distances, expected, atol=1e-5)
    assert float(distances.min()) > 0


def test_quadrants_tile_the_image() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    top, bottom = (torch.cat([quadrant(x, i), quadrant(x, i + 1)], dim=3) for i in (0, 2))
    assert torch.equal(torch.cat([top, bottom], dim=2), x)


def test_smaller_networks_are_narrower_not_different() -> None:
    narrow = FastGAN().generator(SMOKE)
    wide = FastGAN().generator(replace(SMOKE, narrowing=1))
    assert {k: v.ndim for k, v in narrow.state_dict().items()} == {k: v.ndim for k, v in wide.state_dict().items()}
