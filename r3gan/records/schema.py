"""What records hold: train.json, metrics.json, convergence.json and the benchmarks' JSON, each one a type.

Reading is strict: an unknown field, a wrong type or a number that is not finite is an error that names file and place.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from r3gan.records.run_id import RELEASED

Outcome = Literal["trained", "Fail", "imported"]
Values = dict[str, object]  # free-form JSON: what a family of networks, a size or a loader says of itself


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all types here: immutable, equal by value, no field but the named ones."""


class Code(Record, frozen=True, kw_only=True):
    """The commit a number was made with; None where there was no git."""

    commit: str | None
    dirty: bool | None
    reason: str | None = None  # of no commit

    def __str__(self) -> str:
        if self.commit is None:
            return f"no git commit ({self.reason})" if self.reason else "no git commit"
        return f"commit {self.commit[:12]}" + (" with uncommitted changes" if self.dirty else "")


class Device(Record, frozen=True, kw_only=True):
    """What computed: so many GPUs, or so many processes of so many threads on one processor."""

    type: Literal["cpu", "cuda"]
    name: str
    count: int
    threads: int = 1
    bf16: str | None = None  # a processor's instruction set for bfloat16

    @property
    def units(self) -> int:
        """GPUs, or cores."""
        return self.count * (self.threads if self.type == "cpu" else 1)

    def __str__(self) -> str:
        threads = f", {self.threads} thread(s) a run" if self.type == "cpu" else ""
        bf16 = f", bfloat16: {self.bf16}" if self.bf16 else ""
        return f"{self.count} x {self.name}{threads}{bf16}"


class Provenance(Record, frozen=True, kw_only=True):
    """What a number carries: command, time, code, package versions, device."""

    command: str
    date: str
    code: Code
    versions: dict[str, str]
    device: Device

    @property
    def versions_line(self) -> str:
        shown = ("python", "torch", "numpy", "scipy")
        return ", ".join(f"{package} {self.versions[package]}" for package in shown if package in self.versions)


class Recipe(Record, frozen=True, kw_only=True):
    """The hyperparameters of a run; pairs go from the first value to the last of a schedule."""

    batch: int
    total_kimg: float
    burn_in_kimg: float
    lr: tuple[float, float]
    gamma: tuple[float, float]
    beta2: tuple[float, float]
    ema_half_life_kimg: tuple[float, float]
    augment_p: tuple[float, float]
    xflip: bool
    beta1: float = 0.0
    unpublished: tuple[str, ...] = ()


class Snapshot(Record, frozen=True, kw_only=True):
    """A kept G: after so many images and seconds of training; with a value where --keep-best measured it."""

    kimg: float
    seconds: float
    file: str
    sha256: str | None = None
    metric: str | None = None
    value: float | None = None


class Best(Snapshot, frozen=True, kw_only=True):
    """The best of the snapshots that --keep-best measured, with so many samples, out of so many snapshots."""

    samples: int
    of: int


class Execution(Record, frozen=True, kw_only=True):
    """How a run was computed, which decides no more than rounding."""

    layout: str
    precision: str
    compile: str
    adam: str
    batch: int
    ranks: int
    rank: int
    micro: int
    engine: str
    zero_stage: int | None
    launch: str


class TrainingData(Record, frozen=True, kw_only=True):
    """The data set a run was trained on; of an imported run no more than its name is known."""

    dataset: str
    sha256: str | None
    count: int | None


class Released(Record, frozen=True, kw_only=True):
    """The authors' file that a run was imported from."""

    file: str
    sha256: str
    training_set_kwargs: Values


class Identity(Record, frozen=True, kw_only=True):
    """Hashes of all that decides a run's weights at a given step: recipe, data, code, the networks it starts from."""

    recipe: str
    data: str
    code: str
    start: str | None = None


class Start(Record, frozen=True, kw_only=True):
    """What --init-from started a run from: which of G, D and G's moving average, and how far they were trained."""

    source: str
    sha256: str
    networks: tuple[str, ...]
    images_seen: int | None = None

    def __str__(self) -> str:
        seen = "" if self.images_seen is None else f" after {self.images_seen / 1000:g} kimg"
        return f"{' and '.join(self.networks)} of {self.source}{seen}"


