"""Both sides of every ratio do the same work: the textbook step gives the gradients of ours."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.approximate import finite_difference
from benchmarks.cases import CASES, SMOKE, Case, data_of, run_of
from benchmarks.growth import STUDY, add_records, exponent
from benchmarks.memory import step_peak_mib
from benchmarks.test_projected import CASES as PROJECTED_CASES
from benchmarks.test_projected import PLAIN, WAYS, Way, state_of
from benchmarks.textbook import Textbook
from r3gan.penalties import PENALISED
from r3gan.study import read_study
from r3gan.tables.registry import find_table
from r3gan.training.draws import random_source
from r3gan.training.state import State, build_state
from r3gan.training.steps import Hyper, discriminator_step, generator_step
from tests.conftest import REPOSITORY, run_in
from tests.helpers import CPU, keep_gradients, write_files

# Config A draws noise inside its networks, in another order on either side.
DETERMINISTIC = [case for case in CASES if case.size == SMOKE and case.config != "A"]


def randomise(state: State) -> None:
    for network in (state.generator, state.discriminator):
        torch.manual_seed(1)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)


@pytest.mark.parametrize("case", DETERMINISTIC, ids=lambda case: case.config)
def test_the_textbook_step_does_what_ours_does(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        run, data = run_of(replace(case, batch=4)), data_of(case)
        hyper = Hyper.at(run.recipe, 0)
        ours, theirs = build_state(run, data, CPU), build_state(run, data, CPU)
        for state in (ours, theirs):
            randomise(state)
        keep_gradients(ours)
        textbook = Textbook(run, theirs)
        for player, step, other, network in (
            ("d", discriminator_step, lambda: textbook.discriminator_step(hyper.gamma), "discriminator"),
            ("g", generator_step, textbook.generator_step, "generator"),
        ):
            z = torch.randn(4, 64, generator=random_source(run.seed, 0, f"{player} z"))
            reals, labels = ours.stream.at(0 if player == "d" else 4, 4)
            known = labels if theirs.generator.classes else None
            monkeypatch.setattr(textbook, "inputs", lambda reals=reals, z=z, known=known: (reals, z, known))
            step(run, ours, hyper)
            other()
            pairs = zip(getattr(ours, network).parameters(), getattr(theirs, network).parameters(), strict=True)
            for a, b in pairs:
                assert a.grad is not None
                assert b.grad is not None
                # RpGAN's logit bias has a gradient of 0, but for rounding on either side.
                assert float((a.grad - b.grad).norm()) <= 1e-8 * float(b.grad.norm()) + 1e-15
            # The learning rate is zero on both sides until here, so G meets the same D.
            randomise(ours)
            randomise(theirs)
    finally:
        torch.set_default_dtype(torch.float32)


def test_finite_differences_are_near_the_exact_penalty() -> None:
    """Along many directions of noise: their mean square is the squared norm of the gradient."""
    run, data = run_of(DETERMINISTIC[-1]), data_of(DETERMINISTIC[-1])
    state = build_state(run, data, CPU, micro=8)
    randomise(state)
    images = state.stream.at(0, 1)[0].expand(2000, -1, -1, -1)
    _, exact = PENALISED["double-backward"](state.discriminator, images[:1], None, None)
    _, quotients = finite_difference(state.discriminator, images)
    assert float((quotients.mean() / exact).detach()) == pytest.approx(1, abs=0.15)


def test_peak_memory_counts_what_a_step_holds_at_once() -> None:
    def step() -> None:
        a = torch.ones(2**18)  # 1 MiB
        b = a + 1
        del a
        c = b + 1
        del b, c

    assert step_peak_mib(step, CPU) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.compiled], ids=lambda way: way.name)
def test_every_way_through_the_frozen_network_gives_the_plain_features(way: Way) -> None:
    found = []
    for each in (PLAIN, way):
        state = state_of(PROJECTED_CASES[0], each)
        state.discriminator.double()
        images = torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        found.append(state.discriminator.frozen[0](images))
    for a, b in zip(*found, strict=True):
        assert float((a - b).norm()) <= 1e-6 * float(a.norm())  # folded in float32, as training has it


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_growth_is_not_hidden_by_the_start_of_a_process(power: float) -> None:
    sizes = (0, 100, 1000)
    assert exponent(sizes, [5 + 0.01 * size**power for size in sizes]) == pytest.approx(power)
    assert exponent(sizes, [5.0, 5.0, 4.9]) == 0


def test_a_grown_clone_has_its_runs_and_their_records(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--shared", REPOSITORY, tmp_path], check=True)
    before = len(read_study(tmp_path / STUDY).evaluated)
    add_records(tmp_path, 10)
    study = read_study(tmp_path / STUDY)
    assert len(study.evaluated) == before + 10
    content = write_files(find_table("table1"), "table1", tmp_path / "results", [study])
    rows = {cell.row: cell.n for cell in content.cells if cell.metric == "digit-frechet"}
    assert rows["A StyleGAN2"] == rows["B Stripped StyleGAN2"] == 3
    assert rows["E + Inverted bottleneck"] == 2


TINY = """
def test_sum(benchmark):
    benchmark.extra_info["ratio"] = 1.0
    benchmark.pedantic(sum, args=([1, 2],), rounds=3)
"""


def test_a_run_is_kept_and_a_later_one_compared_with_it_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/test_tiny.py").write_text(TINY)
    shutil.copy(REPOSITORY / "benchmarks/conftest.py", tmp_path / "benchmarks")
    command = ("pytest", "benchmarks/test_tiny.py", "--benchmark-only", "--benchmark-storage=results/kept")
    kept = run_in(tmp_path, *command, "--benchmark-save=tiny", code=REPOSITORY)
    assert kept.returncode == 0, kept.stdout
    (record,) = tmp_path.glob("results/benchmarks/*/tiny.json")
    (run,) = tmp_path.glob("results/kept/*/0001_tiny.json")
    before = record.read_bytes()
    options = ("--benchmark-compare", "--benchmark-compare-fail=median:10000%")
    compared = run_in(tmp_path, *command, *options, code=REPOSITORY)
    assert compared.returncode == 0, compared.stdout
    assert "test_sum (0001_tiny)" in compared.stdout and "test_sum (NOW)" in compared.stdout
    assert record.read_bytes() == before
    assert list(run.parent.iterdir()) == [run]
