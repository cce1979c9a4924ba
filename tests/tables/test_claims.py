"""The rule that decides claims, on simulated studies whose truth is known; the table that comes out of records."""

import json
import re
from collections.abc import Mapping, Sequence
from math import comb, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from r3gan.records import store
from r3gan.records.run_id import RunId
from r3gan.records.schema import ToyArm, Toys
from r3gan.study import Study, read_study
from r3gan.tables.axes import LINE_CHARACTERS, in_short_lines
from r3gan.tables.claims.evidence import Better
from r3gan.tables.claims.registry import CLAIMS, NOISE
from r3gan.tables.claims.rule import (
    corrected,
    decide_effect,
    decide_rates,
    holm,
    paired,
    seeds_needed,
    verdict_of,
)
from r3gan.tables.kind import Content
from r3gan.tables.registry import TABLES
from r3gan.tables.verdict import CONTRADICTED, LEAST_SEEDS, NOT_TESTED, SUPPORTED, UNDECIDED
from tests.conftest import REPOSITORY
from tests.helpers import SMOKE, convergence_of, evaluation_of, provenance_on, study_of, write_files, write_run

STUDIES = 10_000
SLACK = 3 * (0.05 * 0.95 / STUDIES) ** 0.5  # three standard errors of a rate of 5%
DIFFERENCES = st.lists(st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3)), min_size=0, max_size=8)


def verdicts(differences: np.ndarray) -> list[list[str]]:
    """Of simulated studies [studies, claims, seeds], each study one family."""
    mean, _, _, p = paired(differences.reshape(-1, differences.shape[-1]))
    shape = differences.shape[:2]
    rows = zip(mean.reshape(shape), p.reshape(shape).tolist(), strict=True)
    return [[verdict_of(m, q) for m, q in zip(means, holm(ps), strict=True)] for means, ps in rows]


@pytest.mark.parametrize(("claims", "seeds"), [(1, 3), (1, 5), (7, 5), (7, 3)])
def test_at_most_one_study_in_twenty_gives_a_false_verdict(claims: int, seeds: int) -> None:
    random = np.random.default_rng(seeds * 10 + claims)
    # Seeds differ by more than arms do, and an arm's own scatter differs from claim to claim.
    common = 3 * random.standard_normal((STUDIES, 1, seeds))
    scale = np.exp(random.standard_normal((1, claims, 1)))
    arms = common + scale * random.standard_normal((2, STUDIES, claims, seeds))
    no_effect = verdicts(arms[0] - arms[1])
    assert np.mean([any(word != UNDECIDED for word in study) for study in no_effect]) <= 0.05 + SLACK
    # Half of the claims are true, half are the opposite of the truth: a false verdict is one with the wrong sign.
    truth = np.where(np.arange(claims) % 2 == 0, 1.0, -1.0)[:, None]
    found = verdicts(arms[0] - arms[1] + truth * scale)
    wrong = {1.0: CONTRADICTED, -1.0: SUPPORTED}
    false = [any(word == wrong[float(t)] for word, t in zip(study, truth[:, 0], strict=True)) for study in found]
    assert np.mean(false) <= 0.05
    # And the rule does decide where there is something to see.
    clear = verdicts(arms[0] - arms[1] + 20 * scale)
    assert np.mean([study.count(SUPPORTED) for study in clear]) > 0.9 * claims


@pytest.mark.parametrize("sound", [{"others": [False] * 50}, {}])
@pytest.mark.parametrize("n", [6, 12, 24])
def test_a_failure_rate_of_a_half_is_seldom_decided(n: int, sound: dict[str, list[bool]]) -> None:
    """Exactly: over all numbers of failures, by their probability."""
    words = [decide_rates({"all": [i < k for i in range(n)]}, sound).word for k in range(n + 1)]
    assert sum(comb(n, k) / 2**n for k, word in enumerate(words) if word != UNDECIDED) <= 0.05
    assert (words[0], words[-1]) == (CONTRADICTED, SUPPORTED)
    # A group of its own that holds out is enough against the claim that all fail.
    groups = {"fails": [True] * n, "does not": [False] * n}
    assert decide_rates(groups, sound).word == UNDECIDED


