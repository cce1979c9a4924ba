"""The authors' released snapshots, read without executing anything in them.

A snapshot is a pickle of whole modules. Here every class it names becomes an inert container of attributes, every
function one that checks its arguments, and any other name is refused. Each tensor's bytes are a second pickle, which
torch's restricted reader loads.
"""

import io
import math
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from r3gan.configs import CONFIGS, SIZES
from r3gan.data.untrusted import wrong_file
from r3gan.errors import UserError, unknown
from r3gan.files import sha256
from r3gan.records.provenance import stamp
from r3gan.records.run_folder import is_finished, remove_run
from r3gan.records.schema import Training
from r3gan.records.store import made, read_training, write
from r3gan.weights import save_network

LARGEST_FILE = 16 << 30
MOST_MODULES, DEEPEST, MOST_OBJECTS = 20_000, 40, 2_000_000
MODULES = frozenset(
    f"{module}.{name}"
    for module, names in {
        "torch.nn.modules.container": ("ModuleList",),
        "torch.nn.modules.conv": ("Conv2d",),
        "torch.nn.modules.linear": ("Linear",),
        "training.networks": ("Generator", "Discriminator"),
        "R3GAN.Networks": (
            "Generator", "Discriminator", "GeneratorStage", "DiscriminatorStage", "GenerativeBasis",
            "DiscriminativeBasis", "ResidualBlock", "Convolution", "UpsampleLayer", "DownsampleLayer",
        ),
        "R3GAN.FusedOperators": ("BiasedActivationCUDA",),
        "R3GAN.Resamplers": ("InterpolativeUpsamplerCUDA", "InterpolativeDownsamplerCUDA"),
    }.items()
    for name in names
)  # fmt: skip
DTYPES = {"torch.float32": torch.float32, "torch.bfloat16": torch.bfloat16}


class Refused(Exception):
    """The file is not a snapshot of the expected structure."""


class Inert:
    """Stands for an object of any class: keeps the state it is given and can do nothing."""

    state: Mapping[str, Any] = {}

    def __new__(cls, *arguments: object) -> "Inert":
        if arguments:
            raise Refused(f"{cls.__name__} is built with arguments")
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise Refused("a module's state is not a dictionary")
        self.state = state


class Reader(pickle.Unpickler):
    """Unpickles with an exact list of allowed names; each look-up returns a new class, since BUILD alters it."""

    def find_class(self, module: str, name: str) -> Any:
        # Earlier official code had other module names; the official loader maps them like this.
        module = module.replace("training.networks_baseline", "training.networks").replace("BaselineGAN.", "R3GAN.")
        wanted = f"{module}.{name}"
        functions: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_parameter": lambda data, requires_grad, hooks: data,
            "torch._utils._rebuild_tensor_v2": lambda *arguments: rebuild_tensor(*arguments),
            "torch.storage._load_from_bytes": lambda content: load_storage(content),
        }
        if wanted in functions:
            return functions[wanted]
        if wanted in MODULES:
            return type(name, (Inert,), {})
        if wanted == "collections.OrderedDict":
            return type(name, (dict,), {})
        if wanted in DTYPES:
            return DTYPES[wanted]
        raise Refused(f"it asks for {wanted}")


def check_memo(file: IO[bytes]) -> None:
    """Refuse a pickle that numbers its objects beyond reason: the unpickler makes a table as long as that."""
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > MOST_OBJECTS:
            raise Refused("it numbers more objects than a snapshot has")
    file.seek(0)


def load_storage(content: object) -> torch.UntypedStorage | torch.TypedStorage:
    """A tensor's memory from its own pickle, by torch's restricted reader; compressed archives are refused."""
    if not isinstance(content, bytes):
        raise Refused("a tensor's content is not bytes")
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > 2 * len(content):
                raise Refused("a tensor's archive is compressed")
    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(storage, torch.UntypedStorage | torch.TypedStorage):
        raise Refused("a tensor's content is no storage")
    return storage


