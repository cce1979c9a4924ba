"""The reals' features or statistics: computed once per data set and feature network, cached under work/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from r3gan.data.loader import Dataset
from r3gan.distributed import World
from r3gan.errors import UserError
from r3gan.files import atomic, sha256
from r3gan.metrics.extractors import FeatureNetwork, find_extractor
from r3gan.metrics.samples import Sample, extract_features

CACHE = Path("work/cache/reference")
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
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, covariance = (torch.from_numpy(np.asarray(file[key], dtype=np.float64)) for key in ("mu", "sigma"))
            count = int(file["count"]) if "count" in file.files else 0
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"--reference: {path} is not an .npz file with mu and sigma ({error})") from None
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise UserError(
            f"--reference: {path} has mu and sigma of shapes {tuple(mean.shape)}, {tuple(covariance.shape)}"
        )
    return Sample(count=count, moments=(mean, covariance)), {"file": path.name, "sha256": found}
