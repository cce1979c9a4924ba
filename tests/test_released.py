"""Released snapshots: one written the way the official code writes them comes back as ours; hostile ones do nothing."""

import io
import os
import pickle
import random
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from r3gan import released
from r3gan.configs import CONFIGS, SIZES
from r3gan.data.loader import Dataset
from r3gan.errors import UserError
from r3gan.files import read_json
from r3gan.generate import load
from r3gan.metrics.evaluate import Plan, evaluate
from r3gan.metrics.extractors import ExtractorPaths
from r3gan.pictures import quantise
from r3gan.released import import_released, official_names
from r3gan.weights import load_network
from tests.conftest import Command

TINY = {"cifar10": (32, 32), "ffhq-64": (32, 32, 16)}  # stages and widths stand for those of the presets


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, widths in TINY.items():
        monkeypatch.setitem(SIZES, name, replace(SIZES[name], base_widths=widths))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def official() -> Iterator[dict[str, type]]:
    """Classes under the official names, as far as pickling needs them; unknown again afterwards."""
    classes: dict[str, type] = {}
    modules = {}
    for path in released.MODULES:
        module, name = path.rsplit(".", 1)
        if module.startswith("torch"):
            continue
        modules[module] = modules.get(module) or types.ModuleType(module)
        classes[path] = type(name, (nn.Module,), {"__module__": module, "__qualname__": name})
        setattr(modules[module], name, classes[path])
    for parent in ("R3GAN", "training"):
        modules[parent] = types.ModuleType(parent)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    yield classes
    for name, module in before.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


def class_for(name: str, last: str, official: dict[str, type]) -> nn.Module:
    """A module of the class that stands at this place of the official tree."""
    named = {
        "Model": "R3GAN.Networks.Generator", "MainLayers": "", "Layers": "", "Layer": "conv",
        "LinearLayer": "R3GAN.Networks.Convolution", "NonLinearity1": "R3GAN.FusedOperators.BiasedActivationCUDA",
    }  # fmt: skip
    kind = named.get(last, "R3GAN.Networks.ResidualBlock")
    if kind == "":
        return nn.ModuleList()
    if kind == "conv":
        layer = nn.Conv2d(1, 1, 1, bias=False)
        del layer._parameters["weight"]
        return layer
    return official[kind]()


def official_module(network: nn.Module, stages: int, official: dict[str, type]) -> nn.Module:
    """Our network as a tree of official modules with the same weights."""
    root = official["training.networks.Generator"]()
    weights = dict(network.named_parameters())
    for ours, theirs in official_names(network, stages).items():
        *path, leaf = theirs.split(".")
        here = root
        for depth, part in enumerate(path):
            if part not in here._modules:
                here._modules[part] = class_for(".".join(path[:depth]), part, official)
            here = here._modules[part]  # type: ignore[assignment]
        here.register_parameter(leaf, nn.Parameter(weights[ours].detach().clone()))
    root.register_buffer("Kernel", torch.ones(4, 4) / 16)
    return root


def snapshot(dataset: str, official: dict[str, type]) -> tuple[dict[str, Any], dict[str, nn.Module]]:
    torch.manual_seed(0)
    size, networks = SIZES[dataset], CONFIGS["E"].networks
    ours = {"G": networks.generator(size), "D": networks.discriminator(size), "G_ema": networks.generator(size)}
    for network in ours.values():
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.2)
    content: dict[str, Any] = {
        name: official_module(network, len(size.base_widths), official) for name, network in ours.items()
    }
    content |= {"cur_nimg": 123_000, "training_set_kwargs": {"path": "cifar10.zip", "use_labels": True}}
    return content | {"G_opt_state": {}, "D_opt_state": {}}, ours


@pytest.mark.parametrize("dataset", TINY)
def test_a_snapshot_comes_back_as_our_networks(dataset: str, official: dict[str, type], tmp_path: Path) -> None:
    content, ours = snapshot(dataset, official)
    path = tmp_path / "network-snapshot-final.pkl"
    path.write_bytes(pickle.dumps(content, protocol=4))
    out = import_released(path, dataset, tmp_path / "runs")
    assert out == tmp_path / "runs/released" / dataset / "E/seed0"
    for file, key in (("generator", "G_ema"), ("generator-raw", "G"), ("discriminator", "D")):
        twin = type(ours[key])
        networks = CONFIGS["E"].networks
        loaded = networks.discriminator(SIZES[dataset]) if key == "D" else networks.generator(SIZES[dataset])
        assert isinstance(loaded, twin)
        load_network(out / f"{file}.safetensors", loaded, "")
        for name, value in ours[key].state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value), name
    record = read_json(out / "train.json", "")
    assert record["images_seen"] == 123_000
    assert record["released"]["training_set_kwargs"] == {"path": "cifar10.zip", "use_labels": True}


def test_images_are_drawn_from_an_imported_snapshot(official: dict[str, type], tmp_path: Path) -> None:
    content, ours = snapshot("cifar10", official)
    path = tmp_path / "network-snapshot-final.pkl"
    path.write_bytes(pickle.dumps(content, protocol=4))
    sampler = load(import_released(path, "cifar10", tmp_path / "runs"))
    z, label = sampler.latent(7), 4
    with torch.no_grad():
        expected = quantise(ours["G_ema"](z[None], torch.tensor([label])))
    apart = (sampler.sample(seeds=[7], classes=[label]).int() - expected.int()).abs()
    assert apart.max() <= 1 and sampler.classes == 10  # passes of 8 images and of one differ in their rounding