def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *unused: object) -> Tensor:
    """A copy of a part of a storage as a tensor, after checking that the part is inside."""
    if not isinstance(storage, torch.TypedStorage):
        raise Refused("a tensor has no typed storage")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise Refused("a tensor's shape is malformed")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if math.prod(size) else 0
    if last >= max(1, len(storage)) or math.prod(size) > len(storage):
        raise Refused("a tensor reaches beyond its storage")
    empty = torch.empty(0, dtype=storage.dtype)
    return empty.set_(storage._untyped_storage, offset, tuple(size), tuple(stride)).clone()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Tensors of the three networks by official name, and the file's metadata."""

    networks: Mapping[str, Mapping[str, Tensor]]  # "G", "D", "G_ema"
    images_seen: int | None
    data: Mapping[str, Any]


def read_snapshot(path: Path) -> Snapshot:
    """The content of a released snapshot; UserError in one sentence if the file is anything else."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a released snapshot, such as network-snapshot-final.pkl")
    if what := wrong_file(path):
        raise UserError(f"{path} is {what}, not a released snapshot")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path} is larger than {LARGEST_FILE >> 30} GiB, which no released snapshot is")
    try:
        # Snapshots consist of typed storages, which torch deprecates.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore", category=UserWarning):
            check_memo(file)
            content = Reader(file).load()
        if not isinstance(content, dict) or not {"G", "D", "G_ema"} <= content.keys():
            raise Refused("it does not hold G, D and G_ema")
        networks = {name: tensors_of(content[name]) for name in ("G", "D", "G_ema")}
        images = content.get("cur_nimg")
        settings = content.get("training_set_kwargs")
        plain = (
            {k: v for k, v in settings.items() if type(v) in (str, int, float, bool)} if type(settings) is dict else {}
        )
        return Snapshot(networks=networks, images_seen=images if type(images) is int else None, data=plain)
    except Refused as error:
        raise UserError(f"{path} is not a released R3GAN snapshot: {error}; nothing in it was executed") from None
    except Exception as error:  # a malformed stream can raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} cannot be read as a released R3GAN snapshot ({reason[:120]})") from None


def tensors_of(root: object) -> dict[str, Tensor]:
    """Parameters of a module tree by dotted name; buffers (resampling kernels) are left out."""
    found: dict[str, Tensor] = {}
    waiting: list[tuple[str, object, int]] = [("", root, 0)]
    visited: set[int] = set()
    while waiting:
        prefix, module, depth = waiting.pop()
        if not isinstance(module, Inert) or id(module) in visited or depth > DEEPEST or len(visited) > MOST_MODULES:
            raise Refused("its modules do not form a tree")
        visited.add(id(module))
        for name, value in dict(module.state.get("_parameters", {})).items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value
        for name, child in dict(module.state.get("_modules", {})).items():
            if child is not None:
                waiting.append((f"{prefix}{name}.", child, depth + 1))
    return found


BLOCK = {
    "LinearLayer1.Layer.weight": "conv1.weight",
    "NonLinearity1.Bias": "conv1.bias",
    "LinearLayer2.Layer.weight": "conv2.weight",
    "NonLinearity2.Bias": "conv2.bias",
    "LinearLayer3.Layer.weight": "conv3.weight",
}


def official_names(network: nn.Module, stages: int) -> dict[str, str]:
    """Parameter names here to the official ones, for G or D of Config E with that number of stages."""
    names = {}
    generates = hasattr(network, "to_image")
    for stage in range(stages):
        layers = f"Model.MainLayers.{stage}.Layers"
        first = 1 if generates else 0  # the transition comes first in G and last in D
        for block in range(2):
            for theirs, ours in BLOCK.items():
                names[f"stages.{stage}.{block}.{ours}"] = f"{layers}.{first + block}.{theirs}"
        if generates:
            names[f"transitions.{stage}.conv.weight"] = f"{layers}.0.LinearLayer.Layer.weight"
        else:
            names[f"transitions.{stage}.conv.0.weight"] = f"{layers}.2.LinearLayer.Layer.weight"
    last = f"Model.MainLayers.{stages - 1}.Layers.2"
    names |= (
        {
            "transitions.0.basis": "Model.MainLayers.0.Layers.0.Basis",
            "transitions.0.linear.weight": "Model.MainLayers.0.Layers.0.LinearLayer.weight",
            "to_image.0.weight": "Model.AggregationLayer.Layer.weight",
        }
        if generates
        else {
            "from_image.weight": "Model.ExtractionLayer.Layer.weight",
            "head.basis": f"{last}.Basis.weight",
            "head.linear.weight": f"{last}.LinearLayer.weight",
        }
    )
    names["embed.weight"] = "Model.EmbeddingLayer.weight"
    return {ours: theirs for ours, theirs in names.items() if ours in dict(network.named_parameters())}


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def preset_of(snapshot: Snapshot) -> str:
    """The data set at which Config E has exactly the snapshot's shapes; UserError if there is none."""
    networks = CONFIGS["E"].networks
    found = shapes(snapshot.networks["G_ema"]), shapes(snapshot.networks["D"])
    for dataset in CONFIGS["E"].paper_sizes():
        size = SIZES[dataset]
        with torch.device("meta"):
            pair = networks.generator(size), networks.discriminator(size)
        if found == tuple(official_shapes(network, len(size.base_widths)) for network in pair):
            return dataset
    count = sum(value.numel() for value in snapshot.networks["G_ema"].values())
    raise UserError(f"the snapshot's networks (G of {count:,} parameters) match no preset of Config E")