def test_a_failure_rate_without_another_side_is_one_against_a_half() -> None:
    found = decide_rates({"all": [False] * 24}, {})
    assert (found.word, found.n, found.effect, found.reason) == (CONTRADICTED, 24, -0.5, "0 of 24 runs fail")
    assert found.interval is not None and found.interval[0] == -0.5 and found.interval[1] < 0
    assert decide_rates({"all": [True] * 2}, {}).reason == "n = 2, at least 3 are needed"


def test_a_claim_about_failing_says_what_the_runs_that_do_not_fail_cover() -> None:
    """Of this tree's records: all runs with R1 alone train, and at gamma 0.1 they cover next to nothing."""
    row = next(r for r in (REPOSITORY / "results/claims.md").read_text().splitlines() if "No gamma from" in r)
    assert re.search(r"contradicted: 0 of 24 runs fail; modes covered: gamma0.1 \d+ to \d+, gamma1 ", row)


def test_the_rule_on_one_claim_is_that_of_many_at_once() -> None:
    differences = np.random.default_rng(0).standard_normal((50, 4)) + 0.7
    _, low, high, p = paired(differences)
    for row, at_low, at_high, q in zip(differences, low, high, p, strict=True):
        found = decide_effect(row.tolist())
        assert found.interval == pytest.approx((at_low, at_high)) and found.p == pytest.approx(q)
        assert (found.word == SUPPORTED) == (at_low > 0)
        assert (found.word == CONTRADICTED) == (at_high < 0)
    from scipy.stats import ttest_1samp

    assert p == pytest.approx(ttest_1samp(differences, 0, axis=1).pvalue)


