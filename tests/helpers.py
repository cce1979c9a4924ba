"""What several test files share."""

import gzip
import io
import json
import pickle
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import lmdb
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from r3gan.configs import CONFIGS, find_config
from r3gan.configs.derive import PreparedSet, derived, resized
from r3gan.data.source import Remote
from r3gan.metrics import needs_classifier
from r3gan.records import store
from r3gan.records.run_id import RunId
from r3gan.records.schema import (
    Code,
    Convergence,
    Data,
    Device,
    Evaluation,
    Extractor,
    Measurement,
    Point,
    Protocol,
    Provenance,
    Training,
)
from r3gan.study import Convergence as ConvergencePlan
from r3gan.study import Study, StudyRun
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.write import write_content
from r3gan.training.run import Run
from r3gan.training.state import State
from r3gan.weights import save_network

CPU = torch.device("cpu")
SMOKE = "stackedmnist5k-16"
PROCESSOR = Device(type="cpu", name="a processor", count=1, threads=1)

Files = dict[str, bytes]


def training_words(total_kimg: str) -> tuple[str, ...]:
    """The options of a training that other options follow."""
    return ("train", "--config", "E-inverted", "--dataset", SMOKE, "--total-kimg", total_kimg)


def idx(items: NDArray[np.uint8]) -> bytes:
    magic = 0x0800 + items.ndim
    return gzip.compress(np.array([magic, *items.shape], dtype=">u4").tobytes() + items.tobytes())


def unchecked(files: tuple[Remote, ...]) -> tuple[Remote, ...]:
    return tuple(replace(file, size=None, checksum=None) for file in files)


