"""What a table's runs need on disk and from the network."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from r3gan.data.source import Source
from r3gan.data.sources import SOURCES
from r3gan.estimate.features import feature_work
from r3gan.estimate.schema import Sizes
from r3gan.estimate.work import work_of
from r3gan.metrics import find_metric
from r3gan.metrics.extractors import find_extractor
from r3gan.records.run_id import RunId
from r3gan.study import StudyRun
from r3gan.training import KEPT_CHECKPOINTS


def datasets_of(runs: Sequence[StudyRun]) -> list[str]:
    """Data sets that runs train on, and those of their classifiers."""
    return list(dict.fromkeys(name for run in runs for name in (run.dataset, run.classifier) if name))


def array_bytes(source: Source) -> int | None:
    """Of images.npy (uint8) and labels.npy (int64)."""
    return None if source.count is None else source.count * (source.image_channels * source.resolution**2 + 8)


def references(runs: Sequence[StudyRun]) -> Sizes:
    """Mean and covariance of the real images' features, and every image's features where a metric needs them."""
    wanted: dict[tuple[str, str], bool] = {}
    for run in runs:
        for metric in map(find_metric, run.metrics):
            if metric.reals != "none":
                key = run.dataset, metric.extractor
                wanted[key] = wanted.get(key, False) or metric.reals == "features"
    found: Sizes = {}
    for (dataset, extractor), every_image in wanted.items():
        width, count = feature_work(extractor, dataset).features, SOURCES[dataset].count if every_image else 0
        size = None if count is None else 8 * width * (width + 1) + 4 * width * count
        found[f"work/cache/reference: {dataset} in {extractor} features"] = size
    return found


def on_disk(runs: Sequence[StudyRun], snapshots: Mapping[RunId, int], at_once: int) -> Sizes:
    """By folder; `snapshots` counts those kept of each trained G, `at_once` the runs that train at the same time.

    Records and pictures are below 1 MB and left out. A run that has ended keeps its last checkpoint, one that trains
    has more, with one being written; what counts is the most that there is at a time.
    """
    if not runs:
        return {}
    works = {run: work_of(run.config, run.dataset) for run in snapshots}
    found = {f"data/{name}": array_bytes(SOURCES[name]) for name in datasets_of(runs)}
    if files := data_files(runs):
        sizes = [size for size in files.values() if size is not None]
        found["work/downloads: data as downloaded"] = sum(sizes) if len(sizes) == len(files) else None
    sizes_of_states = [work.checkpoint_bytes for work in works.values()]
    training = sum(heapq.nlargest(at_once, sizes_of_states))
    found["work/: checkpoints, at most"] = KEPT_CHECKPOINTS * training + sum(sizes_of_states)
    found["runs/: generators"] = sum(work.g_bytes for work in works.values())
    if kept := sum(work.g_bytes * snapshots[run] for run, work in works.items()):
        found["runs/: snapshots for convergence"] = kept
    return found | references(runs)


def data_files(runs: Sequence[StudyRun]) -> Sizes:
    """Files that data sets are made of; sets that share a file download it once."""
    return {file.name: file.size for name in datasets_of(runs) for file in SOURCES[name].files}


def downloads(runs: Sequence[StudyRun]) -> Sizes:
    """Everything that is downloaded: data, and weights of feature networks that no package carries."""
    from r3gan.metrics.weights import WEIGHTS  # here: it can download, and the report, which cannot, reads estimates

    needed = [find_extractor(find_metric(metric).extractor).weights for run in runs for metric in run.metrics]
    return data_files(runs) | {name: WEIGHTS[name].size for name in needed if name}


def supplied(runs: Sequence[StudyRun]) -> dict[str, str]:
    """Data sets that cannot be downloaded, and what the user must have of each."""
    return {name: SOURCES[name].expects for name in datasets_of(runs) if SOURCES[name].supply == "yours"}