@given(DIFFERENCES, st.integers(0, 8), st.lists(DIFFERENCES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_path_raises_a_verdict(values: list[float], censored: int, others: list[list[float]]) -> None:
    plain = decide_effect(values)
    if len(values) < LEAST_SEEDS or len(set(values)) == 1:
        assert plain.word == UNDECIDED
    else:
        assert plain.interval is not None
        excludes = plain.interval[0] > 0 or plain.interval[1] < 0
        assert (plain.word != UNDECIDED) <= excludes
    # The opposite data give the opposite verdict.
    swapped = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, UNDECIDED: UNDECIDED}
    assert decide_effect([-value for value in values]).word == swapped[plain.word]
    # Other claims of the family, and runs that are censored, can only take a verdict away.
    family = corrected([plain, *map(decide_effect, others)])
    assert family[0].word in (plain.word, UNDECIDED)
    assert decide_effect(values, min(censored, len(values))).word in (plain.word, UNDECIDED)
    if censored and values:
        assert decide_effect(values, censored).word != SUPPORTED
    # A claim that there is no effect is not supported by too few seeds, nor by an interval wider than its margin.
    equal = decide_effect(values, margin=0.1)
    if equal.word == SUPPORTED:
        assert equal.interval is not None and equal.interval[0] > -0.1 and equal.interval[1] < 0.1


def test_equal_differences_have_no_spread_and_decide_nothing() -> None:
    found = decide_effect([0.938, 0.938, 0.938])  # whose standard deviation is 1e-16 and not 0
    assert (found.word, found.p) == (UNDECIDED, 1.0)
    assert decide_effect([0.05, 0.05, 0.05], margin=0.1).word == UNDECIDED


@pytest.mark.parametrize(("level", "least", "most"), [(0.05, 30, 40), (0.01, 45, 55)])
def test_the_seeds_that_would_decide_do_so_four_times_in_five(level: float, least: int, most: int) -> None:
    needed = seeds_needed(0.5, 1.0, level)
    assert needed is not None and least < needed < most
    random = np.random.default_rng(0)
    _, _, _, p = paired(0.5 + random.standard_normal((STUDIES, needed)))
    assert np.mean(p < level) == pytest.approx(0.8, abs=0.03)
    assert seeds_needed(1e-4, 1.0) is None


def test_what_the_correction_leaves_open_needs_the_seeds_that_pass_it() -> None:
    alone = decide_effect([1.0, 1.4, 0.8])
    assert (alone.word, 0.01 < alone.p < 0.05) == (SUPPORTED, True)
    first, *_ = corrected([alone, decide_effect([0.3, -0.2, 0.1]), decide_effect([0.2, -0.3, 0.1])])
    assert (first.word, first.reason) == (UNDECIDED, f"p = {3 * alone.p:.2g} by Holm's correction")
    assert alone.needed is not None and first.needed is not None and first.needed > max(alone.needed, alone.n)
    assert first.needed == seeds_needed(1.0667, 0.3055, 0.05 / 3)


def test_a_claim_of_no_difference_is_corrected_by_the_bound_that_it_excludes() -> None:
    """An open one spares the others of its family nothing; one that is near its bound has a large p-value."""
    worse = decide_effect([-0.5, -0.9, -0.7], margin=0.1, or_better=True)
    assert worse.word == CONTRADICTED
    assert worse.p == pytest.approx(decide_effect([-0.4, -0.8, -0.6]).p) and worse.p > 0.025
    open_ = decide_effect([0.3, -0.4, 0.1], margin=0.1, or_better=True)
    assert (open_.word, open_.p) == (UNDECIDED, 1.0)
    assert corrected([worse])[0].word == CONTRADICTED
    assert [decision.word for decision in corrected([worse, open_])] == [UNDECIDED, UNDECIDED]
    near = decide_effect([-0.05, -0.06, -0.055], margin=0.1)
    assert (near.word, near.p) == (SUPPORTED, pytest.approx(decide_effect([0.05, 0.04, 0.045]).p))


@pytest.mark.parametrize("or_better", [False, True])
def test_a_difference_as_large_as_the_margin_is_seldom_decided(or_better: bool) -> None:
    random = np.random.default_rng(1)
    studies = -0.1 + 0.05 * random.standard_normal((1_000, 5))
    words = [decide_effect(study.tolist(), margin=0.1, or_better=or_better).word for study in studies]
    assert np.mean([word != UNDECIDED for word in words]) <= 0.05 + 3 * (0.05 * 0.95 / 1_000) ** 0.5


def test_a_margin_is_met_contradicted_or_open() -> None:
    assert decide_effect([0.01, -0.01, 0.02], margin=0.1).word == SUPPORTED
    assert decide_effect([-0.5, -0.52, -0.48], margin=0.1).word == CONTRADICTED
    assert decide_effect([0.5, -0.4, 0.2], margin=0.1).word == UNDECIDED


def test_no_better_is_held_by_much_worse_and_by_equal() -> None:
    for differences, word in (
        ([0.5, 0.52, 0.48], SUPPORTED),
        ([0.01, -0.01, 0.02], SUPPORTED),
        ([-0.5, -0.52, -0.48], CONTRADICTED),
        ([0.2, -0.2, 0.0], UNDECIDED),
        ([0.5, 0.5, 0.5], UNDECIDED),  # no spread
    ):
        assert decide_effect(differences, margin=0.1, or_better=True).word == word


def test_variants_that_claims_name_are_runs_of_the_desk_scale() -> None:
    study = read_study(REPOSITORY / "pipelines/study/desk.yaml")
    runs = {run.config: run.set for run in study.runs}
    assert runs["E-inverted.gelu"] == runs["E-inverted"] | {"activation": "gelu"}
    assert runs["E-inverted.swish"] == runs["E-inverted"] | {"activation": "swish"}
    assert runs["E-inverted.groupnorm"] == runs["E-inverted"] | {"norm": "group"}
    named = {name for claim in CLAIMS.values() if isinstance(claim.test, Better) for name in claim.test.names}
    assert {name for name in named if "." in name} <= runs.keys()


def content_of(results: Path, *studies: Study) -> Content:
    content = write_files(TABLES["claims"], "claims", results, studies)
    assert len(json.loads((results / "claims.json").read_text())["cells"]) >= 20
    return content


def word_of(content: Content, name: str, scale: str = "desk") -> str:
    return next(cell.verdict for cell in content.cells if cell.quantity == name and cell.scale in (scale, ""))


def write_arm(results: Path, config: str, values: Sequence[float | None], metric: str = "digit-frechet") -> list[str]:
    for seed, value in enumerate(values):
        run = f"desk/{SMOKE}/{config}/seed{seed}"
        outcome = "Fail" if value is None else "trained"
        write_run(results, evaluation_of(run, {} if value is None else {metric: value}, outcome=outcome))
    return [f"{SMOKE}/{config}/seed{seed}" for seed in range(len(values))]


def test_without_a_record_nothing_but_the_propositions_is_said(tmp_path: Path) -> None:
    content = content_of(tmp_path)
    decided = {cell.quantity for cell in content.cells if cell.verdict != NOT_TESTED}
    assert decided == {"no-penalty-cycles", "penalty-converges"}
    assert len({cell.quantity for cell in content.cells}) == len(CLAIMS)
    assert len(CLAIMS) >= 20
    published = {cell.quantity: cell.published or "" for cell in content.cells}
    # 0.4 and 0.9 standard deviations of a difference of two evaluations; 12.1.
    assert NOISE in published["step-C-r2"] and NOISE in published["step-D-noskip"]
    assert "12.1 s.d." in published["step-E-resnext"] and NOISE not in published["step-E-resnext"]


def test_verdicts_from_records_of_known_truth(tmp_path: Path) -> None:
    """Each step is paired by seed: a large common part of a seed's numbers does not hide a small difference."""
    seeds = (1.0, 4.0, 2.0, 8.0, 3.0)
    runs = write_arm(tmp_path, "A", [10 * s for s in seeds])
    runs += write_arm(tmp_path, "B", [10 * s * f for s, f in zip(seeds, (1.30, 1.32, 1.28, 1.31, 1.29), strict=True)])
    runs += write_arm(
        tmp_path, "C-rpgan", [13 * s * f for s, f in zip(seeds, (1.2, 1.18, 1.22, 1.2, 1.21), strict=True)]
    )
    runs += write_arm(tmp_path, "C-r2", [15.6 * s * f for s, f in zip(seeds, (1.5, 0.7, 1.1, 0.8, 1.3), strict=True)])
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("digit-frechet",)))
    assert word_of(content, "step-B") == SUPPORTED
    assert word_of(content, "step-C-rpgan") == CONTRADICTED
    assert word_of(content, "step-C-r2") == UNDECIDED
    assert word_of(content, "E-beats-A", "") == NOT_TESTED
    cell = next(c for c in content.cells if c.quantity == "step-B")
    assert cell.reproduced == pytest.approx(log(1.3), abs=0.01) and cell.text.startswith("x 1.3 [")
    assert cell.n == 5 and cell.seeds == (0, 1, 2, 3, 4) and len(cell.records) == 10
    open_ = next(c for c in content.cells if c.quantity == "step-C-r2")
    assert "seeds would decide" in open_.reason and "hours of training" in open_.reason
    assert (tmp_path / "claims/desk-effects.png").exists()


