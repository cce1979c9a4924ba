"""Intervals over training seeds: by hand, inside of what a quantity can be, and stated for every metric."""

from math import e

import pytest

from r3gan.metrics import METRICS
from r3gan.tables.cell import read_table_file
from r3gan.tables.intervals import INTERVALS, interval_notes, interval_of
from tests.conftest import REPOSITORY

T2 = 4.302653  # the 97.5% quantile of Student's t with two degrees of freedom


def test_a_distance_has_the_interval_of_its_mean_logarithm() -> None:
    # Logarithms 0, 1, 2: mean 1, standard deviation 1.
    half = T2 / 3**0.5
    assert interval_of("digit-frechet", [1.0, e, e**2]) == pytest.approx((e ** (1 - half), e ** (1 + half)), rel=1e-6)
    # Linear, the lower end would be -28.
    low, high = interval_of("digit-frechet", [2.0, 3.0, 30.0]) or (0.0, 0.0)
    assert 0 < low < 2 and high > 30
    assert interval_of("digit-frechet", [0.0, 1.0, 2.0]) == pytest.approx((0.0, 1 + half))  # no logarithm


def test_modes_have_the_interval_of_their_mean_up_to_the_last_mode() -> None:
    half = T2 * 5 / 3**0.5
    assert interval_of("modes", [990.0, 995.0, 1000.0]) == pytest.approx((995 - half, 1000.0), rel=1e-6)
    assert interval_of("recall", [0.0, 0.1, 0.2]) == pytest.approx((0.0, 0.1 + T2 * 0.1 / 3**0.5), rel=1e-6)
    low, _ = interval_of("kid", [-0.001, 0.001, 0.003]) or (0.0, 0.0)
    assert low < -0.001  # an unbiased estimate can be negative


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0, 3.0]])
def test_without_spread_there_is_no_interval(values: list[float]) -> None:
    assert interval_of("digit-frechet", values) is None
    assert interval_of("modes", values) is None


def test_every_metric_says_which_interval_it_has() -> None:
    assert set(METRICS) <= set(INTERVALS)
    # Where 0 is best, numbers are multiples of each other, but for unbiased estimates.
    assert {name for name in METRICS if INTERVALS[name].by_factor} == {
        name for name, metric in METRICS.items() if metric.better == "lower" and "unbiased" not in metric.protocol
    }


def test_notes_name_the_quantities() -> None:
    lines = interval_notes(["digit-frechet", "modes", "kl", "digit-frechet"])
    assert len(lines) == 2
    assert "logarithm" in lines[0] and "digit-frechet, kl" in lines[0] and "modes" in lines[1]
    assert interval_notes(["step_ms"]) == []


def test_no_committed_interval_reaches_below_zero() -> None:
    cells = [
        cell
        for name in ("table1", "table2", "toys")
        for cell in read_table_file(REPOSITORY / f"results/{name}.json").cells
        if cell.interval is not None
    ]
    assert len(cells) > 20
    assert all(cell.interval is not None and cell.interval[0] >= 0 for cell in cells)
