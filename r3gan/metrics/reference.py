"""The reals' features or statistics: computed once per data set and feature network, cached under work/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from r3gan.data.loader import Dataset
from r3gan.data.untrusted import reading
from r3gan.distributed import World
from r3gan.errors import UserError
from r3gan.files import atomic, sha256
from r3gan.metrics.extractors import FeatureNetwork, find_extractor
from r3gan.metrics.samples import Sample, extract_features

CACHE = Path("work/cache/reference")
SYMMETRIC, POSITIVE = 1e-5, 1e-3  # up to the rounding of statistics in float32, relative to the largest entry
CHUNK_BYTES = 64 << 20  # of uint8 images at a time


def cache_path(cache: Path, dataset: Dataset, name: str, network: FeatureNetwork, output: str) -> Path:
    """Named by everything that decides the content: the data, the network, its protocol and output."""
    identity = {
        "data_sha256": dataset.manifest["sha256"],
        "flips": "none",
        "extractor": name,
        "protocol": find_extractor(name).protocol,
        "network_sha256": network.record["sha256"],
        "output": output,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:20]
    return cache / f"{name}-{output}-{digest}.safetensors"


def read_cached(path: Path, keep: bool) -> Sample | None:
    """The sample in a cache file; None if there is none, or if it lacks features that are needed."""
    try:
        tensors = load_file(path)
        found = Sample(
            count=int(tensors["count"]), kept=tensors.get("features"), moments=(tensors["mean"], tensors["covariance"])
        )
    except (
        OSError,
        SafetensorError,
        KeyError,
    ):  # missing, of another version, or truncated
        return None
    return None if keep and found.kept is None else found


def write_cached(path: Path, sample: Sample) -> Sample:
    """Write a sample to the cache, and return it with its mean and covariance."""
    mean, covariance = sample.statistics
    tensors = {"count": torch.tensor(sample.count), "mean": mean, "covariance": covariance}
    if sample.kept is not None:
        tensors["features"] = sample.kept.contiguous()
    with atomic(path) as temporary:
        save_file(tensors, temporary)
    return Sample(count=sample.count, kept=sample.kept, moments=(mean, covariance))


def real_batches(dataset: Dataset, world: World) -> Iterator[Tensor]:
    """A rank's chunks of the reals, uint8 [N, C, R, R]."""
    size = max(1, CHUNK_BYTES // dataset.images[0].nbytes)
    if world.size > 1:
        size = min(size, -(-len(dataset.images) // world.size))
    for start in range(world.rank * size, len(dataset.images), world.size * size):
        yield torch.from_numpy(np.array(dataset.images[start : start + size]))


def reference_samples(
    dataset: Dataset,
    networks: dict[str, FeatureNetwork],
    wanted: dict[tuple[str, str], bool],
    world: World,
    cache: Path = CACHE,
) -> dict[tuple[str, str], Sample]:
    """Samples of the reals by (network, output); `wanted` says for each whether all images' features are needed."""
    found: dict[tuple[str, str], Sample] = {}
    for (name, output), keep in wanted.items():
        network = networks[name]
        path = cache_path(cache, dataset, name, network, output)
        cached = read_cached(path, keep)
        world.barrier()  # else a slow rank could read what a fast one has just written, and leave it waiting
        if cached is None:
            outputs: Collection[str] = (output,)
            seen = extract_features(
                real_batches(dataset, world),
                len(dataset.images),
                {name: (network, outputs)},
                keep=keep,
                world=world,
                label=f"{name}, reals",
            )
            cached = seen[name, output]
            if world.is_rank0:
                cached = write_cached(path, cached)
        found[name, output] = cached
    return found


def read_statistics(path: Path, expected_sha256: str | None) -> tuple[Sample, dict[str, Any]]:
    """Mean `mu` and covariance `sigma` from an .npz file such as clean-fid's; UserError unless it is one.

    `count` is 0 where the file does not say of how many images.
    """
    if not path.is_file():
        raise UserError(f"--reference: {path} does not exist")
    found = sha256(path)
    if expected_sha256 is not None and found != expected_sha256:
        raise UserError(f"--reference: {path} has sha256 {found}, not {expected_sha256}")
    what = "an .npz file with mu and sigma"
    with reading(path, what), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        mu, sigma = (np.asarray(file[key]) for key in ("mu", "sigma"))
        count = int(file["count"]) if "count" in file.files else 0
    if problem := problem_of(mu, sigma):
        raise UserError(f"--reference: {path} does not hold statistics: {problem}")
    mean, covariance = (torch.from_numpy(values.astype(np.float64)) for values in (mu, sigma))
    return Sample(count=count, moments=(mean, covariance)), {"file": path.name, "sha256": found}


def problem_of(mu: NDArray[Any], sigma: NDArray[Any]) -> str:
    """Why these are no mean [D] and covariance [D, D]; empty where they are."""
    if mu.ndim != 1 or not len(mu) or sigma.shape != (len(mu), len(mu)):
        return f"mu and sigma have shapes {mu.shape} and {sigma.shape}"
    if mu.dtype.kind != "f" or sigma.dtype.kind != "f":
        return f"mu and sigma are of type {mu.dtype} and {sigma.dtype}, not floats"
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        return "a number in them is not finite"
    largest = np.abs(sigma).max()
    if np.abs(sigma - sigma.T).max() > SYMMETRIC * largest:
        return "sigma is not symmetric"
    if not np.linalg.eigvalsh(sigma.astype(np.float64))[0] > -POSITIVE * largest or not (np.diag(sigma) >= 0).all():
        return "sigma is no covariance: a variance is negative"
    return ""
