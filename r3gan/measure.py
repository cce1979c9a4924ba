"""Any metric between any two sets of images: prepared sets, folders and archives, arrays, runs, statistics of reals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from r3gan.data.content import DOWNLOADS
from r3gan.data.loader import Dataset, open_dataset
from r3gan.data.readers.decode import as_stored
from r3gan.data.readers.pictures import find_pictures
from r3gan.data.untrusted import BadPictureError, one_line
from r3gan.distributed import ALONE
from r3gan.errors import UserError
from r3gan.files import atomic, sha256
from r3gan.generate import load
from r3gan.metrics import find_metric
from r3gan.metrics.evaluate import draw_samples
from r3gan.metrics.extractors import ExtractorPaths, FeatureNetwork, find_extractor
from r3gan.metrics.reference import CACHE, read_statistics, real_batches, reference_samples
from r3gan.metrics.samples import Sample, extract_features
from r3gan.records.provenance import stamp
from r3gan.records.run_id import FORM
from r3gan.records.store import as_json

BATCH = 64
IMAGES_KEYS = ("images", "arr_0")  # of an .npz file: as `r3gan generate` and other tools write them
Key = tuple[str, str]  # feature network, output


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two sets: images as uint8 batches [N, C, H, W], each batch of one shape, or the statistics of some."""

    said: str
    count: int
    batches: Callable[[], Iterator[Tensor]] | None = None
    statistics: Sample | None = None
    dataset: Dataset | None = None  # where it is a prepared one

    @property
    def labels(self) -> NDArray[np.int64] | None:
        return self.dataset.labels if self.dataset else None

    def images(self, option: str) -> Callable[[], Iterator[Tensor]]:
        """What gives the batches; UserError for statistics."""
        if self.batches is None:
            raise UserError(f"{option}: {self.said} holds statistics, and images are needed")
        return self.batches


def open_side(option: str, text: str, samples: int, labels: NDArray[np.int64] | None, device: torch.device) -> Side:
    """What --real or --fake names; `samples` and `labels` are of images that a run draws. UserError if nothing is."""
    path = Path(text)
    prepared = next((p for p in (Path("data") / text, path) if (p / "manifest.json").is_file()), None)
    if FORM.fullmatch(text) or path.suffix == ".safetensors":
        return of_run(text, samples, labels, device)
    if prepared is not None:
        return of_dataset(open_dataset(prepared))
    if path.suffix == ".npz":
        return of_npz(option, path)
    if path.exists():
        return of_pictures(option, path)
    raise UserError(
        f"{option} {text} does not exist; name a prepared data set, a folder, zip or tar of pictures, an .npz file "
        "or a run"
    )


def of_run(run: str, samples: int, labels: NDArray[np.int64] | None, device: torch.device) -> Side:
    """Images drawn as `r3gan evaluate` draws its first ones; classes as often as among `labels`, else equally often."""
    sampler = load(run, str(device))
    known = labels if labels is not None else np.arange(max(1, sampler.classes))
    return Side(
        said=f"{sampler.training.run}, {samples:,} drawn",
        count=samples,
        batches=lambda: draw_samples(sampler.generator, samples, 0, known, ALONE),
    )


def of_dataset(dataset: Dataset) -> Side:
    return Side(
        said=f"{dataset.name}, sha256 {dataset.manifest['sha256'][:12]}",
        count=len(dataset.images),
        batches=lambda: real_batches(dataset, ALONE),
        dataset=dataset,
    )


