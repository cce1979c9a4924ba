"""What a table's runs need on disk and from the net."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from r3gan.configs import SIZES
from r3gan.data.source import Remote, Source
from r3gan.data.sources import SOURCES
from r3gan.estimate.features import feature_work
from r3gan.estimate.work import work_of
from r3gan.metrics import find_metric
from r3gan.metrics.extractors import find_extractor
from r3gan.metrics.weights import WEIGHTS
from r3gan.study import StudyRun
from r3gan.training import KEPT_CHECKPOINTS


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something on disk or to be fetched; None: its size is not known."""

    name: str
    size_bytes: int | None


def datasets_of(runs: Sequence[StudyRun]) -> list[str]:
    """Data sets that runs train on, and those of their classifiers."""
    names = [name for run in runs for name in (run.dataset, run.classifier) if name]
    return list(dict.fromkeys(names))


def array_bytes(source: Source) -> int | None:
    """Of images.npy (uint8) and labels.npy (int64)."""
    return None if source.count is None else source.count * (source.image_channels * source.resolution**2 + 8)


def reference_items(runs: Sequence[StudyRun]) -> list[Item]:
    """What the reals look like to each feature network: mean and covariance, and every image's features if needed."""
    wanted: dict[tuple[str, str], bool] = {}
    for run in runs:
        for metric in map(find_metric, run.metrics):
            if metric.reals != "none":
                key = run.dataset, metric.extractor
                wanted[key] = wanted.get(key, False) or metric.reals == "features"
    items = []
    for (dataset, extractor), every_image in wanted.items():
        size, count = SIZES[dataset], SOURCES[dataset].count
        width = feature_work(extractor, size.resolution, size.image_channels).features
        features = (None if count is None else 4 * width * count) if every_image else 0
        total = None if features is None else 8 * width * (width + 1) + features
        items.append(Item(name=f"work/cache/reference: {dataset} in {extractor} features", size_bytes=total))
    return items


def disk_items(runs: Sequence[StudyRun], snapshots: Sequence[int], side_by_side: int) -> list[Item]:
    """By folder; `snapshots` counts those that each run keeps of G. Records and pictures are below 1 MB.

    Checkpoints are removed when a run ends; what counts is the most that there is at a time, with one being written.
    """
    if not runs:
        return []
    works = [work_of(run.config, run.dataset) for run in runs]
    largest = heapq.nlargest(side_by_side, (work.checkpoint_bytes for work in works))
    kept = sum(work.g_bytes * count for work, count in zip(works, snapshots, strict=True))
    items = [Item(name=f"data/{name}", size_bytes=array_bytes(SOURCES[name])) for name in datasets_of(runs)]
    if fetched := [item.size_bytes for item in data_downloads(runs)]:
        size = None if None in fetched else sum(filter(None, fetched))
        items.append(Item(name="work/downloads: data as fetched", size_bytes=size))
    items += [
        Item(name="work/: checkpoints, at most", size_bytes=(KEPT_CHECKPOINTS + 1) * sum(largest)),
        Item(name="runs/: generators", size_bytes=sum(work.g_bytes for work in works)),
    ]
    items += [Item(name="runs/: snapshots for convergence", size_bytes=kept)] if kept else []
    return items + reference_items(runs)


def data_downloads(runs: Sequence[StudyRun]) -> list[Item]:
    """Files of data sets; sets that share a file fetch it once."""
    return _items(file for name in datasets_of(runs) for file in SOURCES[name].files)


def downloads(runs: Sequence[StudyRun]) -> list[Item]:
    """Everything that is fetched: data, and weights of feature networks that no package carries."""
    needed = (find_extractor(find_metric(metric).extractor).weights for run in runs for metric in run.metrics)
    return data_downloads(runs) + _items(WEIGHTS[name] for name in needed if name)


def _items(files: Iterable[Remote]) -> list[Item]:
    return [Item(name=name, size_bytes=size) for name, size in {file.name: file.size for file in files}.items()]


def supplied(runs: Sequence[StudyRun]) -> dict[str, str]:
    """Data sets that nothing fetches, and what the user must have of each."""
    return {name: SOURCES[name].expects for name in datasets_of(runs) if SOURCES[name].supply == "yours"}
