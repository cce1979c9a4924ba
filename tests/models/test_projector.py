"""The frozen half of Projected GAN: real weights, maps, mixing, and the discriminators on top of it."""

import copy
from dataclasses import replace
from importlib.resources import files

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from r3gan.configs import CONFIGS, SIZES
from r3gan.configs.counts import count_parameters
from r3gan.configs.projected import PAPER, PROJECTED, RELEASE
from r3gan.errors import UserError
from r3gan.models import backbones
from r3gan.models.backbones import fold_batch_norms
from r3gan.models.families import Networks, Projected
from r3gan.models.projected import Discriminator, MapDiscriminator, halving
from r3gan.models.projector import FeatureMaps, Projector, mixing_conv, upsampled

F64 = torch.float64
SMOKE = SIZES["stackedmnist5k-16"]
LITE_STAGES = ((1, 1, 3), (2, 2, 3), (2, 2, 5), (3, 2, 3), (3, 1, 5), (4, 2, 5), (1, 1, 3))  # blocks, stride, kernel


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def lite0() -> FeatureMaps:
    return FeatureMaps("efficientnet-lite0", pretrained=True)


def projector_of(features: FeatureMaps, kernel: int = 1, kaiming: bool = False) -> Projector:
    widths = (64, 128, 256, 512)
    return Projector(features, widths=widths, mix_channels=True, mix_scales=True, csm_kernel=kernel, kaiming=kaiming)


