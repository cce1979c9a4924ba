"""D step, G step and whole iteration of every case, each against the textbook's in the same run, round by round.

Both sides take turns, so that a machine that slows down slows both. Results go to results/benchmarks/<hardware>/.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import BENCHMARK_SIZES, CASES, Case, data_of, fits, run_of
from benchmarks.memory import step_peak_mib
from benchmarks.textbook import Textbook
from r3gan import configs
from r3gan.configs import CONFIGS
from r3gan.ema import update_ema
from r3gan.training.memory import keep_freed_memory
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
EMA_BETA = 0.999
ROUNDS = 7


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark's own sizes are known while it runs."""
    for name, size in BENCHMARK_SIZES.items():
        monkeypatch.setitem(configs.SIZES, name, size)  # type: ignore[arg-type]
    keep_freed_memory()


def sides(case: Case) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """For each step ours and the textbook's, on twin states."""
    run, data = run_of(case), data_of(case)
    hyper = Hyper.at(run.recipe, 0)
    ours: State = build_state(run, data, DEVICE, wanted=case.wanted)
    plain = {"layout": "nchw", "precision": "fp32", "compile": "off", "adam": "foreach"}
    theirs = Textbook(run, build_state(run, data, DEVICE, wanted=plain))

    def iteration() -> None:
        discriminator_step(run, ours, hyper)
        generator_step(run, ours, hyper)
        update_ema(ours.ema, ours.generator, EMA_BETA)
        ours.step += 1

    ours.step = 1  # not one of Config A's lazy steps: both sides do the same work
    return {
        "D step": (lambda: discriminator_step(run, ours, hyper), lambda: theirs.discriminator_step(hyper.gamma)),
        "G step": (lambda: generator_step(run, ours, hyper), theirs.generator_step),
        "iteration": (iteration, lambda: theirs.iteration(hyper.gamma, EMA_BETA)),
    }


def steps_of(case: Case) -> tuple[str, ...]:
    """Config A's iterations differ from one another, since its lazy steps come every 4 and 16: it has none to time."""
    lazy = CONFIGS[case.config].penalty_interval > 1
    return ("D step", "G step") if lazy else ("D step", "G step", "iteration")


MEASURED = [(case, step) for case in CASES if fits(case, DEVICE) for step in steps_of(case)]


@pytest.mark.parametrize(("case", "step"), MEASURED, ids=[f"{case.name}, {step}" for case, step in MEASURED])
def test_step(benchmark: BenchmarkFixture, case: Case, step: str) -> None:
    ours, textbook = sides(case)[step]
    textbook_s: list[float] = []

    def other_side() -> None:
        synchronise()
        started = time.perf_counter()
        textbook()
        synchronise()
        textbook_s.append(time.perf_counter() - started)

    def our_side() -> None:
        ours()
        synchronise()

    for _ in range(2):
        other_side()
        our_side()
    textbook_s.clear()
    benchmark.pedantic(our_side, setup=other_side, rounds=ROUNDS)
    ours_s = median(benchmark.stats.stats.data)
    benchmark.extra_info |= {
        "config": case.config,
        "size": case.size,
        "batch": case.batch,
        "step": step,
        **({"way": case.way} if case.way else {}),
        "ours_ms": round(ours_s * 1e3, 3),
        "textbook_ms": round(median(textbook_s) * 1e3, 3),
        "ratio": round(median(textbook_s) / ours_s, 3),
        "img_per_s": round(case.batch / ours_s, 2),
        "rounds": ROUNDS,
        "ours_peak_mib": round(step_peak_mib(our_side, DEVICE), 1),
        "textbook_peak_mib": round(step_peak_mib(textbook, DEVICE), 1),
        "gmac_per_image": case.gmac_per_image,
    }
