"""The `evaluate` stage: samples of one run to numbers, with everything they depend on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from r3gan.configs import SIZES, find_config
from r3gan.data.loader import Dataset
from r3gan.errors import UserError
from r3gan.files import atomic, read_json, sha256, write_json
from r3gan.interfaces import GeneratorNetwork
from r3gan.metrics import RECORD_SCHEMA, find_metric
from r3gan.metrics.extractors import FeatureNetwork, Places, find_extractor
from r3gan.metrics.ranks import Ranks
from r3gan.metrics.reference import CACHE, read_statistics, reference_samples
from r3gan.metrics.samples import Sample, look_at
from r3gan.pictures import quantise, save_grid
from r3gan.records.provenance import stamp
from r3gan.weights import load_network

SAMPLE_BATCH = 250
DATA_PROTOCOL = ("protocol", "digit_pool", "stacking_seed", "padding", "filter", "skipped")  # of a data set's manifest
GRID_IMAGES = 32
SNAPSHOTS = ("last", "best")  # the trained G, or the one that `r3gan train --keep-best` kept
Key = tuple[str, str]  # feature network, output


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: metrics, images a draw, draws, and where what they need is found."""

    metrics: tuple[str, ...]
    samples: int
    draws: int = 1
    places: Places
    references: Mapping[str, tuple[Path, str | None]] = field(default_factory=dict)  # metric -> statistics file, sha256
    cache: Path = CACHE
    snapshot: str = "last"  # which G of the run `evaluate` looks at, one of SNAPSHOTS

    def keys(self) -> dict[str, Key]:
        """The feature network and output that each metric is computed from."""
        return {name: (find_metric(name).extractor, find_metric(name).output) for name in self.metrics}


