"""The `evaluate` stage: metrics of one run's samples, with everything they depend on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from r3gan.configs import find_config
from r3gan.configs.recipe import as_described
from r3gan.data.loader import Dataset
from r3gan.distributed import ALONE, World
from r3gan.errors import UserError
from r3gan.files import atomic, sha256
from r3gan.interfaces import GeneratorNetwork
from r3gan.metrics import find_metric
from r3gan.metrics.extractors import ExtractorPaths, FeatureNetwork, find_extractor
from r3gan.metrics.reference import CACHE, read_statistics, reference_samples
from r3gan.metrics.samples import Sample, extract_features
from r3gan.models.families import Networks, Size
from r3gan.pictures import COLUMNS, quantise, save_tiles
from r3gan.records.provenance import stamp
from r3gan.records.schema import SCHEMAS, Evaluation, Training, Values
from r3gan.records.store import made, read_training, write
from r3gan.weights import load_network

SAMPLE_BATCH = 250
DATA_PROTOCOL = ("protocol", "digit_pool", "stacking_seed", "padding", "filter", "skipped")  # of a data set's manifest
GRID_IMAGES = 32
TRAIN_FIRST = "train it first with `r3gan train`, or check the spelling of RUN"
SNAPSHOTS = ("last", "best")  # the trained G, or the one that `r3gan train --keep-best` kept
Key = tuple[str, str]  # feature network, output


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: metrics, images per draw, number of draws, and the paths of what they need."""

    metrics: tuple[str, ...]
    samples: int
    draws: int = 1
    paths: ExtractorPaths
    references: Mapping[str, tuple[Path, str | None]] = field(default_factory=dict)  # metric -> statistics file, sha256
    cache: Path = CACHE
    snapshot: str = "last"  # which G of the run `evaluate` measures, one of SNAPSHOTS

    def keys(self) -> dict[str, Key]:
        """The feature network and output that each metric is computed from."""
        return {name: (find_metric(name).extractor, find_metric(name).output) for name in self.metrics}


