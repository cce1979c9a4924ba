"""The `evaluate` stage: samples of one run to numbers, with everything they depend on."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from r3gan.configs import SIZES, find_config
from r3gan.data.loader import Dataset
from r3gan.errors import UserError
from r3gan.files import atomic, read_json, sha256, write_json
from r3gan.interfaces import GeneratorNetwork
from r3gan.metrics import find_metric
from r3gan.metrics.classifier import DigitClassifier, load_classifier
from r3gan.metrics.features import Features, digit_features
from r3gan.pictures import quantise, save_grid
from r3gan.progress import Progress
from r3gan.provenance import stamp
from r3gan.weights import load_network

SAMPLE_BATCH = 250
GRID_IMAGES = 32


@torch.no_grad()
def draw_samples(generator: GeneratorNetwork, count: int, seed: int, label: str) -> Tensor:
    """`count` uint8 images [N, C, R, R]; z, and labels where there are classes, follow from the seed alone."""
    device = next(generator.parameters()).device
    torch.manual_seed(seed)  # also decides the noise inside Config A
    parts = []
    with Progress(label, count, "img") as progress:
        for start in range(0, count, SAMPLE_BATCH):
            n = min(SAMPLE_BATCH, count - start)
            z = torch.randn(n, generator.z_dim)
            labels = torch.randint(generator.classes, (n,)).to(device) if generator.classes else None
            parts.append(quantise(generator(z.to(device), labels)).cpu())
            progress.advance(n)
    return torch.cat(parts)


def evaluate(
    run_folder: Path,
    dataset: Dataset,
    classifier_folder: Path | None,
    metrics: list[str],
    samples: int,
    out: Path,
    device: torch.device,
) -> dict[str, Any]:
    """Write metrics.json, samples.png and loss.csv of a trained run into `out` and return the record.

    `classifier_folder` may be None where no metric is asked for. Each metric is computed for the trained generator
    (moving average, last snapshot) and for the same generator before training. A run whose training
    diverged has no numbers: its outcome is "Fail".
    """
    started = time.perf_counter()
    hint = "run `r3gan train` first, or name the run's folder with --run"
    training = read_json(run_folder / "train.json", hint)
    trained_on = training["data"]["sha256"]  # of an imported run it is not known
    if trained_on is not None and trained_on != dataset.manifest["sha256"]:
        raise UserError(f"--data {dataset.name} is not the data that {run_folder} was trained on (sha256 differs)")
    config, size = find_config(training["config"]), SIZES[training["dataset"]]
    torch.manual_seed(training["seed"])
    generator = config.networks.generator(size).to(device).eval()  # as training began
    values: dict[str, dict[str, float]] = {}
    classifier_record: dict[str, Any] = {}
    if metrics and training["outcome"] != "Fail":
        assert classifier_folder is not None
        classifier, classifier_record = load_classifier(classifier_folder)
        classifier.to(device)
        reals = digit_features(classifier, torch.from_numpy(np.array(dataset.images)))
        seed = training["seed"]
        values["untrained"] = score(metrics, reals, generator, classifier, samples, seed, "untrained")
        load_network(run_folder / "generator.safetensors", generator, hint)
        values["value"] = score(metrics, reals, generator, classifier, samples, seed, "evaluate")
    record = {
        "schema": 1,
        **{key: training[key] for key in ("scale", "dataset", "config", "seed", "outcome")},
        "metrics": {
            name: metric_record(name, values, samples, len(dataset.images), training["seed"])
            for name in metrics
            if values
        },
        "data": {"dataset": dataset.name, "sha256": dataset.manifest["sha256"], "count": len(dataset.images)},
        "classifier": {key: classifier_record.get(key) for key in ("dataset", "sha256", "test_accuracy")},
        "generator_sha256": sha256(run_folder / "generator.safetensors"),
        "seconds": round(time.perf_counter() - started, 1),
        "training": training,
        "provenance": stamp(str(device), torch.get_num_threads()),
    }
    load_network(run_folder / "generator.safetensors", generator, hint)
    save_grid(out / "samples.png", channel_grid(generator, training["seed"], device))
    if (run_folder / "loss.csv").exists():  # an imported run has none
        with atomic(out / "loss.csv") as temporary:
            shutil.copyfile(run_folder / "loss.csv", temporary)
    write_json(out / "metrics.json", record)
    print(
        f"{out}: {json.dumps({k: v['value'] for k, v in record['metrics'].items()}) if values else training['outcome']}"
    )
    return record


def score(
    metrics: list[str],
    reals: Features,
    generator: GeneratorNetwork,
    classifier: DigitClassifier,
    samples: int,
    seed: int,
    label: str,
) -> dict[str, float]:
    """Every metric of `samples` images of `generator`."""
    images = draw_samples(generator, samples, seed, label)
    fakes = digit_features(classifier, images)
    return {name: find_metric(name).compute(reals, fakes) for name in metrics}


def metric_record(
    name: str, values: dict[str, dict[str, float]], samples: int, reals: int, seed: int
) -> dict[str, Any]:
    """A metric's numbers and the protocol they were measured under."""
    metric = find_metric(name)
    record: dict[str, Any] = {kind: found[name] for kind, found in values.items()}
    record |= {
        "n_fake": samples,
        "n_real": reals,
        "drawing_seed": seed,
        "snapshot": "last",
        "protocol": metric.protocol,
    }
    if metric.floor:
        record["floor"] = metric.floor(samples)
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
