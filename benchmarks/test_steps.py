"""D step, G step and whole iteration of every case, each against the textbook's in the same run, round by round.

Both sides take turns, so that a machine that slows down slows both. Results go to results/benchmarks/<hardware>/.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.approximate import finite_difference
from benchmarks.cases import BENCHMARK_SIZES, CASES, LAZY_INTERVAL, Case, data_of, fits, run_of
from benchmarks.memory import step_peak_mib
from benchmarks.official import Official
from benchmarks.textbook import Textbook
from r3gan import configs
from r3gan.configs import CONFIGS
from r3gan.ema import update_ema
from r3gan.training.memory import keep_freed_memory
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
EMA_BETA = 0.999
ROUNDS = 7 if DEVICE.type == "cpu" else 5
OFFICIAL = os.environ.get("OFFICIAL")  # a clone of the authors' repository, whose networks and trainer take turns too
# One thread's own time is not lengthened by other processes on its core, as the time of day is.
CLOCK = time.process_time if DEVICE.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
Steps = dict[str, Callable[[], object]]  # one step of each side


if OFFICIAL and not (Path(OFFICIAL) / "R3GAN/Networks.py").is_file():
    pytest.exit(f"OFFICIAL={OFFICIAL} is not a clone of https://github.com/brownvc/R3GAN", 2)


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark's own sizes are known while it runs."""
    for name, size in BENCHMARK_SIZES.items():
        monkeypatch.setitem(configs.SIZES, name, size)  # type: ignore[arg-type]
    keep_freed_memory()


BUILT: dict[Case, dict[str, Steps]] = {}  # of one case, whose steps follow one another: compiling takes a minute


def sides(case: Case) -> dict[str, Steps]:
    """What `build_sides` gives, once per case."""
    if case not in BUILT:
        BUILT.clear()  # before the next is built, since a GPU may not hold both
        BUILT[case] = build_sides(case)
    return BUILT[case]


def build_sides(case: Case) -> dict[str, Steps]:
    """For each step ours, the textbook's and, where a clone is given, the official one, on states of equal weights."""
    run, data = run_of(case), data_of(case)
    hyper = Hyper.at(run.recipe, 0)
    ours: State = build_state(run, data, DEVICE, wanted=case.wanted)
    plain = {"layout": "nchw", "precision": "fp32", "compile": "off", "adam": "foreach"}
    exact = run_of(replace(case, penalty="exact"))  # which the other sides do whatever ours is
    others: dict[str, Textbook | Official] = {
        "textbook": Textbook(exact, build_state(exact, data, DEVICE, wanted=plain))
    }
    if OFFICIAL and case.config in ("E", "E-inverted"):  # which it has
        precise = plain | {"precision": ours.execution.precision}
        others["official"] = Official(Path(OFFICIAL), run, build_state(run, data, DEVICE, wanted=precise))
    if case.penalty == "finite-difference":
        ours.losses.penalised = finite_difference

    def discriminator_steps() -> None:
        for _ in range(steps_a_call(case)):
            discriminator_step(run, ours, hyper)
            ours.step += steps_a_call(case) > 1

    def iteration() -> None:
        discriminator_step(run, ours, hyper)
        generator_step(run, ours, hyper)
        update_ema(ours.ema, ours.generator, EMA_BETA)
        ours.step += 1

    ours.step = 1  # not one of Config A's lazy steps: both sides do the same work
    found: dict[str, Steps] = {
        "D step": {"ours": discriminator_steps},
        "G step": {"ours": partial(generator_step, run, ours, hyper)},
        "iteration": {"ours": iteration},
    }
    for name, side in others.items():
        found["D step"][name] = partial(side.discriminator_step, hyper.gamma)
        found["G step"][name] = side.generator_step
        found["iteration"][name] = partial(side.iteration, hyper.gamma, EMA_BETA)
    return found


def steps_a_call(case: Case) -> int:
    """Lazy penalties come once in so many steps, which are timed together."""
    return LAZY_INTERVAL if case.penalty == "lazy" else 1


def steps_of(case: Case) -> tuple[str, ...]:
    """Config A's iterations differ from one another, since its lazy steps come every 4 and 16: it has none to time."""
    if case.penalty != "exact":
        return ("D step",)
    lazy = CONFIGS[case.config].penalty_interval > 1
    return ("D step", "G step") if lazy else ("D step", "G step", "iteration")


MEASURED = [(case, step) for case in CASES if fits(case, DEVICE) for step in steps_of(case)]


@pytest.mark.parametrize(("case", "step"), MEASURED, ids=[f"{case.name}, {step}" for case, step in MEASURED])
def test_step(benchmark: BenchmarkFixture, case: Case, step: str) -> None:
    works = sides(case)[step]
    seconds: dict[str, list[float]] = {side: [] for side in works}

    def take_turns() -> None:
        for side, work in works.items():
            synchronise()
            started = CLOCK()
            work()
            synchronise()
            seconds[side].append(CLOCK() - started)

    benchmark.pedantic(take_turns, warmup_rounds=2, rounds=ROUNDS)
    seconds["ours"] = [value / steps_a_call(case) for value in seconds["ours"]]
    rounds_ms = {side: [round(value * 1e3, 3) for value in found[-ROUNDS:]] for side, found in seconds.items()}
    ms = {side: median(found) for side, found in rounds_ms.items()}
    benchmark.extra_info |= {
        "config": case.config,
        "size": case.size,
        "batch": case.batch,
        "step": step,
        **({"way": case.way} if case.way else {}),
        **{f"{side}_ms": value for side, value in ms.items()},
        "ratio": round(ms["textbook"] / ms["ours"], 3),
        "img_per_s": round(case.batch / ms["ours"] * 1e3, 2),
        "rounds": ROUNDS,
        "rounds_ms": rounds_ms,
        "ours_peak_mib": round(step_peak_mib(works["ours"], DEVICE), 1),
        "textbook_peak_mib": round(step_peak_mib(works["textbook"], DEVICE), 1),
        "gmac_per_image": case.gmac_per_image,
    }