def test_every_claim_has_a_short_title_of_its_own() -> None:
    titles = [claim.title for claim in CLAIMS.values()]
    assert len(set(titles)) == len(titles)
    lines = [line for title in titles for line in in_short_lines(title).splitlines()]
    assert [line for line in lines if len(line) > LINE_CHARACTERS] == []


def test_ratios_are_drawn_as_ratios_and_each_panel_holds_its_line_at_no_effect(tmp_path: Path) -> None:
    runs = [*write_arm(tmp_path, "A", [10.0, 11.0, 10.5]), *write_arm(tmp_path, "B", [20.0, 23.0, 21.0])]
    study = study_of("desk", *runs, metrics=("digit-frechet",))
    content_of(tmp_path, study)
    spec = json.loads((tmp_path / "claims/desk-effects.vl.json").read_text())
    (panel,) = spec["concat"]
    assert f"{CLAIMS['step-B'].title}: 2.03 [" in spec["description"]  # the geometric mean of 2, 23/11 and 2
    scales = [layer["encoding"]["x"]["scale"] for layer in panel["layer"] if "scale" in layer["encoding"]["x"]]
    assert scales and all(scale["type"] == "log" and scale["domain"][0] < 1 for scale in scales)
    svg = (tmp_path / "claims/desk-effects.svg").read_text()
    assert all(word in svg for word in ("x 1", "x 2", "as published", "against"))


