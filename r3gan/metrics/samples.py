"""Samples: a feature network's outputs for many images, computed in batches; features are kept only where needed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.distributed import World
from r3gan.metrics.extractors import FeatureNetwork
from r3gan.metrics.frechet import Moments, Statistics
from r3gan.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One output of a feature network for N images: all values [N, ...], their mean and covariance, or both."""

    count: int
    kept: Tensor | None = None
    moments: Statistics | None = None

    @property
    def features(self) -> Tensor:
        """Each image's features [N, D]."""
        assert self.kept is not None
        return self.kept

    @property
    def statistics(self) -> Statistics:
        """Mean [D] and covariance [D, D] in float64."""
        if self.moments is not None:
            return self.moments
        gathered = Moments()
        gathered.add(self.features)
        return gathered.statistics()


def interleaved(blocks: list[list[Tensor]]) -> Tensor:
    """Every rank's blocks in the order of the images: block 0 of rank 0, block 0 of rank 1, ..."""
    rounds = itertools.zip_longest(*blocks)
    return torch.cat([block for together in rounds for block in together if block is not None])


def extract_features(
    batches: Iterable[Tensor],
    count: int,
    networks: Mapping[str, tuple[FeatureNetwork, Collection[str]]],
    *,
    keep: bool,
    world: World,
    label: str,
) -> dict[tuple[str, str], Sample]:
    """Samples by (network, output) of uint8 image batches; every batch is one block of this rank.

    Without `keep` only mean and covariance are kept, so that memory does not grow with the number of images. All ranks
    together process `count` images and get the same samples.
    """
    kept: dict[tuple[str, str], list[Tensor]] = {}
    moments: dict[tuple[str, str], Moments] = {}
    with Progress(label, count, "img", shown=world.is_rank0) as progress:
        for images in batches:
            for name, (network, outputs) in networks.items():
                for output, value in network(images, outputs).items():
                    if keep:
                        kept.setdefault((name, output), []).append(value)
                    else:
                        moments.setdefault((name, output), Moments()).add(value)
            progress.advance(len(images) * world.size)
    found = {}
    for name, (_, outputs) in networks.items():
        for output in sorted(outputs):
            key = name, output
            if keep:
                features = interleaved(world.gather(kept.get(key, [])))
                assert len(features) == count
                found[key] = Sample(count=count, kept=features)
            else:
                together = Moments.of(world.gather(moments.get(key, Moments())))
                found[key] = Sample(count=count, moments=together.statistics())
    return found