class Training(Record, frozen=True, kw_only=True):
    """train.json: what was trained, how far, and with what outcome."""

    outcome: Outcome
    fail_step: int | None = None
    fail_reason: str | None = None
    run: str
    config: str
    dataset: str
    seed: int
    title: str
    summary: str
    networks: Values
    loss: str
    penalties: tuple[str, ...]
    penalty: str
    augmentation: str = "ada"
    penalty_interval: int
    path_length: Values | None
    unpublished: tuple[str, ...]
    recipe: Recipe
    size: Values
    scale: str
    images_seen: int
    steps: int | None = None
    seconds: float | None
    continued_at_images: tuple[int, ...] = ()
    snapshot_kimg: float | None = None
    snapshots: tuple[Snapshot, ...] = ()
    best: Best | None = None
    execution: Execution | None = None
    released: Released | None = None
    start: Start | None = None
    identity: Identity | None = None
    generator_sha256: str | None = None
    data: TrainingData
    provenance: Provenance

    @property
    def kimg(self) -> float:
        return self.images_seen / 1000

    @property
    def checksums(self) -> dict[str, str | None]:
        """The sha256 of the run's generators by file; None or not there in records of earlier versions."""
        kept = {snapshot.file: snapshot.sha256 for snapshot in self.snapshots}
        return kept | {"generator.safetensors": self.generator_sha256}

    @property
    def failure(self) -> str:
        """Where and why training diverged; empty if it did not."""
        return f"step {self.fail_step}: {self.fail_reason}" if self.outcome == "Fail" else ""


class Extractor(Record, frozen=True, kw_only=True):
    """The feature network of a metric and what its own record says."""

    name: str
    sha256: str | None = None
    dataset: str | None = None
    test_accuracy: float | None = None
    mode: str | None = None

    @property
    def accuracy(self) -> str:
        if self.test_accuracy is None:
            return ""
        return f", right on {self.test_accuracy:.1%} of held-out digits of {self.dataset}"


class Reference(Record, frozen=True, kw_only=True):
    """A file of statistics that stood for the reals."""

    file: str
    sha256: str


class ChosenBy(Record, frozen=True, kw_only=True):
    """Why a measured snapshot was the best one."""

    metric: str
    value: float
    samples: int
    of: int
    kimg: float


class Protocol(Record, frozen=True, kw_only=True):
    """How a metric was measured; two numbers are comparable if these are equal."""

    protocol: str
    features: str
    extractor: Extractor
    n_fake: int
    drawing_seeds: tuple[int, ...]
    reference: Reference | None = None

    @property
    def extractor_line(self) -> str:
        """Which network a metric's features come from."""
        network = self.extractor
        return f"{network.name}: {self.features}{network.accuracy}, sha256 {network.sha256}"


class Measurement(Protocol, frozen=True, kw_only=True):
    """A metric of one G: the mean over draws of samples, and the same of the G before training."""

    value: float
    draws: tuple[float, ...]
    draws_std: float | None
    untrained: float | None
    n_real: int | None
    images: str
    snapshot: str = "last"
    chosen_by: ChosenBy | None = None
    floor: float | None = None

    def __post_init__(self) -> None:
        if len(self.draws) != len(self.drawing_seeds):
            raise ValueError("`draws` and `drawing_seeds` differ in length")


class Data(Record, frozen=True, kw_only=True):
    """The reals of a measurement, and what their manifest says of how they were made."""

    dataset: str
    sha256: str
    count: int
    protocol: str | None = None
    digit_pool: int | None = None
    stacking_seed: int | None = None
    padding: str | None = None
    filter: str | None = None
    skipped: int = 0

    def __str__(self) -> str:
        pool = f", from {self.digit_pool:,} digits" if self.digit_pool is not None else ""
        made = f"; {self.protocol}" if self.protocol is not None else ""
        return f"{self.dataset}, {self.count:,} images{pool}{made}; sha256 {self.sha256}"


class RunRecord(Record, frozen=True, kw_only=True):
    """What the records of a run's measurements share."""

    schema: int
    scale: str
    dataset: str
    config: str
    seed: int
    outcome: Outcome
    data: Data
    training: Training
    provenance: Provenance

    @property
    def run(self) -> str:
        return self.training.run

    @property
    def is_released(self) -> bool:
        """Whether the authors trained it."""
        return self.scale == RELEASED