def draw_samples(
    generator: GeneratorNetwork, count: int, drawing_seed: int, labels: np.ndarray[Any, Any], ranks: Ranks
) -> Iterator[Tensor]:
    """A rank's blocks of `count` uint8 images [N, C, R, R].

    z and labels of a block, and the noise inside Config A, follow from the seed and the block's number, so that every
    number of ranks draws the same images. Classes come as often as among the training `labels`.
    """
    device = next(generator.parameters()).device
    blocks = -(-count // SAMPLE_BATCH)
    for block in range(ranks.rank, blocks, ranks.size):
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
    return {name: find_extractor(name).open(plan.places, device) for name in names}


def real_samples(
    plan: Plan, dataset: Dataset, networks: dict[str, FeatureNetwork], ranks: Ranks
) -> tuple[dict[str, Sample], dict[str, Any]]:
    """What each metric compares with, and the record of the statistics files among it."""
    wanted: dict[Key, bool] = {}
    given: dict[str, Sample] = {}
    files: dict[str, Any] = {}
    for metric, key in plan.keys().items():
        if metric in plan.references:
            given[metric], files[metric] = read_statistics(*plan.references[metric])
        elif find_metric(metric).reals != "none":
            wanted[key] = wanted.get(key, False) or find_metric(metric).reals == "features"
    computed = reference_samples(dataset, networks, wanted, ranks, plan.cache)
    nothing = Sample(count=0)
    return {name: given.get(name) or computed.get(key, nothing) for name, key in plan.keys().items()}, files


def score(
    plan: Plan,
    reals: dict[str, Sample],
    networks: dict[str, FeatureNetwork],
    batches: Iterator[Tensor],
    ranks: Ranks,
    label: str,
) -> dict[str, float]:
    """Every metric of one draw of samples."""
    outputs: dict[str, set[str]] = {}
    for name, output in plan.keys().values():
        outputs.setdefault(name, set()).add(output)
    wanted = {name: (networks[name], outputs[name]) for name in networks}
    fakes = look_at(batches, plan.samples, wanted, keep=True, ranks=ranks, label=label)
    for metric, key in plan.keys().items():
        theirs = reals[metric].moments
        if theirs is not None and len(theirs[0]) != fakes[key].features.shape[1]:
            raise UserError(
                f"--reference {metric}: the file has {len(theirs[0])} features, not {fakes[key].features.shape[1]}"
            )
    return {name: find_metric(name).compute(reals[name], fakes[key]) for name, key in plan.keys().items()}


def check_data(dataset: Dataset, training: dict[str, Any], run_folder: Path) -> None:
    """UserError where a run was trained on other data."""
    trained_on = training["data"]["sha256"]  # of an imported run it is not known
    if trained_on is not None and trained_on != dataset.manifest["sha256"]:
        raise UserError(f"--data {dataset.name} is not the data that {run_folder} was trained on (sha256 differs)")


def evaluate(
    run_folder: Path, dataset: Dataset, plan: Plan, out: Path, device: torch.device, ranks: Ranks | None = None
) -> dict[str, Any]:
    """Write metrics.json, samples.png and loss.csv of a run into `out` and return the record.

    Each metric is computed for the trained generator (moving average, last snapshot), once a draw, and for the same
    generator before training. A run whose training diverged has no numbers: its outcome is "Fail".
    """
    ranks = ranks or Ranks()
    started = time.perf_counter()
    hint = "run `r3gan train` first, or name the run's folder with --run"
    training = read_json(run_folder / "train.json", hint)
    check_data(dataset, training, run_folder)
    config, size = find_config(training["config"]), SIZES[training["dataset"]]
    torch.manual_seed(training["seed"])
    generator = config.networks.generator(size).to(device).eval()  # as training began
    measured = bool(plan.metrics) and training["outcome"] != "Fail"
    networks = open_networks(plan, device) if measured else {}
    reals, files = real_samples(plan, dataset, networks, ranks) if measured else ({}, {})

    def draw(drawing_seed: int, label: str) -> dict[str, float]:
        batches = draw_samples(generator, plan.samples, drawing_seed, dataset.labels, ranks)
        return score(plan, reals, networks, batches, ranks, label)

    untrained = draw(0, "untrained") if measured and training["outcome"] != "imported" else {}
    weights, which = chosen_snapshot(plan, training, run_folder)
    load_network(weights, generator, hint)
    draws = [draw(seed, f"draw {seed}") for seed in range(plan.draws)] if measured else []
    record = {
        "schema": RECORD_SCHEMA,
        **{key: training[key] for key in ("scale", "dataset", "config", "seed", "outcome")},
        "metrics": {
            name: metric_record(plan, name, untrained, draws, dataset, networks, files) | which
            for name in plan.metrics
            if draws
        },
        "data": {
            "dataset": dataset.name,
            "sha256": dataset.manifest["sha256"],
            "count": len(dataset.images),
            **{key: dataset.manifest[key] for key in DATA_PROTOCOL if key in dataset.manifest},
        },
        "generator_sha256": sha256(weights),
        "seconds": round(time.perf_counter() - started, 1),
        "training": training,
        "provenance": stamp(str(device), torch.get_num_threads(), ranks.size),
    }
    if not ranks.leads:
        return record
    save_grid(out / "samples.png", channel_grid(generator, training["seed"], device))
    if (run_folder / "loss.csv").exists():  # an imported run has none
        with atomic(out / "loss.csv") as temporary:
            shutil.copyfile(run_folder / "loss.csv", temporary)
    write_json(out / "metrics.json", record)
    values = {name: metric["value"] for name, metric in record["metrics"].items()}
    print(f"{out}: {json.dumps(values) if values else training['outcome']}")
    return record


def chosen_snapshot(plan: Plan, training: dict[str, Any], run_folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file of G that the plan asks for, and what a metric's record says of it."""
    if plan.snapshot == "last":
        which = "as released" if training["outcome"] == "imported" else "last"
        return run_folder / "generator.safetensors", {"snapshot": which}
    if not (best := training.get("best")):
        raise UserError(
            f"--snapshot best: {run_folder} kept none; train it with --keep-best METRIC --snapshot-kimg KIMG"
        )
    chosen_by = {key: best[key] for key in ("metric", "value", "samples", "of", "kimg")}
    return run_folder / best["file"], {"snapshot": "best", "chosen_by": chosen_by}


def metric_record(
    plan: Plan,
    name: str,
    untrained: dict[str, float],
    draws: list[dict[str, float]],
    dataset: Dataset,
    networks: dict[str, FeatureNetwork],
    files: dict[str, Any],
) -> dict[str, Any]:
    """A metric's numbers and the protocol they were measured under; `value` is the mean over draws."""
    metric = find_metric(name)
    values = [draw[name] for draw in draws]
    record: dict[str, Any] = {
        "value": fmean(values),
        "draws": values,
        "draws_std": stdev(values) if len(values) > 1 else None,
        "untrained": untrained.get(name),
        "n_fake": plan.samples,
        "n_real": None if name in files or metric.reals == "none" else len(dataset.images),
        "drawing_seeds": list(range(plan.draws)),
        "protocol": metric.protocol,
        "features": find_extractor(metric.extractor).protocol,
        "extractor": {"name": metric.extractor, **networks[metric.extractor].record},
        "images": f"{dataset.images.shape[-1]} px, {dataset.manifest.get('filter') or 'no'} filter, uint8",
    }
    if name in files:
        record["reference"] = files[name]
    if metric.floor:
        record["floor"] = metric.floor(plan.samples)
    return record


@torch.no_grad()
def channel_grid(generator: GeneratorNetwork, seed: int, device: torch.device) -> Tensor:
    """Samples in colour, then the channels of the first of them in grey, which show the digits of stacked sets."""
    torch.manual_seed(seed)
    z = torch.randn(GRID_IMAGES, generator.z_dim)
    classes = generator.classes
    labels = torch.arange(GRID_IMAGES, device=device) % classes if classes else None
    images = generator(z.to(device), labels).cpu()
    grey = [images[:16, c : c + 1].expand(-1, 3, -1, -1) for c in range(images.shape[1])]
    return torch.cat([images, *grey])
