"""The training step against a textbook one, what each step moves, repeatability, divergence."""

import copy
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import r3gan
from r3gan.adam import Adam
from r3gan.configs import CONFIGS
from r3gan.configs.projected import PROJECTED
from r3gan.configs.recipe import described
from r3gan.data.loader import Dataset, open_dataset
from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.metrics.evaluate import Plan, evaluate
from r3gan.metrics.extractors import ExtractorPaths
from r3gan.records import store
from r3gan.schedules import Ramp
from r3gan.training import loop
from r3gan.training.draws import random_source
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step
from tests.conftest import REPOSITORY, environment
from tests.helpers import CPU, SMOKE, keep_gradients, make_run

ROWS = [name for name in CONFIGS if SMOKE in CONFIGS[name].recipes and name not in PROJECTED]


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def options(folder: Path) -> loop.Options:
    return loop.Options(out=folder / "out", work=folder / "work", device=CPU)


def step_inputs(state: State, player: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Reals and z of the first step."""
    z = torch.randn(8, 64, generator=random_source(0, 0, f"{player} z"))
    return state.stream.at(0 if player == "d" else 8, 8)[0], z


def moved(before: dict[str, torch.Tensor], net: torch.nn.Module) -> bool:
    """Whether any weight did; running averages may."""
    return any(not torch.equal(before[key], value) for key, value in net.named_parameters())


@pytest.mark.parametrize("name", ROWS)
def test_each_step_moves_its_own_network_only_and_measures_what_it_should(name: str, stacks: Dataset) -> None:
    run = make_run(name)
    state = build_state(run, stacks, CPU)
    hyper = Hyper.at(run.recipe, 0)
    g, d = copy.deepcopy(state.generator.state_dict()), copy.deepcopy(state.discriminator.state_dict())
    measured = discriminator_step(run, state, hyper)
    assert set(measured) == {"loss_d", *run.config.penalties}
    assert moved(d, state.discriminator)
    assert not moved(g, state.generator)
    d = copy.deepcopy(state.discriminator.state_dict())
    measured = generator_step(run, state, hyper)
    assert set(measured) == {"loss_g"} | ({"path_length"} if run.config.path_length else set())
    assert moved(g, state.generator)
    assert not moved(d, state.discriminator)
    assert all(p.requires_grad for p in state.discriminator.parameters())


@pytest.mark.usefixtures("double")
def test_step_of_d_equals_the_textbook_step(stacks: Dataset) -> None:
    run = make_run("E-inverted", gamma=Ramp(0.7, 0.7))
    state, twin = (build_state(run, stacks, CPU) for _ in range(2))
    for net in (state.discriminator, twin.discriminator):
        torch.manual_seed(1)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    hyper = Hyper.at(run.recipe, 0)
    keep_gradients(state)
    discriminator_step(run, state, hyper)

    reals, z = step_inputs(twin, "d")
    fakes = twin.generator(z).detach()
    reals.requires_grad_(True)
    fakes.requires_grad_(True)
    d_real, d_fake = twin.discriminator(reals), twin.discriminator(fakes)
    (g_real,) = torch.autograd.grad(d_real.sum(), reals, create_graph=True)
    (g_fake,) = torch.autograd.grad(d_fake.sum(), fakes, create_graph=True)
    r1, r2 = (g.square().sum(dim=(1, 2, 3)) for g in (g_real, g_fake))
    loss = (torch.log1p(torch.exp(d_fake - d_real)) + 0.7 / 2 * (r1 + r2)).mean()
    loss.backward()
    ours = [p.grad for p in state.discriminator.parameters()]
    for a, p in zip(ours, twin.discriminator.parameters(), strict=True):
        assert a is not None
        assert p.grad is not None
        assert float((a - p.grad).norm()) <= 1e-9 * float(p.grad.norm())


@pytest.mark.usefixtures("double")
def test_step_of_g_equals_the_textbook_step(stacks: Dataset) -> None:
    run = make_run("D-noskip")
    state, twin = (build_state(run, stacks, CPU) for _ in range(2))
    keep_gradients(state)
    generator_step(run, state, Hyper.at(run.recipe, 0))
    reals, z = step_inputs(twin, "g")
    d_fake, d_real = twin.discriminator(twin.generator(z)), twin.discriminator(reals)
    torch.log1p(torch.exp(d_real.detach() - d_fake)).mean().backward()
    for a, b in zip(state.generator.parameters(), twin.generator.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert float((a.grad - b.grad).norm()) <= 1e-9 * max(float(b.grad.norm()), 1e-9)


def test_adam_has_the_published_settings_and_follows_the_schedule(stacks: Dataset) -> None:
    run = make_run("E-inverted", lr=Ramp(2e-4, 5e-5), beta2=Ramp(0.9, 0.99), burn_in_kimg=0.032)
    state = build_state(run, stacks, CPU)
    discriminator_step(run, state, Hyper.at(run.recipe, 16))  # half-way
    group = state.discriminator_engine.optimiser.param_groups[0]  # type: ignore[attr-defined]
    assert group["lr"] == pytest.approx((2e-4 + 5e-5) / 2)
    assert group["betas"] == pytest.approx((0.0, 0.945))
    assert group["eps"] == 1e-8
    assert group["weight_decay"] == 0


@pytest.mark.parametrize("fused", [True, False])
def test_adam_equals_torch_s_bit_for_bit(fused: bool) -> None:
    trained = []
    for kind in (Adam, torch.optim.Adam):
        parameters = [torch.nn.Parameter(torch.linspace(-1, 1, n)) for n in (3, 1000)]
        optimiser = kind(parameters, lr=1e-2, betas=(0.3, 0.9), fused=fused, foreach=not fused)
        for step in range(5):
            optimiser.zero_grad()
            sum((p * (p + step).sin()).sum() for p in parameters).backward()  # type: ignore[union-attr]
            optimiser.step()
        trained.append([*parameters, *(value for p in parameters for value in optimiser.state[p].values())])
    assert all(torch.equal(one, two) for one, two in zip(*trained, strict=True))


def test_training_without_compilation_does_not_import_the_compiler(prepared: Path, tmp_path: Path) -> None:
    """It takes seconds of a process's start."""
    program = (
        "import sys; from r3gan.cli import main; code = main(sys.argv[1:]);"
        "assert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules; sys.exit(code)"
    )
    arguments = f"train --config E --dataset {SMOKE} --data {prepared / 'data' / SMOKE} --total-kimg 0.016 --device cpu"
    command = [sys.executable, "-c", program, *arguments.split()]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment(REPOSITORY), timeout=300)


