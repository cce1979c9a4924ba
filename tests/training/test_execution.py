"""Layout, precision, compilation: the same training, computed differently."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._inductor import config as inductor

from r3gan import augment
from r3gan.configs import CONFIGS, SIZES
from r3gan.data.loader import open_dataset
from r3gan.errors import UserError
from r3gan.models import layers
from r3gan.training.execution import CHOICES, choose_execution
from r3gan.training.losses import Batch, Losses
from r3gan.training.state import build_networks, build_state
from r3gan.training.steps import iterate
from tests.helpers import CPU, SMOKE, make_run


def losses_of(name: str, dtype: torch.dtype = torch.float32, size: str = SMOKE, **wanted: str) -> Losses:
    config = CONFIGS[name]
    generator, discriminator = build_networks(config, size, 0)
    execution = choose_execution(config, generator, CPU, wanted)
    for network in (generator, discriminator):
        network.to(dtype)
        torch.manual_seed(1)
        for parameter in network.parameters():
            # As large as at the start, and nothing zero: a block's last layer would hide its first ones.
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1)
        execution.prepare(network, SIZES[SMOKE])
        execution.set_layout(network)
    return Losses(config, generator, discriminator, compile_as=execution.compile)


def gradients(
    losses: Losses, dtype: torch.dtype = torch.float32, px: int = 16, augment_p: float = 0.0
) -> list[torch.Tensor]:
    """Of one loss of D and one of G on the same batch."""
    torch.manual_seed(2)
    reals, z = torch.rand(4, 3, px, px, dtype=torch.float64) * 2 - 1, torch.randn(4, 64, dtype=torch.float64)
    views = {}
    if augment_p:
        tables = (augment.draw(4, torch.Generator().manual_seed(seed)).to(dtype) for seed in (3, 4))
        real_view, fake_view = (augment.augmentation(table, augment_p, 3, px) for table in tables)
        views = {"real_view": real_view, "fake_view": fake_view}
    batch = Batch(reals=reals.to(dtype), z=z.to(dtype), labels=None, **views)
    losses.discriminator(batch, torch.tensor(0.7, dtype=dtype))[0].backward()
    d = [p.grad for p in losses.networks[1].parameters()]
    losses.networks[1].requires_grad_(False)
    losses.generator(batch)[0].backward()
    return [g for g in [*d, *(p.grad for p in losses.networks[0].parameters())] if g is not None]


def difference(one: list[torch.Tensor], two: list[torch.Tensor]) -> float:
    """Largest relative difference of a parameter's gradient."""
    # RpGAN does not see the logit's bias, whose gradient is 0 but for rounding: it has no scale of its own.
    least = 1e-6 * max(float(b.norm()) for b in two)
    return max(float((a - b).norm()) / max(float(b.norm()), least) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("name", ["B", "D-resnet", "E-inverted"])
def test_channels_last_trains_the_same(name: str) -> None:
    plain = gradients(losses_of(name, torch.float64), torch.float64)
    other = gradients(losses_of(name, torch.float64, layout="channels-last"), torch.float64)
    assert difference(other, plain) < 1e-10


@pytest.mark.parametrize("name", ["A", "C-r2", "E-inverted"])
def test_whole_steps_are_the_same_in_every_layout_and_with_either_adam(name: str, prepared: Path) -> None:
    """Fused Adam walks through the memory of parameters, gradients and moments side by side."""
    stacks, trained = open_dataset(prepared / "data" / SMOKE), []
    torch.set_default_dtype(torch.float64)
    try:
        for wanted in ({}, {"layout": "nchw"}, {"layout": "nchw", "adam": "foreach"}):
            run = make_run(name)
            state = build_state(run, stacks, CPU, wanted=wanted)
            for state.step in range(3):
                iterate(run, state)
            networks = (state.generator, state.discriminator)
            trained.append(torch.cat([p.detach().flatten() for net in networks for p in net.parameters()]))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(float((other - trained[0]).abs().max()) < 1e-8 for other in trained[1:])


@pytest.mark.parametrize("name", ["B", "E-inverted"])
def test_channels_last_stays_so_through_forward_and_transposed_layers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, kept = losses_of(name, layout="channels-last"), []

    def noting(convolve):  # type: ignore[no-untyped-def]
        def noted(self: layers.Conv2d, x: torch.Tensor) -> torch.Tensor:
            kept.append(x.is_contiguous(memory_format=torch.channels_last) or x.shape[1] == 3 or x.shape[2] == 4)
            y = convolve(self, x)
            kept.append(y.is_contiguous(memory_format=torch.channels_last))
            return y  # type: ignore[no-any-return]

        return noted

    for kind in (layers.Conv2d, layers.ActivatedConv2d):
        monkeypatch.setattr(kind, "forward", noting(kind.forward))
    monkeypatch.setattr(layers.Conv2d, "transpose", noting(layers.Conv2d.transpose))
    gradients(losses)
    assert len(kept) > 50
    assert all(kept)  # images and the 4x4 maps that heads and bases put out aside


def test_resampling_keeps_channels_last() -> None:
    x = torch.randn(2, 6, 8, 8).to(memory_format=torch.channels_last)
    for function in (layers.downsample2x, layers.upsample2x):
        y = function(x)
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(y, function(x.contiguous()), atol=1e-6)


def test_bfloat16_is_used_where_the_paper_uses_it_and_stays_close() -> None:
    losses = losses_of("E-inverted", precision="bf16")
    seen: dict[int, torch.dtype] = {}
    for network in losses.networks:
        for module in network.modules():
            if isinstance(module, layers.Conv2d):
                module.register_forward_hook(lambda m, i, y: seen.__setitem__(y.shape[2], y.dtype))
    low = gradients(losses)
    assert seen == {4: torch.float32, 8: torch.bfloat16, 16: torch.bfloat16}
    full = gradients(losses_of("E-inverted"))
    assert all(g.dtype == torch.float32 for g in low)
    a, b = (torch.cat([g.flatten() for g in side]) for side in (low, full))
    assert 1e-4 < float((a - b).norm() / b.norm()) < 0.1  # rounded, and no more than rounded
    logits = losses.networks[1](torch.randn(2, 3, 16, 16))
    assert logits.dtype == torch.float32


def test_zero_that_flattens_parameters_has_a_layout_of_its_own() -> None:
    generator, _ = build_networks(CONFIGS["B"], SMOKE, 0)
    layouts = [choose_execution(CONFIGS["B"], generator, CPU, {}, zero).layout for zero in (None, 0, 1, 2)]
    assert layouts == ["channels-last", "channels-last", "nchw", "nchw"]
    with pytest.raises(UserError, match="--layout channels-last: not possible with ZeRO 2; use nchw, or --zero 0"):
        choose_execution(CONFIGS["B"], generator, CPU, {"layout": "channels-last"}, 2)


def test_the_papers_resolutions_for_bfloat16() -> None:
    from_px = {name: size.bf16_from_px for name, size in SIZES.items()}
    assert from_px["ffhq-256"] == 32
    assert {from_px[n] for n in ("cifar10", "stackedmnist", "ffhq-64", "imagenet-32", "imagenet-64")} == {8}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of itself: 2.11 still does on the way
@pytest.mark.parametrize(
    ("name", "backend", "compile_as", "augment_p"),
    [("C-r2", "inductor", "graphs", 0.0), ("E-inverted", "aot_eager", "on", 0.7)],
)
def test_compiled_steps_train_the_same(
    name: str, backend: str, compile_as: str, augment_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Generating code takes minutes for a large step: the smaller networks' is generated, the larger step, augmentation
    # included, is traced and differentiated by the compiler and run as it is. Without a GPU "graphs" records none.
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    tiny = replace(SIZES[SMOKE], base_widths=(16, 16))  # compiling takes as long as there are shapes
    monkeypatch.setitem(SIZES, "tiny", tiny)  # type: ignore[arg-type]
    plain, twin = (losses_of(name, torch.float64, "tiny") for _ in range(2))
    compiled = Losses(CONFIGS[name], *twin.networks, compile_as=compile_as)
    expected = gradients(plain, torch.float64, 8, augment_p)
    with inductor.patch(cpp_wrapper=True):  # one file for all kernels of a graph, not a file for each
        found = gradients(compiled, torch.float64, 8, augment_p)
    assert difference(found, expected) < 1e-9


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("A", {"compile": "on"}, "--compile on: A StyleGAN2 needs double backward"),
        ("E", {"compile": "graphs"}, "--compile graphs: CUDA graphs need a GPU; use on or off"),
        ("B", {"precision": "bf16"}, "--precision bf16: B Stripped StyleGAN2 is defined in fp32"),
        ("E", {"precision": "fp16"}, "--precision 'fp16'"),
    ],
)
def test_choices_that_do_not_fit_are_refused(name: str, wanted: dict[str, str], message: str) -> None:
    generator, _ = build_networks(CONFIGS["A" if name == "A" else "B" if name == "B" else "E"], SMOKE, 0)
    with pytest.raises(UserError, match=message):
        choose_execution(CONFIGS[name], generator, CPU, wanted)


def test_a_gpu_gets_the_fast_choices_where_the_configuration_allows() -> None:
    gpu = torch.device("cuda")
    generator, _ = build_networks(CONFIGS["E"], SMOKE, 0)
    fast = choose_execution(CONFIGS["E"], generator, gpu, {})
    assert (fast.layout, fast.precision, fast.compile, fast.adam) == ("channels-last", "bf16", "on", "fused")
    off = choose_execution(CONFIGS["E"], generator, gpu, {name: values[0] for name, values in CHOICES.items()})
    assert (off.layout, off.precision, off.compile, off.adam) == ("nchw", "fp32", "off", "foreach")
    generator, _ = build_networks(CONFIGS["A"], SMOKE, 0)
    plain = choose_execution(CONFIGS["A"], generator, gpu, {})
    assert (plain.precision, plain.compile) == ("fp32", "off")
