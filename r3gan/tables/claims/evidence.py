"""What records say of a claim: one class for each way of testing one, from the records of a scale to a decision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log
from pathlib import Path
from statistics import fmean

from r3gan.metrics import find_metric
from r3gan.records.curves import read_curve
from r3gan.records.schema import Convergence, Evaluation, ToyArm, Toys
from r3gan.tables.alike import same_network, way_of
from r3gan.tables.claims.rule import Decision, decide_effect, decide_rates
from r3gan.tables.crossing import Clock, compare
from r3gan.tables.verdict import CONTRADICTED, SUPPORTED, UNDECIDED

LOG, RATE = "log ratio", "failure rate"  # units of effects
Run = Evaluation | Convergence


@dataclass(frozen=True, kw_only=True)
class ScaleRecords:
    """The records of a scale, by configuration and seed."""

    scale: str
    results: Path
    evaluations: Mapping[str, Mapping[int, Evaluation]]
    convergences: Mapping[str, Mapping[int, Convergence]]
    toys: Toys | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a scale's records say of a claim."""

    decision: Decision
    unit: str
    metric: str
    seeds: tuple[int, ...]
    files: tuple[str, ...] = ()
    seconds: float = 0.0  # of training, of one more seed of every arm
    note: str = ""

    def with_decision(self, decision: Decision) -> Found:
        return replace(self, decision=decision)

    @property
    def effect_in_words(self) -> str:
        """The effect with its interval: a ratio, or a difference in its unit."""
        d = self.decision
        if d.effect is None or d.interval is None:
            return "-"
        if self.unit == LOG:
            return f"x {exp(d.effect):.3g} [{exp(d.interval[0]):.3g}, {exp(d.interval[1]):.3g}]"
        return f"{d.effect:+.3g} [{d.interval[0]:+.3g}, {d.interval[1]:+.3g}] {self.unit}"


class Test(ABC):
    """How a claim is tested."""

    @abstractmethod
    def of(self, records: ScaleRecords) -> Found | None:
        """The decision before Holm's correction; None where the scale has no two runs to compare."""

    @property
    @abstractmethod
    def arms(self) -> str:
        """What is compared, in words."""

    def by_computation(self) -> Found | None:
        """What the code itself shows, at no scale."""
        return None


@cache
def settings_computed() -> tuple[tuple[str, bool], ...]:
    """Of every setting of the Dirac GAN its proposition, and whether it holds."""
    from r3gan.tables.dirac import study

    return tuple((finding.setting.proposition, finding.holds) for finding in study())


@dataclass(frozen=True, kw_only=True)
class Proved(Test):
    """A proposition, computed from the losses and penalties of training (r3gan/tables/dirac.py)."""

    proposition: str

    def of(self, records: ScaleRecords) -> Found | None:
        return None

    @property
    def arms(self) -> str:
        return f"eigenvalues and trajectories of Proposition {self.proposition}'s settings on the Dirac GAN"

    def by_computation(self) -> Found | None:
        settings = [holds for proposition, holds in settings_computed() if proposition == self.proposition]
        held = sum(settings)
        word = SUPPORTED if held == len(settings) else CONTRADICTED
        decision = Decision(word=word, n=len(settings), reason=f"{held} of {len(settings)} settings as proved")
        return Found(decision=decision, unit="", metric="eigenvalues", seeds=())