def test_a_snapshot_of_earlier_official_code_with_other_module_names_is_read(
    official: dict[str, type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, networks = snapshot("cifar10", official)
    monkeypatch.setitem(sys.modules, "BaselineGAN", types.ModuleType("BaselineGAN"))
    for kind in official.values():
        earlier = kind.__module__.replace("training.networks", "training.networks_baseline")
        earlier = earlier.replace("R3GAN.", "BaselineGAN.")
        module = sys.modules.get(earlier, types.ModuleType(earlier))
        monkeypatch.setitem(sys.modules, earlier, module)
        monkeypatch.setattr(module, kind.__name__, kind, raising=False)
        monkeypatch.setattr(kind, "__module__", earlier)
    path = tmp_path / "earlier.pkl"
    path.write_bytes(pickle.dumps(content, protocol=4))
    assert b"training.networks_baseline" in path.read_bytes()
    assert b"R3GAN." not in path.read_bytes()
    found = released.read_snapshot(path).networks["G_ema"]
    theirs = official_names(networks["G_ema"], len(SIZES["cifar10"].base_widths))
    assert found.keys() == set(theirs.values())
    assert all(torch.equal(found[theirs[name]], value) for name, value in networks["G_ema"].named_parameters())


def test_an_imported_snapshot_is_evaluated(official: dict[str, type], tmp_path: Path) -> None:
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(pickle.dumps(snapshot("cifar10", official)[0], protocol=4))
    out = import_released(path, "cifar10", tmp_path / "runs")
    images = np.zeros((4, 3, 8, 8), dtype=np.uint8)
    data = Dataset(name="cifar10", manifest={"sha256": "a" * 64}, images=images, labels=np.zeros(4, dtype=np.int64))
    plan = Plan(metrics=(), samples=4, paths=ExtractorPaths(weights=tmp_path))
    record = evaluate(out, data, plan, tmp_path / "results", torch.device("cpu"))
    assert record.outcome == "imported"
    assert record.training.released.sha256
    assert (tmp_path / "results/samples.png").exists()


def test_a_snapshot_of_another_data_set_is_named(official: dict[str, type], tmp_path: Path) -> None:
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(pickle.dumps(snapshot("cifar10", official)[0], protocol=4))
    with pytest.raises(UserError, match="holds the networks of cifar10; say --dataset cifar10"):
        import_released(path, "ffhq-64", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


class Attack:
    """Leaves a file behind wherever it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


class StorageBytes:
    """A tensor storage with any content, as the official stream has it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.storage._load_from_bytes, (self.content,)


class CraftedTensor:
    """A tensor with any storage, offset, size and stride."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor_v2, (*self.arguments, False, OrderedDict())


def storage_bytes() -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.zeros(4)._typed_storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def zipped(mark: Path) -> bytes:
    """What torch.save writes today, with an attack as its pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Attack(mark)))
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def hostile(mark: Path) -> dict[str, bytes]:
    good = StorageBytes(storage_bytes())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10_000_000))

    def dumped(value: object) -> bytes:
        return pickle.dumps({"G": value, "D": value, "G_ema": value}, protocol=4)

    return {
        "outer stream": pickle.dumps(Attack(mark)),
        "inside a value": dumped(Attack(mark)),
        "inside a tensor's bytes": dumped(StorageBytes(pickle.dumps(Attack(mark)))),
        "inside a zip payload": dumped(StorageBytes(zipped(mark))),
        "compressed payload": dumped(StorageBytes(bomb.getvalue())),
        "beyond its storage": dumped(CraftedTensor(good, 3, (4,), (1,))),
        "negative stride": dumped(CraftedTensor(good, 3, (4,), (-1,))),
        "enormous view": dumped(CraftedTensor(good, 0, (10**6, 10**6), (0, 0))),
        "no modules": dumped({}),
        "foreign pickle": pickle.dumps({"weights": [1, 2, 3]}),
        "not a pickle": b"not a pickle at all",
        "empty": b"",
        "builtins.eval": b'cbuiltins\neval\n(S\'open("x", "w")\'\ntR.',
        "getattr on a stub": b"cbuiltins\ngetattr\n(ctraining.networks\nGenerator\nS'__init__'\ntR.",
        "persistent id": b"Pobject\n.",
        "built with arguments": b"ctraining.networks\nGenerator\n(S'a'\ntR.",
        "huge length": b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little"),
        "deep": b"(" * 100_000,
    }


@pytest.mark.parametrize("name", hostile(Path("unused")))
def test_hostile_files_get_one_sentence_and_run_nothing(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(hostile(mark)[name])
    with pytest.raises(UserError, match=r"snapshot\.pkl (is not|cannot be read as) a released R3GAN snapshot") as error:
        import_released(path, "cifar10", tmp_path / "runs")
    assert "\n" not in str(error.value)
    assert not mark.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["snapshot.pkl"]


def test_damaged_snapshots_never_get_through(official: dict[str, type], tmp_path: Path) -> None:
    whole = pickle.dumps(snapshot("cifar10", official)[0], protocol=4)
    chance = random.Random(0)
    path = tmp_path / "snapshot.pkl"
    for _ in range(40):
        path.write_bytes(whole[: chance.randrange(len(whole) - 1)])
        with pytest.raises(UserError):
            import_released(path, "cifar10", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_command_says_what_it_takes(r3gan: Command, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"weights": 1}))
    for arguments, message in (
        (("x.pkl", "--dataset", "cifar10"), "does not hold G, D and G_ema"),
        (("missing.pkl", "--dataset", "cifar10"), "missing.pkl does not exist"),
        (("x.pkl", "--dataset", "mnist"), "--dataset 'mnist'"),
    ):
        done = r3gan("import-released", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