@pytest.mark.parametrize("instructions", [None, "avx512_bf16"])
def test_emulated_bfloat16_is_warned_of(
    instructions: str | None, stacks: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(loop, "bf16_instructions", lambda: instructions)
    loop.train(make_run("E", total_kimg=0.008), stacks, replace(options(tmp_path), wanted={"precision": "bf16"}))
    warned = "warning: --precision bf16: this processor has no known instructions" in capsys.readouterr().err
    assert warned == (instructions is None)


def test_lazy_regularisation_of_a_comes_every_16_and_every_4_steps_at_shortened_steps(stacks: Dataset) -> None:
    run = make_run("A")
    state = build_state(run, stacks, CPU)
    hyper = Hyper.at(run.recipe, 0)
    penalised, lengthened = [], []
    for state.step in range(17):
        penalised.append("r1" in discriminator_step(run, state, hyper))
        lengthened.append("path_length" in generator_step(run, state, hyper))
    assert [i for i, yes in enumerate(penalised) if yes] == [0, 16]
    assert [i for i, yes in enumerate(lengthened) if yes] == [0, 4, 8, 12, 16]
    engines = (state.discriminator_engine, state.generator_engine)
    d, g = (engine.optimiser.param_groups[0] for engine in engines)  # type: ignore[attr-defined]
    assert d["lr"] == pytest.approx(hyper.lr * 16 / 17)
    assert g["lr"] == pytest.approx(hyper.lr * 4 / 5)
    assert d["betas"][1] == pytest.approx(0.99 ** (16 / 17))
    assert float(state.path_length_mean) > 0


def test_same_seed_gives_the_same_files_and_another_seed_others(stacks: Dataset, tmp_path: Path) -> None:
    weights = []
    for folder, seed in (("one", 0), ("two", 0), ("three", 1)):
        run = replace(make_run("E-inverted"), seed=seed)
        record = loop.train(run, stacks, options(tmp_path / folder))
        assert record.outcome == "trained"
        assert record.images_seen == 32
        weights.append(load_file(tmp_path / folder / "out/generator.safetensors"))
    one, two, three = weights
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], three[key]) for key in one)


def test_a_run_leaves_its_curve_its_record_and_grids(stacks: Dataset, tmp_path: Path) -> None:
    run = make_run("A", total_kimg=0.04)
    loop.train(run, stacks, options(tmp_path))
    curve = pd.read_csv(tmp_path / "out/loss.csv")
    assert {"kimg", "loss_d", "loss_g", "r1", "path_length", "lr", "gamma", "img_per_s"} <= set(curve.columns)
    assert curve["kimg"].iloc[-1] == pytest.approx(0.04)
    assert curve["loss_d"].notna().all()
    record = read_json(tmp_path / "out/train.json", "")
    assert record["recipe"]["batch"] == 8
    assert record["provenance"]["device"]["type"] == "cpu"
    assert record["data"]["sha256"] == stacks.manifest["sha256"]
    assert list((tmp_path / "work").glob("samples-*.png"))