@dataclass(frozen=True, kw_only=True)
class Better(Test):
    """The configurations of one side have a better metric than those of the other, seed by seed.

    Differences are of logs, or of values for metrics that are better when higher; the mean over the configurations of a
    side counts. Of several metrics the first that a scale has. With a margin the claim is that they do not differ by
    more, or with `or_better` that the side that is called better is not worse by more.
    """

    better: tuple[str, ...]
    worse: tuple[str, ...]
    metrics: tuple[str, ...] = ("fid", "digit-frechet")
    margin: float | None = None
    or_better: bool = False

    @property
    def arms(self) -> str:
        between = ("at least " if self.or_better else "") + ("as good as" if self.margin else "better than")
        return f"{' and '.join(self.better)} {between} {' and '.join(self.worse)}"

    def of(self, records: ScaleRecords) -> Found | None:
        for metric in self.metrics:
            for runs in (records.evaluations, records.convergences):
                if (found := self.compared(metric, {name: runs.get(name, {}) for name in self.names})) is not None:
                    return found
        return None

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.better, *self.worse)

    def compared(self, metric: str, runs: Mapping[str, Mapping[int, Run]]) -> Found | None:
        seeds = sorted(set.intersection(*(set(found) for found in runs.values())))
        used = {name: {seed: found[seed] for seed in seeds} for name, found in runs.items()}
        everything = [run for found in used.values() for run in found.values()]
        measured = [run for run in everything if run.outcome != "Fail" or isinstance(run, Convergence)]
        if len(seeds) < 2 or not all(metric in run.metrics for run in measured):
            return None
        lasts = [run.points[-1].kimg for run in everything if isinstance(run, Convergence) and run.outcome != "Fail"]
        kimg = min(lasts, default=0.0)
        higher = find_metric(metric).better == "higher"

        def side(names: Sequence[str], seed: int) -> float:
            values = [value_of(used[name][seed], metric, kimg, [run[seed] for run in used.values()]) for name in names]
            return fmean(values if higher else map(log, values))

        sign = -1 if higher else 1
        differences = [sign * (side(self.worse, seed) - side(self.better, seed)) for seed in seeds]
        decision = decide_effect(differences, margin=self.margin, or_better=self.or_better)
        note = apart(metric, used, seeds)
        if reason := not_alike(metric, used, seeds):
            decision, note = Decision(word=UNDECIDED, n=len(seeds), reason=reason), ""
        return Found(
            decision=decision, unit=metric if higher else LOG, metric=metric, seeds=tuple(seeds),
            note="; ".join(filter(None, (unequal_lengths(used), note))),
            files=files_of(everything), seconds=seconds_of(used),
        )  # fmt: skip


def value_of(run: Run, metric: str, kimg: float, others: Sequence[Run]) -> float:
    """A metric of a run; of a converging one at the snapshot at `kimg`.

    A run that diverged counts as untrained; a converging one, whose record does not say what an untrained G scores, as
    the worst snapshot of the runs of its seed.
    """
    if isinstance(run, Convergence) and run.outcome != "Fail":
        return [point for point in run.points if point.kimg <= kimg + 1e-9][-1].values[metric]
    if isinstance(run, Convergence):
        snapshots = [point.values[metric] for o in others if isinstance(o, Convergence) for point in o.points]
        return min(snapshots) if find_metric(metric).better == "higher" else max(snapshots)
    if run.outcome != "Fail":
        return run.metrics[metric].value
    known = [o.metrics[metric].untrained for o in others if isinstance(o, Evaluation) and metric in o.metrics]
    return next((value for value in known if value is not None), 1.0)


def not_alike(metric: str, runs: Mapping[str, Mapping[int, Run]], seeds: Sequence[int]) -> str:
    """Why the runs cannot be compared: those of one seed were not measured in the same way; empty if they were."""
    for seed in seeds:
        if len({way_of(found[seed], metric) for found in runs.values() if metric in found[seed].metrics}) > 1:
            return f"the runs of seed {seed} were not measured in the same way"
    return ""


def apart(metric: str, runs: Mapping[str, Mapping[int, Run]], seeds: Sequence[int]) -> str:
    """The seeds whose runs were measured by digit classifiers of two processors, in words."""
    pairs = {seed: [found[seed] for found in runs.values() if metric in found[seed].metrics] for seed in seeds}
    differ = [str(s) for s, pair in pairs.items() if not all(same_network(run, pair[0], metric) for run in pair)]
    return f"digit classifiers of two processors (seeds {', '.join(differ)})" if differ else ""


def unequal_lengths(runs: Mapping[str, Mapping[int, Run]]) -> str:
    """After how many images each configuration was measured, in words, where they are not the same."""
    kimg = {
        name: max(run.training.images_seen / 1000 for run in found.values() if run.outcome != "Fail")
        for name, found in runs.items()
        if any(isinstance(run, Evaluation) and run.outcome != "Fail" for run in found.values())
    }
    return ", ".join(f"{name} after {k:g} kimg" for name, k in kimg.items()) if len(set(kimg.values())) > 1 else ""


def files_of(runs: Sequence[Run]) -> tuple[str, ...]:
    names = {True: "convergence.json", False: "metrics.json"}
    return tuple(f"{run.run}/{names[isinstance(run, Convergence)]}" for run in runs)


def seconds_of(runs: Mapping[str, Mapping[int, Run]]) -> float:
    """Seconds of training that one more seed of every configuration takes."""
    return sum(fmean(run.training.seconds or 0.0 for run in found.values()) for found in runs.values() if found)


