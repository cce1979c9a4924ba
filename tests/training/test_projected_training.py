"""Projected GAN and FastGAN in the project's own training loop: what moves, what does not, what is kept."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from r3gan import diffaug
from r3gan.data.loader import Dataset, open_dataset
from r3gan.losses import OBJECTIVES
from r3gan.training import checkpoint, loop, memory
from r3gan.training.draws import random_source
from r3gan.training.state import build_networks, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step, micro_batches
from tests.helpers import CPU, SMOKE, make_run

KINDS = ("fastgan", "projected-fastgan", "projected-stylegan2-release", "projected-A", "projected-E")


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in net.named_parameters()}


def moved(before: dict[str, torch.Tensor], net: torch.nn.Module) -> bool:
    return any(not torch.equal(before[name], value) for name, value in net.named_parameters())


@pytest.mark.parametrize("name", KINDS)
def test_each_step_moves_its_own_network_and_never_what_is_frozen(name: str, stacks: Dataset) -> None:
    run = make_run(name, batch=4)
    state = build_state(run, stacks, CPU)
    hyper = Hyper.at(run.recipe, 0)
    frozen = [copy.deepcopy(net.state_dict()) for net in state.discriminator.frozen]
    g, d = weights(state.generator), weights(state.discriminator)
    measured = discriminator_step(run, state, hyper)
    assert set(measured) == {"loss_d"} | ({"reconstruction"} if name == "fastgan" else set())
    assert moved(d, state.discriminator)
    assert not moved(g, state.generator)
    d = weights(state.discriminator)
    assert set(generator_step(run, state, hyper)) == {"loss_g"}
    assert moved(g, state.generator)
    assert not moved(d, state.discriminator)
    for before, net in zip(frozen, state.discriminator.frozen, strict=True):
        assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
        assert all(p.grad is None and not p.requires_grad for p in net.parameters())


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("name", "reduce"), [("projected-fastgan", "sum"), ("projected-fastgan-release", "mean")])
def test_step_of_d_equals_the_textbook_step(name: str, reduce: str, stacks: Dataset) -> None:
    run = make_run(name, batch=4)
    state, twin = (build_state(run, stacks, CPU) for _ in range(2))
    twin.discriminator.frozen = build_networks(run.config, SMOKE, run.seed)[1].frozen  # as built: batch norms, NCHW
    assert len(list(state.discriminator.frozen[0].modules())) != len(list(twin.discriminator.frozen[0].modules()))
    state.discriminator_engine.optimiser.zero_grad = lambda set_to_none: None  # type: ignore[attr-defined]
    discriminator_step(run, state, Hyper.at(run.recipe, 0))
    reals = twin.stream.at(0, 4)[0]
    with torch.no_grad():
        fakes = twin.generator(torch.randn(4, 256, generator=random_source(0, 0, "d z")))
    logits = []
    for side, images in (("real", reals), ("fake", fakes)):
        table = diffaug.draw(4, random_source(0, 0, f"d {side} view"))
        logits.append(twin.discriminator(diffaug.augmentation(table, 1.0, 3, 16).apply(images)))
    losses = (1 - logits[0]).clamp(min=0) + (1 + logits[1]).clamp(min=0)  # [N, 4, P]
    (sum(losses[:, k].mean() for k in range(4)) if reduce == "sum" else losses.mean()).backward()
    for a, b in zip(state.discriminator.parameters(), twin.discriminator.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert float((a.grad - b.grad).norm()) <= 1e-9 * max(float(b.grad.norm()), 1e-6)


def test_hinge_losses_match_hand_computed_values() -> None:
    real, fake = torch.tensor([[[2.0, 0.5], [0.0, -1.0]]]), torch.tensor([[[-3.0, 0.0], [1.0, -0.5]]])
    by_mean, by_sum = OBJECTIVES["hinge-mean"], OBJECTIVES["hinge-sum"]
    losses = by_mean.discriminator(real, fake)
    assert losses.tolist() == [[[0.0, 1.5], [3.0, 2.5]]]
    assert float(by_mean.reduce(losses)) == pytest.approx(7 / 4)
    assert float(by_sum.reduce(losses)) == pytest.approx(1.5 / 2 + 5.5 / 2)
    assert by_mean.generator(real, fake).tolist() == [[[3.0, 0.0], [-1.0, 0.5]]]
    assert not by_sum.generator_sees_reals


def test_augmentation_does_not_depend_on_the_micro_batch(stacks: Dataset) -> None:
    run = make_run("projected-fastgan")
    whole, halves = (build_state(run, stacks, CPU, micro=micro) for micro in (8, 4))
    hyper = Hyper.at(run.recipe, 0)
    (batch,), parts = micro_batches(run, whole, hyper, "d"), list(micro_batches(run, halves, hyper, "d"))
    assert batch.real_view is not None
    seen = torch.cat([part.real_view.apply(part.reals) for part in parts if part.real_view])
    assert torch.allclose(seen, batch.real_view.apply(batch.reals), atol=1e-6)


def test_the_micro_batch_leaves_room_for_the_frozen_network(monkeypatch: pytest.MonkeyPatch) -> None:
    _, discriminator = build_networks(make_run("projected-fastgan").config, SMOKE, 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    fitting = memory.images_that_fit(discriminator, (3, 16, 16), 0, CPU)
    assert fitting < 10**9 / (4 * memory.KEPT_PER_FORWARD * 32 * 32 * 32)  # the first convolution alone
    assert all(module.training for module in discriminator.modules())


@pytest.mark.parametrize("name", ["fastgan", "projected-fastgan"])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    name: str, stacks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def options(folder: str) -> loop.Options:
        return loop.Options(
            out=tmp_path / folder / "out", work=tmp_path / folder / "work", device=CPU, checkpoint_seconds=0
        )

    # A run of 2 steps, taken up again for 4: the loss curve's ticks lie elsewhere, and change nothing.
    assert loop.train(make_run(name, batch=4, total_kimg=0.016), stacks, options("whole")).outcome == "trained"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "discard", lambda folder, keep: None)
        loop.train(make_run(name, batch=4, total_kimg=0.008), stacks, options("cut"))
    kept = load_file(sorted((tmp_path / "cut" / "work" / "checkpoints").glob(checkpoint.PATTERN))[-1])
    record = loop.train(make_run(name, batch=4, total_kimg=0.016), stacks, options("cut"))
    assert record.continued_at_images == (8,)
    whole, cut = (load_file(tmp_path / folder / "out/generator.safetensors") for folder in ("whole", "cut"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    of_d = sum(value.numel() for key, value in kept.items() if key.startswith("discriminator/"))
    assert of_d < 200_000  # the frozen network alone has 3.7 million
    assert of_d > 90_000


def test_the_recipe_s_description_names_the_family_within(stacks: Dataset) -> None:
    run = make_run("projected-E")
    networks = run.describe()["networks"]
    assert networks["family"] == "Projected"
    assert networks["player"]["family"] == "R3GAN"
    other = replace(run, config=replace(run.config, networks=make_run("projected-A").config.networks))
    assert other.digest() != run.digest()
