"""Every family at smoke size: shapes, starting behaviour, and what makes each family what it is."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from r3gan.configs import CONFIGS, SIZES
from r3gan.configs.projected import PROJECTED
from r3gan.errors import UserError
from r3gan.models import r3gan, stylegan2
from r3gan.models.layers import LRELU_GAIN, ActivatedConv2d, upsample2x
from r3gan.models.nonlinear import ACTIVATIONS, Nonlinearity

SMOKE = SIZES["stackedmnist5k-16"]
F64 = torch.float64
NAME = "stackedmnist5k-16"
NAMES = [name for name in CONFIGS if name not in PROJECTED]  # those have a test file of their own


@pytest.mark.parametrize("name", NAMES)
def test_g_makes_images_and_d_makes_one_logit_a_sample(name: str) -> None:
    networks = CONFIGS[name].networks
    generator, discriminator = networks.generator(SMOKE), networks.discriminator(SMOKE)
    images = generator(torch.randn(4, generator.z_dim))
    assert images.shape == (4, 3, 16, 16)
    assert discriminator(images).shape == (4,)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("A", "dcgan")])  # these normalise as they go
def test_untrained_signals_keep_their_scale_through_g_and_d(name: str) -> None:
    torch.manual_seed(0)
    networks = CONFIGS[name].networks
    generator, discriminator = networks.generator(SMOKE), networks.discriminator(SMOKE)
    with torch.no_grad():
        image_std = float(generator(torch.randn(64, generator.z_dim)).std())
        logit_std = float(discriminator(torch.randn(256, 3, 16, 16)).std())
    assert 0.2 < image_std < 5
    assert 0.02 < logit_std < 5


def test_residual_blocks_start_as_the_identity_with_the_fixup_gain() -> None:
    block = r3gan.ResidualBlock(256, 512, groups=32, network_blocks=16)
    x = torch.randn(1, 256, 4, 4)
    assert torch.equal(block(x), x)
    expected = LRELU_GAIN * 16**-0.25
    assert float(block.conv1.weight.detach().std()) == pytest.approx(expected / math.sqrt(256), rel=0.02)
    assert float(block.conv2.weight.detach().std()) == pytest.approx(expected / math.sqrt(16 * 9), rel=0.02)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gains_keep_the_variance_of_normal_inputs(name: str) -> None:
    x = torch.linspace(-12, 12, 100_001, dtype=F64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    function, gain = ACTIVATIONS[name]
    assert float(torch.trapezoid(function(x).square() * density, x)) * gain**2 == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("settings", [{"activation": "gelu"}, {"activation": "swish"}, {"norm": "group"}])
def test_variants_start_with_the_signals_of_the_paper_s_network(settings: dict[str, str]) -> None:
    blocks = 2 * len(SMOKE.base_widths)
    stds = []
    for networks in (CONFIGS["E-inverted"].networks, CONFIGS["E-inverted"].changed(NAME, settings)[0].networks):
        torch.manual_seed(0)
        generator, discriminator = networks.generator(SMOKE), networks.discriminator(SMOKE)
        block, x = discriminator.stages[0][0], torch.randn(64, 24, 16, 16)
        with torch.no_grad():
            assert torch.equal(block(x), x)
            inner = block.conv2(block.conv1(x))
        stds.append([float(inner.square().mean().sqrt()), float(generator(torch.randn(64, 64)).detach().std())])
    assert stds[0][0] == pytest.approx(blocks**-0.5, rel=0.1)  # of two convolutions, each with L^(-1/4)
    # Normalisation forgets the first.
    assert stds[1] == pytest.approx([blocks**-0.25 if "norm" in settings else stds[0][0], stds[0][1]], rel=0.1)


def test_group_normalisation_is_per_sample_and_group_before_the_bias() -> None:
    torch.manual_seed(0)
    layer = Nonlinearity("swish", 4).conv2d(6, 8, 3, groups=2, scale=0.5).to(F64)
    layer.bias.data.normal_()
    x = torch.randn(3, 6, 5, 5, dtype=F64)
    y = functional.conv2d(x, layer.conv.weight, padding=1, groups=2).reshape(3, 2, 4 * 25)
    y = (y - y.mean(dim=2, keepdim=True)) / (y.var(dim=2, correction=0, keepdim=True) + 1e-5).sqrt()
    y = 0.5 * ACTIVATIONS["swish"].gain * y.reshape(3, 8, 5, 5) + layer.bias[:, None, None]
    assert torch.allclose(layer(x), y * torch.sigmoid(y))


def test_variants_without_a_change_are_the_paper_s_networks() -> None:
    networks = CONFIGS["E-inverted"].networks
    same = CONFIGS["E-inverted"].changed(NAME, {"activation": "lrelu", "norm": "none"})[0].networks
    assert same == networks
    layer = Nonlinearity().conv2d(4, 8, 3, groups=2, scale=0.5)
    assert isinstance(layer, ActivatedConv2d)


def test_only_biases_of_d_and_e_are_those_before_the_inner_activations() -> None:
    for name in ("D-resnet", "D-noskip", "E-resnext", "E-inverted"):
        for net in (CONFIGS[name].networks.generator(SMOKE), CONFIGS[name].networks.discriminator(SMOKE)):
            biases = [key for key, _ in net.named_parameters() if "bias" in key]
            assert len(biases) == 2 * 2 * 3  # two a block, two blocks a stage, three stages
            assert all(".conv1.bias" in key or ".conv2.bias" in key for key in biases)


def test_d_head_is_a_depthwise_4x4_valid_convolution_then_a_linear() -> None:
    head = r3gan.Head(8, 3).to(F64)
    x = torch.randn(2, 8, 4, 4, dtype=F64)
    expected = functional.conv2d(x, head.basis, groups=8).flatten(1) @ head.linear.weight.T
    assert torch.allclose(head(x), expected)


def test_transitions_change_width_at_the_lower_resolution() -> None:
    up, down = r3gan.Upsample(4, 6).to(F64), r3gan.Downsample(6, 4).to(F64)
    x = torch.randn(1, 4, 8, 8, dtype=F64)
    assert torch.allclose(up(x), upsample2x(functional.conv2d(x, up.conv.weight)))
    assert down(torch.randn(1, 6, 8, 8, dtype=F64)).shape == (1, 4, 4, 4)
    assert not list(r3gan.Upsample(4, 4).parameters()) and not list(r3gan.Downsample(4, 4).parameters())


def test_output_skips_sum_every_resolution() -> None:
    torch.manual_seed(0)
    generator = r3gan.Generator(widths=(8, 8), inner_ratio=1, group_size=None, output_skips=True, z_dim=4)
    z = torch.randn(2, 4)
    first = generator.stages[0](generator.transitions[0](z))
    second = generator.stages[1](generator.transitions[1](first))
    expected = upsample2x(generator.to_image[0](first)) + generator.to_image[1](second)
    assert torch.allclose(generator(z), expected)


def test_conditional_logit_is_a_projection_on_the_class() -> None:
    size = replace(SMOKE, classes=10)
    generator, discriminator = CONFIGS["E"].networks.generator(size), CONFIGS["E"].networks.discriminator(size)
    labels = torch.tensor([0, 9])
    images = generator(torch.randn(2, 64), labels)
    both = torch.stack([discriminator(images, torch.full((2,), c)) for c in range(10)])
    assert torch.allclose(discriminator(images, labels), both[labels, torch.arange(2)], atol=1e-6)
    widest = max(int(1.5 * w) for w in size.base_widths)
    # Init gain 1/sqrt(W_max) on a one-hot input.
    assert float(discriminator.embed.weight.detach().std()) == pytest.approx(1 / math.sqrt(widest * 10), rel=0.2)


@pytest.mark.parametrize("name", ["A", "B"])
def test_unconditional_families_refuse_classes(name: str) -> None:
    with pytest.raises(UserError, match="unconditional"):
        CONFIGS[name].networks.generator(replace(SMOKE, classes=10))


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(UserError, match="groups of 16"):
        CONFIGS["E-resnext"].networks.generator(replace(SMOKE, group_size=16))


# Config A


def test_modulation_and_demodulation_equal_weights_scaled_per_sample() -> None:
    x, weight, style = (torch.randn(*s, dtype=F64) for s in ((2, 4, 6, 6), (5, 4, 3, 3), (2, 4)))
    per_sample = weight[None] * style[:, None, :, None, None]
    per_sample = per_sample / (per_sample.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    expected = torch.cat([functional.conv2d(x[n : n + 1], per_sample[n], padding=1) for n in range(2)])
    assert torch.allclose(stylegan2.modulated_conv(x, weight, style), expected, atol=1e-12)


def test_demodulated_outputs_have_unit_variance_whatever_the_style() -> None:
    torch.manual_seed(0)
    x, weight, style = torch.randn(4, 64, 16, 16), torch.randn(64, 64, 3, 3), torch.rand(4, 64) * 30
    y = stylegan2.modulated_conv(x, weight, style)
    assert float(y[..., 1:-1, 1:-1].std()) == pytest.approx(1.0, rel=0.03)


def test_mapping_normalises_z_and_trains_at_a_hundredth_of_the_rate() -> None:
    mapping = stylegan2.MappingNetwork(32, 32, layers=8, lr_multiplier=0.01)
    z = torch.randn(4, 32)
    assert torch.allclose(mapping(z), mapping(7 * z), atol=1e-4)
    assert len(mapping.layers) == 8
    assert float(mapping.layers[0].weight.detach().std()) == pytest.approx(100, rel=0.1)
    assert mapping.layers[0].weight_gain == pytest.approx(0.01 / math.sqrt(32))


def test_equalised_layers_apply_he_scale_at_run_time() -> None:
    layer = stylegan2.EqualConv2d(16, 32, 3)
    assert float(layer.weight.detach().std()) == pytest.approx(1.0, rel=0.05)
    x = torch.randn(1, 16, 4, 4)
    assert torch.allclose(layer(x), functional.conv2d(x, layer.weight / 12, padding=1), atol=1e-5)


def smoke_generator() -> stylegan2.Generator:
    torch.manual_seed(0)
    return stylegan2.Generator(widths=(8, 8, 8), z_dim=16, w_dim=16)


def test_style_mixing_happens_in_training_only_and_at_its_rate() -> None:
    generator = smoke_generator()
    z = torch.randn(2, 16)
    assert generator.synthesis.num_ws == 6

    def mixed() -> bool:
        return not torch.allclose(ws := generator.latents(z), ws[:, :1].expand_as(ws))

    rate = sum(mixed() for _ in range(400)) / 400
    assert rate == pytest.approx(0.9, abs=0.06)
    generator.eval()
    assert not any(mixed() for _ in range(20))


def test_average_of_w_follows_training_and_truncation_moves_towards_it() -> None:
    generator = smoke_generator()
    z = torch.randn(64, 16)
    with torch.no_grad():
        w = generator.mapping(z)
        generator.mapping(z, update_average=True)
        assert torch.allclose(generator.mapping.w_avg, 0.005 * w.mean(dim=0), atol=1e-6)
        generator.eval()
        assert torch.allclose(generator.mapping(z, truncation_psi=0.5), generator.mapping.w_avg.lerp(w, 0.5), atol=1e-5)


def test_noise_enters_scaled_by_a_strength_that_starts_at_zero() -> None:
    generator = smoke_generator().eval()
    z = torch.randn(2, 16)
    with torch.no_grad():
        assert torch.equal(generator(z), generator(z, noise="none"))
        for layer in generator.synthesis.layers:
            layer.noise_strength.fill_(1.0)
        assert not torch.allclose(generator(z), generator(z))
        assert torch.equal(generator(z, noise="const"), generator(z, noise="const"))


def test_minibatch_stddev_is_the_mean_deviation_within_strided_groups() -> None:
    x = torch.randn(8, 3, 2, 2, dtype=F64)
    y = stylegan2.minibatch_stddev(x, group_size=4)
    assert y.shape == (8, 4, 2, 2)
    for group in (0, 1):  # samples 0 2 4 6 and 1 3 5 7
        expected = (x[group::2].var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        assert torch.allclose(y[group::2, 3], expected.expand(4, 2, 2))


def test_d_of_config_a_keeps_unit_scale_through_its_residual_blocks() -> None:
    torch.manual_seed(0)
    block = stylegan2.DownBlock(64, 64)
    with torch.no_grad():
        y = block(torch.randn(8, 64, 1, 1).expand(-1, -1, 16, 16))  # even, so that the blur takes nothing
    assert y.shape == (8, 64, 8, 8)
    assert 0.8 < float(y[..., 2:-2, 2:-2].square().mean().sqrt()) < 1.2


def test_upsampling_layer_equals_zero_insertion_convolution_and_blur() -> None:
    x, weight = torch.randn(1, 2, 4, 4, dtype=F64), torch.randn(3, 2, 3, 3, dtype=F64)
    style = torch.ones(1, 2, dtype=F64)
    inserted = torch.zeros(1, 2, 8, 8, dtype=F64)
    inserted[..., ::2, ::2] = x
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=F64) / 4
    # A transposed convolution scatters the kernel, which is a true (flipped) convolution of the zero-inserted input.
    scattered = functional.conv2d(inserted, weight.flip(2, 3), padding=2)[..., :9, :9]
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    expected = functional.conv2d(functional.pad(scattered, (1, 1, 1, 1)), kernel, groups=3)
    assert torch.allclose(stylegan2.modulated_conv(x, weight, style, demodulate=False, up=True), expected, atol=1e-12)


def test_dcgan_has_the_widths_and_the_start_of_its_paper() -> None:
    networks = CONFIGS["dcgan"].networks
    size = SIZES["stackedmnist"]
    generator, discriminator = networks.generator(size), networks.discriminator(size)
    assert (generator.z_dim, discriminator.classes) == (100, 0)
    shapes = [tuple(m.weight.shape) for m in generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert shapes == [(100, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 3, 4, 4)]
    for net in (generator, discriminator):
        norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert len(norms) == {generator: 3, discriminator: 2}[net]
        assert float(torch.cat([m.weight.detach() for m in norms]).std()) == pytest.approx(0.02, rel=0.1)
    images = generator(torch.randn(8, 100)).detach()
    assert images.shape == (8, 3, 32, 32)
    assert float(images.abs().max()) <= 1