def test_two_seeds_decide_nothing_and_one_is_not_shown(tmp_path: Path) -> None:
    runs = [*write_arm(tmp_path, "A", [10.0, 11.0]), *write_arm(tmp_path, "B", [100.0, 120.0])]
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("digit-frechet",)))
    assert word_of(content, "step-B") == UNDECIDED
    single = content_of(tmp_path, study_of("desk", runs[0], runs[2], metrics=("digit-frechet",)))
    assert word_of(single, "step-B", "") == NOT_TESTED


def test_arms_of_unequal_length_are_compared_and_their_lengths_said(tmp_path: Path) -> None:
    runs = [
        *write_arm(tmp_path, "E", [500.0, 520.0, 510.0], "modes"),
        *write_arm(tmp_path, "dcgan", [900.0] * 3, "modes"),
    ]
    for seed in range(3):
        record = store.Store(tmp_path).evaluation(RunId("desk", SMOKE, "dcgan", seed))
        write_run(tmp_path, replace(record, training=replace(record.training, images_seen=4000)))
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("modes",)))
    cell = next(c for c in content.cells if c.quantity == "E-beats-dcgan")
    assert cell.verdict == CONTRADICTED and "E after 2 kimg, dcgan after 4 kimg" in cell.reason


@pytest.mark.parametrize(
    ("measured", "network", "data", "word", "said"),
    [
        ({}, {}, {}, SUPPORTED, ""),
        ({"n_fake": 5_000}, {}, {}, UNDECIDED, "the runs of seed 0 were not measured in the same way"),
        ({}, {}, {"sha256": "0" * 64}, UNDECIDED, "the runs of seed 0 were not measured in the same way"),
        ({}, {"dataset": "mnist-32"}, {}, UNDECIDED, "the runs of seed 0 were not measured in the same way"),
        ({}, {"sha256": "0" * 64}, {}, SUPPORTED, "digit classifiers of two processors (seeds 0, 1, 2)"),
        ({}, {"sha256": "0" * 64, "test_accuracy": None}, {}, UNDECIDED, "not measured in the same way"),
    ],
)
def test_arms_that_were_measured_in_other_ways_decide_nothing(
    tmp_path: Path, measured: dict[str, int], network: dict[str, str], data: dict[str, str], word: str, said: str
) -> None:
    """Classifiers of two processors differ by rounding, which is said; other samples, data or networks are no pair."""
    runs = [*write_arm(tmp_path, "A", [10.0, 11.0, 10.5]), *write_arm(tmp_path, "B", [20.0, 23.0, 21.0])]
    for seed in range(3):
        record = store.Store(tmp_path).evaluation(RunId("desk", SMOKE, "A", seed))
        found = record.metrics["digit-frechet"]
        changed = replace(found, **measured, extractor=replace(found.extractor, **network))
        metrics = {"digit-frechet": changed}
        write_run(tmp_path, replace(record, metrics=metrics, data=replace(record.data, **data)))
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("digit-frechet",)))
    cell = next(c for c in content.cells if c.quantity == "step-B")
    assert cell.verdict == word and said in cell.reason
    assert ("processors" in cell.reason) == ("processors" in said)