def official_shapes(network: nn.Module, stages: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's parameters by official name."""
    parameters = dict(network.named_parameters())
    return {theirs: tuple(parameters[ours].shape) for ours, theirs in official_names(network, stages).items()}


def import_released(path: Path, dataset: str, runs: Path, overwrite: bool = False) -> Path:
    """Convert a snapshot into a run, runs/released/<dataset>/E/seed0, for `r3gan evaluate`; returns its folder.

    G_ema becomes generator.safetensors; G and D are written next to it. The record has the file's metadata. The same
    file is not imported twice; UserError where another run lies there, unless `overwrite`.
    """
    if dataset not in CONFIGS["E"].paper_sizes():
        raise unknown("--dataset", dataset, CONFIGS["E"].paper_sizes())
    snapshot = read_snapshot(path)
    found = preset_of(snapshot)
    if shapes(snapshot.networks["G"]) != shapes(snapshot.networks["G_ema"]):
        raise UserError(f"{path} is not a released R3GAN snapshot: its G and G_ema differ in shape")
    same_shape = SIZES[found] == SIZES[dataset]
    if found != dataset and not same_shape:
        raise UserError(f"{path} holds the networks of {found}; say --dataset {found}")
    run = f"released/{dataset}/E/seed0"
    out, file_sha256 = runs / run, sha256(path)
    if is_finished(out) and not overwrite:
        there = read_training(out, "--overwrite replaces it").released
        if there is None or there.sha256 != file_sha256:
            raise UserError(f"{out} holds {there.file if there else 'a trained run'}; --overwrite replaces it")
        print(f"{out} has been imported from this file before; --overwrite imports it again")
        return out
    remove_run(out)
    config, size = CONFIGS["E"], SIZES[dataset]
    for name, key in (("generator", "G_ema"), ("generator-raw", "G"), ("discriminator", "D")):
        network: nn.Module = config.networks.discriminator(size) if key == "D" else config.networks.generator(size)
        names = official_names(network, len(size.base_widths))
        network.load_state_dict({ours: snapshot.networks[key][theirs].float() for ours, theirs in names.items()})
        save_network(out / f"{name}.safetensors", network)
    content = {
        "outcome": "imported",
        "run": run,
        "config": "E",
        "dataset": dataset,
        "seed": 0,
        "scale": "released",
        **config.describe(dataset),
        "images_seen": snapshot.images_seen,
        "seconds": None,
        "released": {"file": path.name, "sha256": file_sha256, "training_set_kwargs": dict(snapshot.data)},
        "generator_sha256": sha256(out / "generator.safetensors"),
        "data": {"dataset": dataset, "sha256": None, "count": None},
        "provenance": stamp("cpu", torch.get_num_threads()),
    }
    write(out / "train.json", made(Training, content))
    print(f"wrote {out}")
    return out
