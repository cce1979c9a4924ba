"""Milliseconds of one D step and one G step of every configuration at smoke size, penalties by both ways."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from r3gan.configs import CONFIGS
from r3gan.data.loader import Dataset
from r3gan.penalties import PENALISED
from r3gan.training.run import Run
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step

DATASET = "stackedmnist5k-16"
ROWS = [name for name in CONFIGS if DATASET in CONFIGS[name].recipes]


def make_state(name: str, penalty: str) -> tuple[Run, State, Hyper]:
    config = replace(CONFIGS[name], penalty=penalty)
    recipe = config.recipe(DATASET)
    run = Run(scale="bench", config_name=name, config=config, recipe=recipe, dataset=DATASET, seed=0)
    images = np.random.default_rng(0).integers(256, size=(1024, 3, 16, 16), dtype=np.uint8)
    data = Dataset(name=DATASET, manifest={}, images=images, labels=np.zeros(1024, dtype=np.int64))
    torch.set_num_threads(1)
    return run, build_state(run, data, torch.device("cpu")), Hyper.at(recipe, 0)


CASES = [(name, way) for name in ROWS for way in PENALISED if way in ("double-backward", CONFIGS[name].penalty)]


@pytest.mark.parametrize(("name", "penalty"), CASES)
def test_discriminator_step(benchmark: BenchmarkFixture, name: str, penalty: str) -> None:
    run, state, hyper = make_state(name, penalty)
    benchmark.pedantic(discriminator_step, (run, state, hyper), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("name", ROWS)
def test_generator_step(benchmark: BenchmarkFixture, name: str) -> None:
    run, state, hyper = make_state(name, CONFIGS[name].penalty)
    benchmark.pedantic(generator_step, (run, state, hyper), rounds=5, warmup_rounds=1)