def reference_lite0(saved: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-lite0 from the names its package gives the tensors: images [N, 3, R, R] -> logits [N, 1000]."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (saved[f"{name}.{part}"].to(x) for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    def conv(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = saved[f"{name}.weight"].to(x)
        size, kernel = x.shape[2], weight.shape[2]
        spare = max((-(-size // stride) - 1) * stride + kernel - size, 0)  # TensorFlow's "same": the odd zero goes last
        padded = functional.pad(x, (spare // 2, spare - spare // 2) * 2)
        return functional.conv2d(padded, weight, stride=stride, groups=groups)

    x = functional.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    strides = [stride if i == 0 else 1 for blocks, stride, _ in LITE_STAGES for i in range(blocks)]
    for i, stride in enumerate(strides):
        name, y = f"_blocks.{i}", x
        if f"{name}._expand_conv.weight" in saved:
            y = functional.relu6(norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0"))
        y = functional.relu6(norm(conv(y, f"{name}._depthwise_conv", stride, y.shape[1]), f"{name}._bn1"))
        y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
        x = x + y if y.shape == x.shape else y
    x = functional.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean(dim=(2, 3))
    return functional.linear(x, saved["_fc.weight"].to(x), saved["_fc.bias"].to(x))


def test_the_copied_weights_give_the_logits_of_the_package_s_network() -> None:
    entry = backbones.BACKBONES["efficientnet-lite0"]
    assert entry.package is not None
    assert entry.file is not None
    with files(entry.package).joinpath(entry.file).open("rb") as file:
        saved = torch.load(file, weights_only=True)
    x = torch.randn(2, 3, 96, 96, dtype=F64)
    with torch.no_grad():
        assert torch.allclose(backbones.load_backbone("efficientnet-lite0").double()(x), reference_lite0(saved, x))


@pytest.mark.parametrize(("name", "parameters"), [("efficientnet-lite0", 2_958_848), ("efficientnet-lite1", 3_723_520)])
def test_taps_are_the_four_scales_without_the_head(name: str, parameters: int) -> None:
    features = FeatureMaps(name, pretrained=True)
    assert count(features) == parameters
    assert features.channels == [24, 40, 112, 320]
    assert features.scale.flatten().tolist() == [1.0] * 3  # the lite networks take images in [-1, 1] as they are
    assert features.shift.flatten().tolist() == [0.0] * 3
    with torch.no_grad():
        shapes = [tuple(x.shape[1:]) for x in features(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet50", [256, 512, 1024, 2048]), ("deit-base", [768] * 4)]
)  # fmt: skip
def test_other_networks_have_maps_at_the_same_four_strides(name: str, channels: list[int]) -> None:
    features = FeatureMaps(name, pretrained=False)
    with torch.no_grad():
        shapes = [tuple(x.shape[1:]) for x in features(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(c, size, size) for c, size in zip(channels, (16, 8, 4, 2), strict=True)]


def test_missing_weights_are_one_sentence_and_never_random(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="resnet50 needs pretrained weights, which no package provides"):
        backbones.load_backbone("resnet50")
    with pytest.raises(UserError, match="unknown feature network 'lite'"):
        backbones.load_backbone("lite")
    absent = replace(backbones.BACKBONES["efficientnet-lite2"], package="some_absent_model")
    monkeypatch.setitem(backbones.BACKBONES, "efficientnet-lite2", absent)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="install the package some-absent-model"):
        backbones.load_backbone("efficientnet-lite2")
    other = replace(backbones.BACKBONES["efficientnet-lite1"], sha256="0")
    monkeypatch.setitem(backbones.BACKBONES, "efficientnet-lite1", other)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="has sha256 77cc7160"):
        backbones.load_backbone("efficientnet-lite1")


# One with activations inside its batch norms, one with them apart, one without batch norms.
@pytest.mark.parametrize("name", ["efficientnet-lite1", "resnet50", "resnet50-clip", "deit-base"])
def test_folded_batch_norms_give_the_same_maps_and_input_gradients(name: str) -> None:
    torch.manual_seed(0)
    plain = FeatureMaps(name, pretrained=False).double()
    for norm in (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)):
        for values, low in ((norm.weight, 0.5), (norm.bias, -0.5), (norm.running_mean, -0.5), (norm.running_var, 0.5)):
            assert values is not None
            nn.init.uniform_(values, low, low + 1)
    folded = copy.deepcopy(plain)
    fold_batch_norms(folded)
    folded.to(memory_format=torch.channels_last)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all(not p.requires_grad for p in folded.parameters())
    images = torch.rand(2, 3, 64, 64, dtype=F64, requires_grad=True)
    found = []
    for network in (plain, folded):
        maps = network(images)
        found.append([*maps, *torch.autograd.grad([x.square().mean() for x in maps], images)])
    for a, b in zip(*found, strict=True):
        assert float((a - b).detach().norm()) <= 1e-10 * float(a.detach().norm())


def test_projector_is_frozen_and_in_eval_mode_whatever_it_is_told(lite0: FeatureMaps) -> None:
    projector = projector_of(lite0).train()
    assert not any(module.training for module in projector.modules())
    assert not any(p.requires_grad for p in projector.parameters())
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    sum(y.sum() for y in projector(x)).backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    assert all(p.grad is None for p in projector.parameters())


def test_mixing_counts_and_shapes_are_the_published_ones(lite0: FeatureMaps) -> None:
    projector = projector_of(lite0)
    assert count(projector.ccm) + count(projector.csm) == 376_768
    assert projector.channels == [64, 64, 128, 256]
    with torch.no_grad():
        shapes = [tuple(y.shape[1:]) for y in projector(torch.zeros(1, 3, 224, 224))]
    assert shapes == [(64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14)]


@pytest.mark.parametrize("kernel", [1, 3])
def test_mixing_equals_the_formula_written_out(lite0: FeatureMaps, kernel: int) -> None:
    torch.manual_seed(0)
    projector = projector_of(lite0, kernel).double()
    x = torch.randn(1, 3, 64, 64, dtype=F64)

    def up(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    with torch.no_grad():
        c0, c1, c2, c3 = (conv(c) for conv, c in zip(projector.ccm, lite0(x), strict=True))
        y3 = projector.csm[3](up(c3))
        y2 = projector.csm[2](up(y3 + c2))
        y1 = projector.csm[1](up(y2 + c1))
        y0 = projector.csm[0](up(y1 + c0))
        for ours, expected in zip(projector(x), (y0, y1, y2, y3), strict=True):
            assert torch.allclose(ours, expected, atol=1e-10)
    lite0.float()


def test_a_1x1_convolution_before_or_after_upsampling_is_the_same() -> None:
    conv, x = nn.Conv2d(4, 6, 1).double(), torch.randn(2, 4, 5, 5, dtype=F64)
    later = conv(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
    assert torch.allclose(upsampled(conv, x), later, atol=1e-12)


def test_kaiming_start_has_variance_two_over_fan_in_and_no_bias() -> None:
    conv = mixing_conv(256, 256, 3, kaiming=True)
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    assert conv.bias is not None
    assert not conv.bias.any()


@pytest.mark.parametrize("name", PROJECTED)
def test_every_configuration_makes_images_and_judges_them(name: str) -> None:
    networks = CONFIGS[name].networks
    generator, discriminator = networks.generator(SMOKE), networks.discriminator(SMOKE)
    with torch.no_grad():
        images = generator(torch.randn(4, generator.z_dim))
        logits = discriminator(images)
    assert images.shape == (4, 3, 16, 16)
    assert logits.shape[:1] == (4,)
    assert 0.1 < float(images.std()) < 5
    assert 0.02 < float(logits.std()) < 5


@pytest.mark.parametrize(("separable", "parameters"), [(False, 10_331_328), (True, 696_512)])
def test_discriminators_have_the_published_parameters(separable: bool, parameters: int) -> None:
    name = "projected-stylegan2-release" if separable else "projected-fastgan-release"
    assert count_parameters(CONFIGS[name], "lsun-church-256")["d_params"] == parameters


@pytest.mark.parametrize("name", ["projected-fastgan-release", "projected-ccm", "projected-no-mixing", "projected-2"])
def test_all_logit_maps_are_4x4_at_224_px_and_5x5_at_256(name: str) -> None:
    discriminator = CONFIGS[name].networks.discriminator(replace(SMOKE, narrowing=8, feature_px=224))
    discriminators = CONFIGS[name].networks.discriminators  # type: ignore[attr-defined]
    with torch.no_grad():
        assert discriminator(torch.zeros(2, 3, 16, 16)).shape == (2, discriminators, 16)
        assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, discriminators, 25)


def test_down_blocks_are_four_three_two_and_one() -> None:
    maps = ((64, 2), (64, 4), (128, 8), (256, 16))  # channels, stride
    nets = [MapDiscriminator(c, stride, halving, feature_px=224, narrowing=1) for c, stride in maps]
    assert [len(net) - 1 for net in nets] == [4, 3, 2, 1]
    widths = [[block[0].out_channels for block in list(net)[:-1]] for net in nets]
    assert widths == [[64, 128, 256, 512], [128, 256, 512], [256, 512], [512]]


def test_spectral_norm_keeps_every_convolution_at_norm_one() -> None:
    discriminator = CONFIGS["projected-fastgan"].networks.discriminator(SMOKE)
    convs = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert len(convs) == 4 + 3 + 2 + 1 + 4
    with torch.no_grad():
        for conv in convs:
            conv.parametrizations.weight.original.mul_(10)  # type: ignore[union-attr, operator]
            for _ in range(50):
                weight = conv.weight
            assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1.0, rel=0.05)


def test_what_is_frozen_is_no_part_of_the_discriminator_but_goes_where_it_goes() -> None:
    discriminator = CONFIGS["projected-fastgan-release"].networks.discriminator(SMOKE)
    assert isinstance(discriminator, Discriminator)
    (projector,) = discriminator.frozen
    assert count(projector) == 2_958_848 + 27_832  # mixing an eighth as wide
    assert all(name.startswith("discriminators.") for name in discriminator.state_dict())
    discriminator.train().requires_grad_(True).to(F64)
    assert not any(module.training for module in projector.modules())
    assert all(p.dtype == F64 and not p.requires_grad for p in projector.parameters())
    assert discriminator(torch.randn(2, 3, 16, 16, dtype=F64)).shape == (2, 4, 1)


def test_the_presets_differ_in_six_fields_and_each_arrives_in_the_networks() -> None:
    paper, release = (PROJECTED[name] for name in ("projected-fastgan", "projected-fastgan-release"))
    assert all(getattr(PAPER, name) != getattr(RELEASE, name) for name in PAPER.__dataclass_fields__)
    assert len(PAPER.__dataclass_fields__) == 6
    for config, preset in ((paper, PAPER), (release, RELEASE)):
        networks = config.networks
        assert isinstance(networks, Projected)
        player: Networks = networks.player
        assert networks.backbone == preset.backbone
        assert (networks.csm_kernel, networks.mixing_init) == (preset.csm_kernel, preset.mixing_init)
        assert (player.normalise_z, player.ngf) == (preset.normalise_z, preset.ngf)  # type: ignore[attr-defined]
        assert config.loss == preset.loss
    assert paper.recipes == release.recipes


def test_titles_tell_configurations_apart() -> None:
    assert len({config.title for config in CONFIGS.values()}) == len(CONFIGS)


def test_random_features_are_random_and_follow_the_seed() -> None:
    def first_weights(seed: int, name: str) -> Tensor:
        torch.manual_seed(seed)
        discriminator = CONFIGS[name].networks.discriminator(SMOKE)
        return next(discriminator.frozen[0].parameters())

    one, again, other = (first_weights(seed, "projected-random") for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    pretrained = [first_weights(seed, "projected-fastgan") for seed in (0, 1)]
    assert torch.equal(*pretrained)
    assert not torch.equal(one, pretrained[0])
