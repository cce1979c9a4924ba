"""Steps of Projected GAN and FastGAN, mostly a frozen feature network: variants of computing it against the plain one.

Each way and the plain one take turns on the same weights and batch: features of reals and of fakes alone, the way back
through them to the images, and whole D and G steps. Results go to results/benchmarks/<hardware>/projected.json.
"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from benchmarks.cases import SMOKE, Case, data_of, fits, run_of
from benchmarks.memory import step_peak_mib
from r3gan.configs import SIZES
from r3gan.models.backbones import fold_batch_norms
from r3gan.training.memory import keep_freed_memory
from r3gan.training.state import State, build_networks, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CASES = (
    Case(config="projected-fastgan", size=SMOKE, batch=8, devices=("cpu",)),
    Case(config="fastgan", size=SMOKE, batch=8, devices=("cpu",)),
    Case(config="projected-fastgan", size="cifar10", batch=8, devices=("cpu",)),  # features of 224 px, as published
    Case(config="projected-fastgan", size="cifar10", batch=64, devices=("cuda",)),
    Case(config="projected-fastgan", size="lsun-church-256", batch=64, devices=("cuda",)),
    Case(config="fastgan", size="lsun-church-256", batch=64, devices=("cuda",)),
)
ROUNDS: Mapping[str, int] = {SMOKE: 9}  # elsewhere fewer, since a round takes seconds
FEW_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to compute what is frozen; `all_channels_last` lays the trained networks out so too."""

    name: str
    folded: bool = False
    channels_last: bool = False
    all_channels_last: bool = False
    compiled: bool = False
    one_pass: bool = False  # of reals and fakes together, where nothing else is timed

    def arranged(self, frozen: nn.Module) -> nn.Module:
        if self.folded:
            fold_batch_norms(frozen)
        if self.channels_last:
            frozen.to(memory_format=torch.channels_last)
        return torch.compile(frozen) if self.compiled else frozen


PLAIN = Way(name="plain")
DEFAULT = Way(name="folded, all channels last (default)", folded=True, channels_last=True, all_channels_last=True)
WAYS = (
    Way(name="batch norms folded", folded=True),
    Way(name="frozen channels last", channels_last=True),
    Way(name="folded, frozen channels last", folded=True, channels_last=True),
    DEFAULT,
    Way(name="folded, compiled", folded=True, compiled=True),
    Way(name="folded, frozen channels last, one pass", folded=True, channels_last=True, one_pass=True),
)


def steps_of(case: Case, way: Way) -> tuple[str, ...]:
    """What is timed. Compiling takes minutes on a CPU, so there only where the maps are small."""
    if way.compiled and DEVICE.type == "cpu" and case != CASES[0]:
        return ()
    if way.one_pass:
        return ("features",) if case.config != "fastgan" else ()
    return ("features", "features and back", "D step", "G step") if case.config != "fastgan" else ("D step",)


MEASURED = [(c, step, way) for c in CASES if fits(c, DEVICE) for way in WAYS for step in steps_of(c, way)]


@functools.cache
def state_of(case: Case, way: Way) -> State:
    """The state before the first step with what is frozen computed in this way."""
    run = run_of(case)
    state = build_state(run, data_of(case), DEVICE, wanted={"layout": "nchw", "precision": "fp32"}, micro=case.batch)
    frozen = build_networks(run.config, run.dataset, run.seed)[1].frozen  # as built: the state's are arranged already
    state.discriminator.frozen = tuple(way.arranged(network.to(DEVICE)) for network in frozen)
    if way.all_channels_last:
        for network in (state.generator, state.discriminator):
            network.to(memory_format=torch.channels_last)
    return state


def step_of(case: Case, step: str, way: Way) -> Callable[[], object]:
    state, run = state_of(case, way), run_of(case)
    hyper = Hyper.at(run.recipe, 0)
    px = SIZES[case.size].feature_px
    reals, fakes = torch.randn(2, case.batch, 3, px, px, device=DEVICE)
    frozen = state.discriminator.frozen[0]

    @torch.no_grad()
    def features() -> None:
        for images in (torch.cat([reals, fakes]),) if way.one_pass else (reals, fakes):
            frozen(images)

    def features_and_back() -> None:
        images = fakes.detach().requires_grad_(True)
        torch.stack([maps.square().sum() for maps in frozen(images)]).sum().backward()

    return {
        "features": features,
        "features and back": features_and_back,
        "D step": lambda: discriminator_step(run, state, hyper),
        "G step": lambda: generator_step(run, state, hyper),
    }[step]


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


@pytest.mark.parametrize(
    ("case", "step", "way"), MEASURED, ids=[f"{case.name}, {step}, {way.name}" for case, step, way in MEASURED]
)
def test_way(benchmark: BenchmarkFixture, case: Case, step: str, way: Way) -> None:
    keep_freed_memory()
    this, plain = step_of(case, step, way), step_of(case, step, PLAIN)
    plain_s: list[float] = []

    def other_side() -> None:
        synchronise()
        started = time.perf_counter()
        plain()
        synchronise()
        plain_s.append(time.perf_counter() - started)

    def this_side() -> None:
        this()
        synchronise()

    for _ in range(2):
        other_side()
        this_side()
    plain_s.clear()
    rounds = ROUNDS.get(case.size, FEW_ROUNDS)
    benchmark.pedantic(this_side, setup=other_side, rounds=rounds)
    this_s = median(benchmark.stats.stats.data)
    benchmark.extra_info |= {
        "config": case.config,
        "size": case.size,
        "batch": case.batch,
        "step": step,
        "way": way.name,
        "ours_ms": round(this_s * 1e3, 3),
        "textbook_ms": round(median(plain_s) * 1e3, 3),
        "ratio": round(median(plain_s) / this_s, 3),
        "img_per_s": round(case.batch / this_s, 2),
        "rounds": rounds,
        "ours_peak_mib": round(step_peak_mib(this_side, DEVICE), 1),
        "textbook_peak_mib": round(step_peak_mib(plain, DEVICE), 1),
        "gmac_per_image": None,
    }