def write_curves(results: Path, curves: Mapping[str, Sequence[Sequence[float]]]) -> list[str]:
    """convergence.json of made-up runs: of each configuration the curve of every seed."""
    runs = [
        (f"{SMOKE}/{config}/seed{seed}", values)
        for config, found in curves.items()
        for seed, values in enumerate(found)
    ]
    for run, values in runs:
        write_run(results, convergence_of(f"desk/{run}", {"digit-frechet": values}))
    return [run for run, _ in runs]


def diverge(results: Path, config: str, seed: int) -> None:
    record = store.Store(results).convergence(RunId("desk", SMOKE, config, seed))
    training = replace(record.training, outcome="Fail", fail_step=250, fail_reason="loss is nan")
    write_run(results, replace(record, outcome="Fail", training=training))


def test_a_converging_run_that_diverged_counts_as_the_worst_and_shortens_no_other(tmp_path: Path) -> None:
    """Its last snapshot, from before it diverged, would say that it is the better one."""
    curves = {
        "projected-fastgan": [[9.0, 2.0, 1.0], [9.0, 2.2, 1.1], [9.0, 1.9, 0.9]],
        "projected-A": [[8.0], [8.1, 4.0, 2.0], [8.2, 4.2, 2.2]],
    }
    runs = write_curves(tmp_path, curves)
    diverge(tmp_path, "projected-A", 0)
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("digit-frechet",), converging=True))
    cell = next(c for c in content.cells if c.quantity == "fastgan-generator-faster")
    assert cell.reproduced == pytest.approx((log(9 / 1) + log(2 / 1.1) + log(2.2 / 0.9)) / 3)


def test_nothing_is_sooner_than_a_baseline_that_diverged(tmp_path: Path) -> None:
    best_at_last = [[9.0, 8.0, 5.0]] * 3
    runs = write_curves(tmp_path, {"A": best_at_last, "projected-fastgan": [[4.0, 3.0, 2.0]] * 3})
    diverge(tmp_path, "A", 1)
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("digit-frechet",), converging=True))
    cell = next(c for c in content.cells if c.quantity == "projected-faster-images")
    assert cell.verdict == UNDECIDED and "A diverged with seed 1, so it has no best" in cell.reason


@pytest.mark.parametrize(
    ("r1", "r1r2", "expected"),
    [
        ([None] * 6, [500.0] * 6, SUPPORTED),
        ([300.0] * 6, [500.0] * 6, CONTRADICTED),
        ([None, None, None, 300.0, 300.0, 300.0], [500.0] * 6, UNDECIDED),
        ([None] * 6, [None] * 6, CONTRADICTED),
    ],
)
def test_failures_are_counted_and_judged_by_wilson(
    tmp_path: Path, r1: list[float | None], r1r2: list[float | None], expected: str
) -> None:
    runs = [
        run
        for config, values in {
            "loss-rpgan-r1": r1, "loss-gan-r1": r1, "loss-rpgan-r1r2": r1r2, "loss-gan-r1r2": r1r2,
        }.items()
        for run in write_arm(tmp_path, config, values, "modes")
    ]  # fmt: skip
    content = content_of(tmp_path, study_of("desk", *runs, metrics=("modes",)))
    assert word_of(content, "r1-alone-fails") == expected