def draw_samples(
    generator: GeneratorNetwork, count: int, drawing_seed: int, labels: np.ndarray[Any, Any], world: World
) -> Iterator[Tensor]:
    """A rank's blocks of `count` uint8 images [N, C, R, R].

    z and labels of a block, and the noise inside Config A, follow from the seed and the block's number, so that the
    images do not depend on the number of ranks. Classes are as frequent as among the training `labels`.
    """
    device = next(generator.parameters()).device
    blocks = -(-count // SAMPLE_BATCH)
    for block in range(world.rank, blocks, world.size):
        n = min(SAMPLE_BATCH, count - block * SAMPLE_BATCH)
        sequence = np.random.SeedSequence([drawing_seed, block])
        torch.manual_seed(int(sequence.generate_state(1)[0]))
        z = torch.randn(n, generator.z_dim)
        known = None
        if generator.classes:
            known = torch.from_numpy(np.random.default_rng(sequence).choice(labels, n)).to(device)
        with torch.no_grad():
            yield quantise(generator(z.to(device), known))


def open_networks(plan: Plan, device: torch.device) -> dict[str, FeatureNetwork]:
    """The feature networks that the plan's metrics need."""
    names = dict.fromkeys(name for name, _ in plan.keys().values())
    return {name: find_extractor(name).open(plan.paths, device) for name in names}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A plan with its feature networks loaded and its reals measured, ready to score any generator."""

    plan: Plan
    dataset: Dataset
    world: World
    networks: dict[str, FeatureNetwork]
    reals: dict[str, Sample]  # by metric
    references: dict[str, Any]  # the records of the statistics files, by metric

    @classmethod
    def prepare(cls, plan: Plan, dataset: Dataset, device: torch.device, world: World) -> Measurement:
        """Load the feature networks, and compute or read the reals' statistics or features; all ranks together."""
        networks = open_networks(plan, device)
        wanted: dict[Key, bool] = {}
        given: dict[str, Sample] = {}
        references: dict[str, Any] = {}
        for metric, key in plan.keys().items():
            if metric in plan.references:
                given[metric], references[metric] = read_statistics(*plan.references[metric])
            elif find_metric(metric).reals != "none":
                wanted[key] = wanted.get(key, False) or find_metric(metric).reals == "features"
        computed = reference_samples(dataset, networks, wanted, world, plan.cache)
        nothing = Sample(count=0)
        reals = {name: given.get(name) or computed.get(key, nothing) for name, key in plan.keys().items()}
        return cls(plan=plan, dataset=dataset, world=world, networks=networks, reals=reals, references=references)

    def score(self, generator: GeneratorNetwork, drawing_seed: int, label: str) -> dict[str, float]:
        """Every metric of one draw of samples; all ranks together."""
        if not self.plan.metrics:
            return {}
        outputs: dict[str, set[str]] = {}
        for name, output in self.plan.keys().values():
            outputs.setdefault(name, set()).add(output)
        wanted = {name: (self.networks[name], outputs[name]) for name in self.networks}
        batches = draw_samples(generator, self.plan.samples, drawing_seed, self.dataset.labels, self.world)
        fakes = extract_features(batches, self.plan.samples, wanted, keep=True, world=self.world, label=label)
        for metric, key in self.plan.keys().items():
            moments, found = self.reals[metric].moments, fakes[key].features.shape[1]
            if moments is not None and len(moments[0]) != found:
                raise UserError(f"--reference {metric}: the file has {len(moments[0])} features, not {found}")
        return {name: find_metric(name).score(self.reals[name], fakes[key]) for name, key in self.plan.keys().items()}

    def protocol(self, name: str) -> Values:
        """How a metric is measured, for records."""
        extractor = find_metric(name).extractor
        return {
            "protocol": find_metric(name).protocol,
            "features": find_extractor(extractor).protocol,
            "extractor": {"name": extractor, **self.networks[extractor].record},
            "n_fake": self.plan.samples,
            "drawing_seeds": list(range(self.plan.draws)),
            "reference": self.references.get(name),
        }

    def describe(self, name: str, untrained: dict[str, float], draws: list[dict[str, float]]) -> Values:
        """A metric's numbers and the protocol they were measured under; `value` is the mean over draws."""
        metric, dataset = find_metric(name), self.dataset
        values = [draw[name] for draw in draws]
        counts_reals = name not in self.references and metric.reals != "none"
        return {
            **self.protocol(name),
            "value": fmean(values),
            "draws": values,
            "draws_std": stdev(values) if len(values) > 1 else None,
            "untrained": untrained.get(name),
            "n_real": len(dataset.images) if counts_reals else None,
            "images": f"{dataset.images.shape[-1]} px, {dataset.manifest.get('filter') or 'no'} filter, uint8",
            "floor": metric.floor(self.plan.samples) if metric.floor else None,
        }


def check_data(dataset: Dataset, training: Training, run_folder: Path) -> None:
    """UserError where a run was trained on other data."""
    trained_on = training.data.sha256  # unknown for an imported run
    if trained_on is not None and trained_on != dataset.manifest["sha256"]:
        raise UserError(f"--data {dataset.name} is not the data that {run_folder} was trained on (sha256 differs)")


def size_of(training: Training) -> Size:
    """The size of a run's networks; UserError where its record does not hold one."""
    try:
        return msgspec.convert(training.size, Size)
    except msgspec.ValidationError as error:
        raise UserError(f"runs/{training.run}/train.json: `size` is not one of networks ({error})") from None


def networks_of(training: Training) -> Networks:
    """The networks a run was trained with: its configuration's, with what the run changed of them."""
    try:
        return as_described(find_config(training.config).networks, training.networks)
    except msgspec.ValidationError as error:
        raise UserError(f"runs/{training.run}/train.json: `networks` cannot be built ({error})") from None


def initial_generator(training: Training, device: torch.device) -> GeneratorNetwork:
    """A run's generator with its initial weights, in eval mode, channels last as in training."""
    torch.manual_seed(training.seed)
    generator = networks_of(training).generator(size_of(training))
    return generator.to(device).to(memory_format=torch.channels_last).eval()


def evaluate(
    run_folder: Path, dataset: Dataset, plan: Plan, out: Path, device: torch.device, world: World = ALONE
) -> Evaluation:
    """Write metrics.json, samples.png, reals.png and loss.csv of a run into `out` and return the record.

    Each metric is computed for the trained generator (moving average, the plan's snapshot), once per draw, and for the
    same generator before training. A run whose training diverged has no metrics: its outcome is "Fail".
    """
    started = time.perf_counter()
    training = read_training(run_folder, TRAIN_FIRST)
    check_data(dataset, training, run_folder)
    if training.outcome == "Fail":
        plan = replace(plan, metrics=())
    weights, recorded, which = chosen_snapshot(plan, training, run_folder)
    untrained, generator = initial_generator(training, device), initial_generator(training, device)
    load_network(weights, generator, TRAIN_FIRST, recorded)
    measurement = Measurement.prepare(plan, dataset, device, world)
    before = measurement.score(untrained, 0, "untrained") if training.outcome != "imported" else {}
    draws = [measurement.score(generator, seed, f"draw {seed}") for seed in range(plan.draws)]
    content = {
        "schema": SCHEMAS[Evaluation],
        **what_of(training),
        "metrics": {name: measurement.describe(name, before, draws) | which for name in plan.metrics},
        "data": {
            "dataset": dataset.name,
            "sha256": dataset.manifest["sha256"],
            "count": len(dataset.images),
            **{key: dataset.manifest[key] for key in DATA_PROTOCOL if key in dataset.manifest},
        },
        "generator_sha256": sha256(weights),
        "seconds": round(time.perf_counter() - started, 1),
        "training": training,
        "provenance": stamp(str(device), torch.get_num_threads(), world.size),
    }
    record = made(Evaluation, content)
    if world.is_rank0:
        grids = {"samples": sample_images(generator, training.seed, device), "reals": real_images(dataset)}
        for name, images in grids.items():
            save_tiles(out / f"{name}.png", with_channels(images), COLUMNS)
        if (run_folder / "loss.csv").exists():  # an imported run has none
            with atomic(out / "loss.csv") as temporary:
                shutil.copyfile(run_folder / "loss.csv", temporary)
        write(out / "metrics.json", record)
        values = {name: metric.value for name, metric in record.metrics.items()}
        print(f"{out}: {json.dumps(values) if values else training.outcome}")
    return record


def what_of(training: Training) -> Values:
    """The fields that a record of a measurement has in common with the run's."""
    return {key: getattr(training, key) for key in ("scale", "dataset", "config", "seed", "outcome")}


def chosen_snapshot(plan: Plan, training: Training, run_folder: Path) -> tuple[Path, str | None, Values]:
    """The file of the generator that the plan names, its recorded sha256, and its description in a metric's record."""
    if plan.snapshot == "last":
        which = "as released" if training.outcome == "imported" else "last"
        return run_folder / "generator.safetensors", training.generator_sha256, {"snapshot": which}
    if (best := training.best) is None:
        raise UserError(
            f"--snapshot best: {run_folder} has none; train it with --keep-best METRIC --snapshot-kimg KIMG"
        )
    chosen_by = {key: getattr(best, key) for key in ("metric", "value", "samples", "of", "kimg")}
    return run_folder / best.file, best.sha256, {"snapshot": "best", "chosen_by": chosen_by}


@torch.no_grad()
def sample_images(generator: GeneratorNetwork, seed: int, device: torch.device) -> Tensor:
    """GRID_IMAGES samples, uint8 [N, C, R, R]; with classes, one class after the other."""
    torch.manual_seed(seed)
    z = torch.randn(GRID_IMAGES, generator.z_dim)
    classes = generator.classes
    labels = torch.arange(GRID_IMAGES, device=device) % classes if classes else None
    return quantise(generator(z.to(device), labels)).cpu()


def real_images(dataset: Dataset) -> Tensor:
    """GRID_IMAGES images of a data set, or all of a smaller one, evenly spaced: uint8 [N, C, R, R]."""
    count = len(dataset.images)
    return torch.from_numpy(dataset.images[np.linspace(0, count - 1, min(GRID_IMAGES, count)).astype(int)])


def with_channels(images: Tensor) -> NDArray[np.uint8]:
    """Images in colour, then each channel of the first 16 in grey, which shows the digits of stacked sets."""
    grey = [images[:16, c : c + 1].expand(-1, 3, -1, -1) for c in range(images.shape[1] if images.shape[1] > 1 else 0)]
    return torch.cat([images, *grey]).numpy()