class Evaluation(RunRecord, frozen=True, kw_only=True):
    """metrics.json: a run's metrics."""

    metrics: dict[str, Measurement]
    generator_sha256: str
    seconds: float


class Point(Record, frozen=True, kw_only=True):
    """A snapshot's metrics; seconds of training without evaluation, and of its own evaluation."""

    kimg: float
    train_seconds: float
    values: dict[str, float]
    evaluate_seconds: float


class Convergence(RunRecord, frozen=True, kw_only=True):
    """convergence.json: the metrics of every snapshot that a run kept."""

    interval_kimg: float
    points: tuple[Point, ...]
    metrics: dict[str, Protocol]

    def __post_init__(self) -> None:
        if not self.points or any(point.values.keys() != self.metrics.keys() for point in self.points):
            raise ValueError("`points` must hold a value of every metric, at one snapshot or more")


class Timing(Record, frozen=True, kw_only=True):
    """A training step timed in turn with a reference; of several variants of computing it, one."""

    config: str
    size: str
    batch: int
    step: str
    variant: str | None = msgspec.field(default=None, name="way")
    ours_ms: float
    textbook_ms: float
    ratio: float
    img_per_s: float
    rounds: int
    ours_peak_mib: float
    textbook_peak_mib: float
    gmac_per_image: float | None
    official_ms: float | None = None  # of the authors' code, where a clone of it was given
    rounds_ms: dict[str, tuple[float, ...]] = {}  # every round of each side, in turn


class Benchmark(Record, frozen=True, kw_only=True):
    """results/benchmarks/<hardware>/<module>.json; what a line holds depends on the module."""

    schema: int = 1
    measured: tuple[Values, ...]
    provenance: Provenance
    load: float | None = None  # of the last minute at the end: processes that want a core, this one included

    @property
    def rounds(self) -> list[int]:
        """How often its lines were timed, each number once."""
        return sorted({int(str(entry["rounds"])) for entry in self.measured if "rounds" in entry})


class StepBenchmark(Benchmark, frozen=True, kw_only=True):
    """One whose lines are timings of training steps."""

    measured: tuple[Timing, ...]  # type: ignore[assignment]


class ToyArm(Record, frozen=True, kw_only=True):
    """One setting of the 2-D toys; values in the order of `seeds`, None where a run ended in numbers not finite."""

    shape: str
    loss: str
    penalties: tuple[str, ...]
    gamma: float
    interval: int
    seeds: tuple[int, ...]
    coverage: tuple[float | None, ...]
    on_data: tuple[float | None, ...]
    distance: tuple[float | None, ...]
    grad_norm_real: tuple[float | None, ...]
    grad_norm_fake: tuple[float | None, ...]
    diverged: tuple[bool, ...]


class Toys(Benchmark, frozen=True, kw_only=True):
    """toys.json: the 2-D toys of a scale, one line per setting."""

    scale: str
    steps: int
    batch: int
    z_dim: int
    width: int
    hidden_layers: int
    lr: float
    betas: tuple[float, float]
    samples: int
    seconds: float
    measured: tuple[ToyArm, ...]  # type: ignore[assignment]

    @property
    def rounds(self) -> list[int]:
        return []


RecordType = TypeVar("RecordType", bound=Record)
# What is written now; older ones that can still be read are below.
SCHEMAS: dict[type[Record], int] = {Evaluation: 2, Convergence: 1, Benchmark: 1, StepBenchmark: 1, Toys: 1}


def upgraded(content: Values) -> Values:
    """An evaluation of schema 1 as one of schema 2; what was not recorded then is empty."""
    classifier, metrics = content.pop("classifier", None), content["metrics"]
    if not isinstance(metrics, dict) or not isinstance(classifier, dict):
        raise TypeError("`metrics` and `classifier` must be objects")
    for metric in metrics.values():
        metric |= {"draws": [metric["value"]], "draws_std": None, "drawing_seeds": [metric.pop("drawing_seed")]}
        metric |= {"features": "", "images": "", "extractor": {"name": "digits", **classifier}}
    return content | {"schema": 2}