@dataclass(frozen=True, kw_only=True)
class Fails(Test):
    """Runs of some configurations diverge, those of others do not; a group of `fail` is judged by itself."""

    fail: Mapping[str, tuple[str, ...]]
    sound: tuple[str, ...] = ()

    @property
    def arms(self) -> str:
        said = f"{'; '.join(' and '.join(names) for names in self.fail.values())} fail"
        return f"{said}, {' and '.join(self.sound)} do not" if self.sound else said

    def of(self, records: ScaleRecords) -> Found | None:
        def runs(names: Sequence[str]) -> list[Evaluation]:
            return [run for name in names for run in records.evaluations.get(name, {}).values()]

        groups = {name: runs(names) for name, names in self.fail.items()}
        sound = runs(self.sound)
        everything = [*(run for group in groups.values() for run in group), *sound]
        if any(len(group) < 2 for group in groups.values()) or (self.sound and len(sound) < 2):
            return None
        failed = {name: [run.outcome == "Fail" for run in group] for name, group in groups.items()}
        others = {"others": [run.outcome == "Fail" for run in sound]} if sound else {}
        return Found(
            decision=decide_rates(failed, others), unit=RATE, metric="outcome", files=files_of(everything),
            seeds=tuple(sorted({run.seed for run in everything})), note=modes_of({**groups, "others": sound}),
        )  # fmt: skip


def modes_of(groups: Mapping[str, Sequence[Evaluation]]) -> str:
    """How many modes the runs of each group cover, in words: a run that covers few has not diverged for that."""
    values = {
        name: [run.metrics["modes"].value for run in group if "modes" in run.metrics] for name, group in groups.items()
    }
    said = [f"{name} {min(found):.0f} to {max(found):.0f}" for name, found in values.items() if found]
    return f"modes covered: {', '.join(said)}" if said else ""