def test_divergence_is_a_recorded_outcome(stacks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run("C-r2", lr=Ramp(1e30, 1e30), total_kimg=0.4)
    iterate = loop.iterate
    monkeypatch.setattr(loop, "iterate", lambda run, state: (time.sleep(0.1), iterate(run, state))[1])
    record = loop.train(run, stacks, options(tmp_path))
    assert record.seconds >= 0.1 * record.steps >= 0.1
    assert record.outcome == "Fail"
    assert "loss" in record.fail_reason or "r1" in record.fail_reason or "r2" in record.fail_reason
    assert record.fail_step * 8 == record.images_seen < 400
    assert read_json(tmp_path / "out/train.json", "")["outcome"] == "Fail"


@pytest.mark.parametrize(
    ("settings", "penalty"),
    [
        ({"activation": "gelu"}, "double-backward"),
        ({"activation": "swish"}, "double-backward"),
        ({"norm": "group"}, "double-backward"),
        ({"z_dim": 32}, "transposed"),
    ],
)
def test_a_variant_of_the_networks_is_trained_measured_and_drawn_from(
    stacks: Dataset, tmp_path: Path, settings: dict[str, object], penalty: str
) -> None:
    config, recipe = CONFIGS["E-inverted"].changed(SMOKE, {"batch": 8} | settings)
    run = replace(
        make_run("E-inverted"),
        config_name="E-inverted.variant",
        config=config,
        recipe=replace(recipe, total_kimg=0.016),
    )
    record = loop.train(run, stacks, options(tmp_path))
    assert (record.outcome, record.penalty) == ("trained", penalty)
    assert record.networks == described(CONFIGS["E-inverted"].networks) | settings
    assert set(settings) <= set(record.unpublished)
    plan = Plan(metrics=(), samples=8, paths=ExtractorPaths(weights=tmp_path), cache=tmp_path / "cache")
    measured = evaluate(tmp_path / "out", stacks, plan, tmp_path / "measured", CPU)
    assert measured.generator_sha256 == record.generator_sha256
    sampler = r3gan.load(tmp_path / "out")
    assert sampler.z_dim == settings.get("z_dim", 64)
    assert sampler.sample([0, 1]).shape == (2, 3, 16, 16)


def test_a_record_of_other_networks_is_refused(stacks: Dataset, tmp_path: Path) -> None:
    record = loop.train(make_run("B", total_kimg=0.008), stacks, options(tmp_path))
    for changed, reason in (
        ({"family": "R3GAN"}, "they are R3GAN, not Stripped"),
        ({"z_dim": "wide"}, "Expected `int`, got `str`"),
    ):
        networks = record.networks | changed
        store.write(tmp_path / "out/train.json", msgspec.structs.replace(record, networks=networks))
        with pytest.raises(UserError, match=rf"train.json: `networks` cannot be built \({reason}"):
            r3gan.load(tmp_path / "out")


def test_data_of_another_set_is_refused_before_anything_is_written(prepared: Path, tmp_path: Path) -> None:
    digits = open_dataset(prepared / "data/mnist5k-16")
    with pytest.raises(UserError, match="--data holds mnist5k-16"):
        loop.train(make_run("B"), digits, options(tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "kimg", "factor"), [("loss-rpgan-r1r2", 6, 1.5), ("dcgan", 20, 4)])
def test_a_short_run_learns(name: str, kimg: float, factor: float, fitted: Path, tmp_path: Path) -> None:
    """The distance to the reals falls below that of the untrained G by `factor`; seeds have shown 2 and 10."""
    run = make_run(name, total_kimg=kimg, batch=CONFIGS[name].recipe(SMOKE).batch)
    dataset = open_dataset(fitted / "data" / SMOKE)
    loop.train(run, dataset, options(tmp_path))
    paths = ExtractorPaths(weights=tmp_path, classifier=fitted / "runs/classifier/mnist5k-16")
    plan = Plan(metrics=("digit-frechet",), samples=1000, paths=paths, cache=tmp_path / "cache")
    found = evaluate(tmp_path / "out", dataset, plan, tmp_path / "results", CPU).metrics["digit-frechet"]
    assert factor * found.value < found.untrained
    assert found.untrained > 30


def test_dcgan_sees_reals_and_fakes_apart_and_moves_with_momentum(stacks: Dataset) -> None:
    run = make_run("dcgan")
    state = build_state(run, stacks, CPU)
    batches: list[int] = []
    state.discriminator.register_forward_pre_hook(lambda module, inputs: batches.append(len(inputs[0])))
    measured = discriminator_step(run, state, Hyper.at(run.recipe, 0))
    assert batches == [8, 8]  # batch norm must not mix the two sides
    assert set(measured) == {"loss_d"}  # no penalty
    assert state.discriminator_engine.optimiser.param_groups[0]["betas"] == (0.5, 0.999)  # type: ignore[attr-defined]