def cifar_archive(path: Path, images: NDArray[np.uint8], labels: list[int]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for i in range(5):
            part = slice(i * len(images) // 5, (i + 1) * len(images) // 5)
            batch = {"data": images[part].reshape(-1, 3072), "labels": labels[part], "batch_label": f"batch {i}"}
            data = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/data_batch_{i + 1}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def picture(color: Any, size: tuple[int, int] = (8, 8), mode: str = "RGB", ending: str = "png") -> bytes:
    data = io.BytesIO()
    Image.new(mode, size, color).save(data, format=ending)
    return data.getvalue()


def folder_of(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tar_of(path: Path, files: Files, mode: Literal["w", "w:gz"] = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def lmdb_of(path: Path, files: Files) -> Path:
    with lmdb.open(str(path), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for name, data in files.items():
            transaction.put(name.encode(), data)
    return path


MAKERS = {"folder": folder_of, "zip": zip_of, "tar": tar_of, "lmdb": lmdb_of}


def provenance_on(device: Device = PROCESSOR) -> Provenance:
    return Provenance(
        command="r3gan train",
        date="2026-01-02T03:04:05+00:00",
        code=Code(commit="c" * 40, dirty=False),
        versions={"python": "3.11", "torch": "2", "numpy": "2", "scipy": "1"},
        device=device,
    )


def training_of(
    run: str, *, outcome: str = "trained", kimg: float = 2.0, batch: int = 8, device: Device = PROCESSOR
) -> Training:
    """train.json of a made-up run, all else as its configuration describes it."""
    run_id = RunId.parse(run)
    described = find_config(run_id.config).describe(run_id.dataset)
    described["recipe"] |= {"total_kimg": kimg, "batch": batch}
    fail = {"fail_step": 7, "fail_reason": "loss_g is nan"} if outcome == "Fail" else {}
    content = described | fail | {
        "outcome": outcome, "run": run, "config": run_id.config, "dataset": run_id.dataset, "seed": run_id.seed,
        "scale": run_id.scale, "images_seen": int(1000 * kimg), "seconds": 10.0,
        "data": {"dataset": run_id.dataset, "sha256": "d" * 64, "count": 50},
        "provenance": msgspec.to_builtins(provenance_on(device)),
    }  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(content), type=Training)


def untrained_run(runs: Path, name: str, *, resolution: int = 16, classes: int = 0, channels: int = 3) -> Path:
    """runs/own/cats/NAME/seed0 as if trained on pictures of one's own, with a narrow generator as it is initialised."""
    data = PreparedSet(name="cats", resolution=resolution, channels=channels, classes=classes, count=300)
    config = resized(derived(CONFIGS[name], data), "cats", width=1 / 16, unconditional=False)
    run = f"own/cats/{name}/seed0"
    content = config.describe("cats") | {
        "outcome": "trained", "run": run, "config": name, "dataset": "cats", "seed": 0, "scale": "own",
        "images_seen": 2000, "seconds": 10.0, "data": {"dataset": "cats", "sha256": "d" * 64, "count": 300},
        "provenance": msgspec.to_builtins(provenance_on()),
    }  # fmt: skip
    torch.manual_seed(0)
    generator = config.networks.generator(config.sizes["cats"])
    for parameter in generator.parameters():  # some start at zero, which hides what they do
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_network(runs / run / "generator.safetensors", generator)
    store.write(runs / run / "train.json", msgspec.json.decode(msgspec.json.encode(content), type=Training))
    return runs / run


def data_of(dataset: str) -> Data:
    return Data(dataset=dataset, sha256="d" * 64, count=50, digit_pool=7, protocol="padded")


def protocol_of(metric: str, samples: int) -> Protocol:
    """Digits have their classifier; other metrics a network called "a network"."""
    digits = Extractor(name="digits", dataset="mnist5k-16", sha256="e" * 64, test_accuracy=0.97)
    network = digits if needs_classifier([metric]) else Extractor(name="a network", sha256="e" * 64)
    return Protocol(protocol="p", features="pool3", extractor=network, n_fake=samples, drawing_seeds=(0,))


def evaluation_of(
    run: str, values: Mapping[str, float], *, outcome: str = "trained", kimg: float = 2.0, samples: int = 50_000
) -> Evaluation:
    """metrics.json of a made-up run; the untrained G scores ten times as much."""
    training = training_of(run, outcome=outcome, kimg=kimg)
    metrics = {
        name: Measurement(
            **msgspec.structs.asdict(protocol_of(name, samples)),
            value=value,
            draws=(value,),
            draws_std=None,
            untrained=10 * value,
            n_real=50,
            images="as they are",
        )
        for name, value in values.items()
    }
    return Evaluation(**shared_by_records(run, training, 2), metrics=metrics, generator_sha256="f" * 64, seconds=1.0)


def convergence_of(
    run: str,
    values: Mapping[str, Sequence[float]],
    *,
    interval_kimg: float = 2.0,
    seconds_per_kimg: float = 5.0,
    evaluate_seconds: float = 1.0,
    total_kimg: float | None = None,
    samples: int = 50_000,
    device: Device = PROCESSOR,
) -> Convergence:
    """convergence.json of a made-up run, a point every `interval_kimg`."""
    length = len(next(iter(values.values())))
    points = [
        Point(
            kimg=interval_kimg * i,
            train_seconds=interval_kimg * i * seconds_per_kimg,
            values={name: found[i - 1] for name, found in values.items()},
            evaluate_seconds=evaluate_seconds,
        )
        for i in range(1, length + 1)
    ]
    training = training_of(run, kimg=total_kimg or interval_kimg * length, device=device)
    return Convergence(
        **shared_by_records(run, training, 1),
        interval_kimg=interval_kimg,
        points=tuple(points),
        metrics={name: protocol_of(name, samples) for name in values},
    )


def shared_by_records(run: str, training: Training, schema: int) -> dict[str, Any]:
    run_id = RunId.parse(run)
    return {
        "schema": schema, "scale": run_id.scale, "dataset": run_id.dataset, "config": run_id.config,
        "seed": run_id.seed, "outcome": training.outcome, "data": data_of(run_id.dataset), "training": training,
        "provenance": training.provenance,
    }  # fmt: skip


def write_run(results: Path, record: Evaluation | Convergence) -> Path:
    """The record in its run's folder, with a loss curve and samples where it is an evaluation; returns the folder."""
    folder = results / record.run
    name = "metrics.json" if isinstance(record, Evaluation) else "convergence.json"
    store.write(folder / name, record)
    if isinstance(record, Evaluation):
        (folder / "loss.csv").write_text("kimg,loss_d,loss_g\n1,0.7,0.5\n2,0.6,50\n")
        Image.new("RGB", (32, 16)).save(folder / "samples.png")
    return folder


def study_of(scale: str, *runs: str, metrics: Sequence[str] = (), converging: bool = False) -> Study:
    """A study of runs DATASET/CONFIG/seedK; `converging` ones are measured along the way and at their end."""
    ids = [RunId.parse(f"{scale}/{run}") for run in runs]
    lines = tuple(
        StudyRun(
            key=f"{run.config}-{run.seed}", config=run.config, dataset=run.dataset, seed=run.seed, total_kimg=6,
            threads=1, evaluation={"metrics": list(metrics)},
        )
        for run in ids
    )  # fmt: skip
    plan = ConvergencePlan(snapshot_kimg=2, evaluation={"metrics": list(metrics)}, runs=lines, at_end=lines)
    return Study(
        scale=scale,
        datasets=tuple(dict.fromkeys(run.dataset for run in ids)),
        classifiers=(),
        launch={},
        runs=() if converging else lines,
        convergence=plan if converging else None,
    )


def write_files(table: Kind, name: str, results: Path, studies: Sequence[Study] = ()) -> Content:
    """Build a table of made-up studies and write its files into `results`."""
    content = table.build(Context(name=name, store=store.Store(results), studies=studies))
    write_content(name, table, content, results)
    return content


def json_file(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def jobs(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The rules of a (dry) run's jobs of Snakemake with their configurations, sorted; fails if it failed."""
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    found = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, flags=re.M)
    names = []
    for rule, body in found:
        wildcards = re.search(r"wildcards: (.*)", body)
        config = re.search(r"config=([\w-]+)", wildcards[1]) if wildcards else None
        names.append(f"{rule} {config[1]}" if config else rule)
    return sorted(names)


def make_run(name: str, **recipe: object) -> Run:
    """A run of a few steps of 8 images."""
    config = CONFIGS[name]
    return Run(
        scale="test",
        config_name=name,
        config=config,
        recipe=replace(config.recipe(SMOKE), **{"batch": 8, "total_kimg": 0.032} | recipe),  # type: ignore[arg-type]
        dataset=SMOKE,
        seed=0,
    )


def keep_gradients(state: State) -> None:
    """Gradients are let go after a step; the tests look at them."""
    for engine in (state.generator_engine, state.discriminator_engine):
        engine.optimiser.zero_grad = lambda set_to_none: None  # type: ignore[attr-defined]


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