@dataclass(frozen=True, kw_only=True)
class LargerInCurve(Test):
    """A column of the loss curve, over the last tenth of training, is larger in one side's runs than in the other's."""

    larger: tuple[str, ...]
    smaller: tuple[str, ...]
    column: str

    @property
    def arms(self) -> str:
        return f"{self.column} of {' and '.join(self.larger)} above that of {' and '.join(self.smaller)}"

    def of(self, records: ScaleRecords) -> Found | None:
        runs = {name: records.evaluations.get(name, {}) for name in (*self.larger, *self.smaller)}
        seeds = sorted(set.intersection(*(set(found) for found in runs.values())))
        if len(seeds) < 2:
            return None

        used = [runs[name][seed] for name in runs for seed in seeds]
        curves = {run.run: read_curve(records.results / run.run / "loss.csv") for run in used}
        if not all(curve and self.column in curve[-1] for curve in curves.values()):
            return None

        def side(names: Sequence[str], seed: int) -> float:
            found = [curves[runs[name][seed].run] for name in names]
            tails = [curve[-max(1, len(curve) // 10) :] for curve in found]
            return fmean(log(max(1e-12, fmean(point[self.column] for point in tail))) for tail in tails)

        differences = [side(self.larger, seed) - side(self.smaller, seed) for seed in seeds]
        return Found(
            decision=decide_effect(differences), unit=LOG, metric=self.column, seeds=tuple(seeds),
            files=files_of(used), seconds=seconds_of(runs),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sooner(Test):
    """A configuration reaches the best of a baseline of the same seed sooner, by images or by time.

    A run that does not reach it is censored: its speed-up is known to lie below a bound.
    """

    sooner: str
    baseline: str
    clock: Clock
    metrics: tuple[str, ...] = ("fid", "digit-frechet")

    @property
    def arms(self) -> str:
        unit = "images" if self.clock == "kimg" else "seconds of training"
        return f"{self.sooner} needs fewer {unit} to the best of {self.baseline}"

    def of(self, records: ScaleRecords) -> Found | None:
        runs = {name: records.convergences.get(name, {}) for name in (self.sooner, self.baseline)}
        seeds = sorted(set(runs[self.sooner]) & set(runs[self.baseline]))
        metric = next((m for m in self.metrics if all(m in r[s].metrics for r in runs.values() for s in seeds)), None)
        if len(seeds) < 2 or metric is None:
            return None
        files = files_of([runs[name][seed] for name in runs for seed in seeds])
        diverged = [str(seed) for seed in seeds if runs[self.baseline][seed].outcome == "Fail"]
        no_best = f"{self.baseline} diverged with seed {', '.join(diverged)}, so it has no best" if diverged else ""
        if reason := not_alike(metric, runs, seeds) or no_best:
            decision = Decision(word=UNDECIDED, n=len(seeds), reason=reason)
            return Found(decision=decision, unit=LOG, metric=metric, seeds=tuple(seeds), files=files)
        found = [compare(runs[self.sooner][seed], runs[self.baseline][seed], metric) for seed in seeds]
        if self.clock != "kimg" and not all(each.same_hardware for each in found):
            return None
        censored = sum(not each.run.reached for each in found)
        differences = [log(each.over(self.clock)) for each in found]
        late = f"{censored} of {len(found)} runs did not reach the target" if censored else ""
        return Found(
            decision=decide_effect(differences, censored), unit=LOG, metric=metric, seeds=tuple(seeds), files=files,
            note="; ".join(filter(None, (late, apart(metric, runs, seeds)))), seconds=seconds_of(runs),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ToyCoverage(Test):
    """On the 2-D toys an interval fails: coverage below a half, or less of the data covered than at every step."""

    interval: int
    completely: bool
    loss: str = "relativistic"
    penalties: tuple[str, ...] = ("r1", "r2")

    @property
    def arms(self) -> str:
        much = "less than half of the data, at every step more" if self.completely else "less of the data"
        return f"every {self.interval} steps covers {much}; mean over gamma, by shape and seed"

    def of(self, records: ScaleRecords) -> Found | None:
        if records.toys is None:
            return None
        lazy, every = (self.coverage(records.toys.measured, interval) for interval in (self.interval, 1))
        seeds = records.toys.measured[0].seeds
        if not lazy or len(seeds) < 2:
            return None
        if self.completely:
            fail = {shape: [value < 0.5 for value in values] for shape, values in lazy.items()}
            sound = {shape: [value < 0.5 for value in values] for shape, values in every.items()}
            decision, unit = decide_rates(fail, sound), RATE
        else:
            means = [[fmean(v[i] for v in side.values()) for i in range(len(seeds))] for side in (lazy, every)]
            decision, unit = decide_effect([b - a for a, b in zip(*means, strict=True)]), "of the data"
        return Found(
            decision=decision, unit=unit, metric="coverage", seeds=seeds, files=(f"{records.scale}/toys.json",),
            seconds=records.toys.seconds / len(seeds), note=self.by_gamma(records.toys.measured),
        )  # fmt: skip

    def by_gamma(self, arms: Sequence[ToyArm]) -> str:
        """Mean coverage at each gamma, in words: what a mean over gamma hides."""
        mine = [arm for arm in arms if (arm.loss, arm.penalties) == (self.loss, self.penalties)]

        def mean(gamma: float, interval: int) -> float:
            found = [arm.coverage for arm in mine if (arm.gamma, arm.interval) == (gamma, interval)]
            return fmean(value or 0.0 for values in found for value in values)

        gammas = sorted({arm.gamma for arm in mine})
        said = [f"{mean(gamma, self.interval):.2f} against {mean(gamma, 1):.2f} at gamma {gamma:g}" for gamma in gammas]
        return f"coverage {', '.join(said)}"

    def coverage(self, arms: Sequence[ToyArm], interval: int) -> dict[str, list[float]]:
        """By shape, for each seed the mean over gamma; a run that ended in numbers not finite covers nothing."""
        found: dict[str, list[Sequence[float | None]]] = {}
        for arm in arms:
            if (arm.loss, arm.penalties, arm.interval) == (self.loss, self.penalties, interval):
                found.setdefault(arm.shape, []).append(arm.coverage)
        return {
            shape: [fmean(value or 0.0 for value in of_seed) for of_seed in zip(*values, strict=True)]
            for shape, values in found.items()
        }


@dataclass(frozen=True, kw_only=True)
class Reaches(Test):
    """A value that can be tested at its own scale only; at a smaller one the table says how far it is."""

    config: str
    metric: str
    target: float

    @property
    def arms(self) -> str:
        return f"{self.config} reaches {self.metric} {self.target:g}"

    def of(self, records: ScaleRecords) -> Found | None:
        runs = records.evaluations.get(self.config, {})
        values = [run.metrics[self.metric].value for run in runs.values() if self.metric in run.metrics]
        if len(values) < 2:
            return None
        note = f"{self.metric} {fmean(values):.4g} (mean of {len(values)} seeds) where {self.target:g} is claimed"
        return Found(
            decision=Decision(word=UNDECIDED, n=len(values), reason="a smaller scale cannot decide it"),
            unit=self.metric, metric=self.metric, seeds=tuple(sorted(runs)), note=note,
            files=files_of([*runs.values()]),
        )  # fmt: skip