def of_npz(option: str, path: Path) -> Side:
    """Images uint8 [N, H, W, C] of an array, or the statistics `mu` and `sigma`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if {"mu", "sigma"} <= set(file.files):
                sample, record = read_statistics(path, None)
                said = f"{path.name}, sha256 {record['sha256'][:12]}"
                return Side(said=said, count=sample.count, statistics=sample)
            key = next((key for key in IMAGES_KEYS if key in file.files), None)
            images = file[key] if key else None
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise UserError(f"{option} {path} cannot be read as .npz ({error})") from None
    if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise UserError(
            f"{option} {path} holds neither mu and sigma nor {' or '.join(IMAGES_KEYS)}, uint8 [N, H, W, C]"
        )
    tensor = torch.from_numpy(images.transpose(0, 3, 1, 2))
    return Side(
        said=f"{path.name}, sha256 {sha256(path)[:12]}", count=len(tensor), batches=lambda: iter(tensor.split(BATCH))
    )


def of_pictures(option: str, path: Path) -> Side:
    """The pictures of a folder or archive at the sizes they have, as other tools read them."""
    listing = find_pictures(path, "*", DOWNLOADS)
    if not listing.names:
        raise UserError(f"{option} {path} holds no pictures ({listing or 'it is empty'})")

    def batches() -> Iterator[Tensor]:
        part: list[Tensor] = []
        for row, read in listing.container.pictures(listing.keys):
            try:
                image = torch.from_numpy(as_stored(read()).copy())
            except BadPictureError as error:
                raise UserError(f"{option} {path}: {one_line(listing.names[row])} {error}") from None
            if part and (len(part) == BATCH or part[0].shape != image.shape):
                yield torch.stack(part)
                part = []
            part.append(image)
        yield torch.stack(part)

    return Side(said=f"{path}, listing {listing.digest()[:12]}", count=len(listing.names), batches=batches)


def outputs_of(metrics: Sequence[str]) -> dict[str, Key]:
    """The feature network and output that each metric is computed from."""
    return {name: (find_metric(name).extractor, find_metric(name).output) for name in metrics}


def samples_of(
    option: str, side: Side, networks: dict[str, FeatureNetwork], keys: Sequence[Key], keep: bool, cache: Path = CACHE
) -> dict[Key, Sample]:
    """Features or statistics of one side by feature network and output; those of a prepared set are cached."""
    if side.statistics is not None and not keep:
        return dict.fromkeys(keys, side.statistics)
    if side.dataset is not None:
        return reference_samples(side.dataset, networks, dict.fromkeys(keys, keep), ALONE, cache)
    wanted = {name: (networks[name], {output for known, output in keys if known == name}) for name, _ in keys}
    batches = side.images(option)()
    return extract_features(batches, side.count, wanted, keep=keep, world=ALONE, label=option.lstrip("-"))


def measure(
    real: str, fake: str, metrics: Sequence[str], samples: int, paths: ExtractorPaths, device: torch.device
) -> dict[str, Any]:
    """Every metric of `fake` against `real` with its protocol, both sets in words and provenance, as JSON values."""
    reals = open_side("--real", real, samples, None, device)
    fakes = open_side("--fake", fake, samples, reals.labels, device)
    keys = outputs_of(metrics)
    networks = {name: find_extractor(name).open(paths, device) for name, _ in dict.fromkeys(keys.values())}
    needed = {key: None for name, key in keys.items() if find_metric(name).reals != "none"}
    keep = any(find_metric(name).reals == "features" for name in metrics)
    known = samples_of("--real", reals, networks, [*needed], keep)
    drawn = samples_of("--fake", fakes, networks, [*dict.fromkeys(keys.values())], keep=True)
    found = {}
    for name, key in keys.items():
        metric, sample = find_metric(name), known.get(key, Sample(count=0))
        if metric.reals == "statistics" and len(sample.statistics[0]) != drawn[key].features.shape[1]:
            wrong = f"{len(sample.statistics[0])} features, not {drawn[key].features.shape[1]}"
            raise UserError(f"--real {real}: {name} needs statistics of its own feature network; these have {wrong}")
        found[name] = {
            "value": metric.score(sample, drawn[key]),
            "n_real": sample.count or None,
            "n_fake": drawn[key].count,
            "title": metric.title,
            "protocol": metric.protocol,
            "features": find_extractor(key[0]).protocol,
            "extractor": {"name": key[0], **networks[key[0]].record},
        }
    provenance = as_json(stamp(str(device), torch.get_num_threads()))
    return {"real": reals.said, "fake": fakes.said, "metrics": found, "provenance": provenance}


def write_reference(real: str, metric: str, out: Path, paths: ExtractorPaths, device: torch.device) -> dict[str, Any]:
    """Write `mu`, `sigma`, `count` and `protocol` (JSON) of a set's features as .npz, and return the protocol."""
    if find_metric(metric).reals != "statistics":
        raise UserError(f"--metric {metric}: it is not computed from a mean and a covariance of reals")
    side = open_side("SET", real, 0, None, device)
    side.images("SET")
    key = outputs_of([metric])[metric]
    networks = {key[0]: find_extractor(key[0]).open(paths, device)}
    sample = samples_of("SET", side, networks, [key], False)[key]
    mean, covariance = (part.numpy() for part in sample.statistics)
    protocol = {
        "set": side.said, "count": sample.count, "metric": metric, "features": find_extractor(key[0]).protocol,
        "extractor": {"name": key[0], **networks[key[0]].record}, "covariance": "over N - 1",
    }  # fmt: skip
    with atomic(out) as temporary:
        np.savez(temporary, mu=mean, sigma=covariance, count=sample.count, protocol=json.dumps(protocol))
    return protocol