@pytest.mark.parametrize(
    ("best_at", "reached_at", "expected"),
    [
        ((5, 6, 5), (1, 1, 1), SUPPORTED),
        ((2, 3, 2), (None, None, None), CONTRADICTED),
        ((5, 6, 5), (1, None, 1), UNDECIDED),
    ],
)
def test_a_run_that_did_not_reach_the_target_supports_nothing(
    tmp_path: Path, best_at: Sequence[int], reached_at: Sequence[int | None], expected: str
) -> None:
    curves = {
        "A": [[5.0 if i == best else 9.0 for i in range(1, 7)] for best in best_at],
        "projected-fastgan": [[4.0 if at and i >= at else 8.0 for i in range(1, 7)] for at in reached_at],
    }
    runs = write_curves(tmp_path, curves)
    study = study_of("desk", *runs, metrics=("digit-frechet",), converging=True)
    assert word_of(content_of(tmp_path, study), "projected-faster-images") == expected
    run = RunId("desk", SMOKE, "A", 0)
    record = store.Store(tmp_path).convergence(run)
    fewer = {"digit-frechet": replace(record.metrics["digit-frechet"], n_fake=5_000)}
    write_run(tmp_path, replace(record, metrics=fewer))
    content = content_of(tmp_path, study)
    assert word_of(content, "projected-faster-images") == UNDECIDED
    reasons = [cell.reason for cell in content.cells if cell.quantity == "projected-faster-images"]
    assert "the runs of seed 0 were not measured in the same way" in reasons[0]


def test_a_column_of_the_loss_curve_is_compared_over_the_last_tenth(tmp_path: Path) -> None:
    runs = []
    for config, norm in {
        "loss-rpgan-r1": 4.0,
        "loss-gan-r1": 4.0,
        "loss-rpgan-r1r2": 2.0,
        "loss-gan-r1r2": 1.0,
    }.items():
        runs += write_arm(tmp_path, config, [500.0, 510.0, 490.0], "modes")
        for seed in range(3):
            early, last = "1,9,9,9\n" * 18, f"2,0,0,{norm * (1 + seed / 50)}\n" * 2
            path = tmp_path / f"desk/{SMOKE}/{config}/seed{seed}/loss.csv"
            path.write_text(f"kimg,loss_d,loss_g,grad_norm_fake\n{early}{last}")
    study = study_of("desk", *runs, metrics=("modes",))
    cell = next(c for c in content_of(tmp_path, study).cells if c.quantity == "gradient-explodes" and c.scale)
    assert cell.reproduced == pytest.approx(log(4) - log(2) / 2)
    path.write_text("kimg\n")  # a run that diverged before its first row
    assert word_of(content_of(tmp_path, study), "gradient-explodes", "") == NOT_TESTED


def test_the_toys_decide_their_claims(tmp_path: Path) -> None:
    seeds = tuple(range(8))

    def arm(shape: str, interval: int, coverage: float) -> ToyArm:
        values = tuple(coverage + 0.01 * (seed % 3) for seed in seeds)
        return ToyArm(
            shape=shape, loss="relativistic", penalties=("r1", "r2"), gamma=1.0, interval=interval, seeds=seeds,
            coverage=values, on_data=values, distance=values, grad_norm_real=values, grad_norm_fake=values,
            diverged=(False,) * len(seeds),
        )  # fmt: skip

    arms = [arm(shape, interval, 0.9 if interval == 1 else 0.7) for shape in ("line", "circle") for interval in (1, 8)]
    arms[3] = replace(arms[3], coverage=(0.65, 0.7, 0.68, 0.71, 0.69, 0.7, 0.72, 0.66))
    toys = Toys(
        scale="desk", steps=1, batch=1, z_dim=1, width=1, hidden_layers=1, lr=1.0, betas=(0.0, 0.9), samples=1,
        seconds=80.0, measured=tuple(arms), provenance=provenance_on(),
    )  # fmt: skip
    store.write(tmp_path / "desk/toys.json", toys)
    study = Study(scale="desk", datasets=(), classifiers=(), launch={}, runs=(), toys={"seeds": list(seeds)})
    content = content_of(tmp_path, study)
    assert word_of(content, "lazy-worse-on-toys") == SUPPORTED
    assert word_of(content, "lazy-fails-on-toys") == CONTRADICTED
