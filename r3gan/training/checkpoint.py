"""Checkpoints: the whole state of a run in one file, written so that a kill at any moment leaves a readable one.

A file is safetensors: tensors and a JSON header, no code. It is the same for every engine and number of ranks, and it
carries a checksum of its header and, in the header, one of every tensor.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from r3gan.errors import UserError
from r3gan.files import atomic
from r3gan.training.state import State

PLAIN_FIELDS = ("step", "curve", "snapshots", "seconds", "continued_at_images")  # of the state: all but its tensors
PATTERN = "checkpoint-*.safetensors"
Header = dict[str, Any]
Found = tuple[Header, dict[str, Tensor]]


class Damaged(Exception):
    """A file is not as it was written."""


def tensors_of(state: State) -> dict[str, Tensor]:
    """Everything of the state that is a tensor, by name; all ranks together."""
    found = {f"{name}/{key}": value for name, net in networks_of(state) for key, value in net.state_dict().items()}
    for name, engine in (("generator", state.generator_engine), ("discriminator", state.discriminator_engine)):
        found |= {f"{name}-adam/{key}": value for key, value in engine.export_state().items()}
    found["path_length_mean"] = state.path_length_mean
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in found.items()}


def networks_of(state: State) -> Iterator[tuple[str, torch.nn.Module]]:
    yield from (("generator", state.generator), ("discriminator", state.discriminator), ("ema", state.ema))


def digest(tensor: Tensor) -> str:
    """Hash of a tensor on the CPU: type, shape and bytes."""
    content = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    content.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()


def save(folder: Path, state: State, identity: Header, keep: int, final: bool = False) -> bool:
    """Write the state and remove all but the last `keep` checkpoints; whether this process wrote it.

    Rank 0 writes, after all ranks have contributed. On a full disk it prints a warning and leaves the older ones. A
    `final` one is the last state of a finished run.
    """
    tensors = tensors_of(state)
    if not state.world.is_rank0:
        return False
    kept = {name: getattr(state, name) for name in PLAIN_FIELDS}
    checksums = {name: digest(value) for name, value in tensors.items()}
    plain = {"identity": identity, "final": final, "micro": state.share.micro, **kept, "sha256": checksums}
    header = json.dumps(plain)
    path = folder / f"checkpoint-{state.step:09d}.safetensors"
    try:
        with atomic(path) as temporary:
            save_file(tensors, temporary, {"state": header, "sha256": hashlib.sha256(header.encode()).hexdigest()})
    except (OSError, SafetensorError) as error:
        print(f"warning: no checkpoint at step {state.step}, training continues: {error}", flush=True)
        return False
    discard(folder, keep)
    return True


def read(path: Path) -> Found:
    """Header and tensors of a checkpoint; Damaged where they are not what was written."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = metadata.get("state", "")
        if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
            raise Damaged("its header does not have the checksum it was written with")
        header: Header = json.loads(text)
        checksums = {name: digest(value) for name, value in tensors.items()}
    except Damaged:
        raise
    except Exception as error:  # a malformed file can raise anything
        raise Damaged(str(error) or type(error).__name__) from None
    differing = {name for name, _ in checksums.items() ^ header["sha256"].items()}
    if differing:
        raise Damaged(f"{min(differing)} does not have the checksum it was written with")
    return header, tensors


def latest(folder: Path, identity: Header, out: Path | None = None, overwrite: bool = False) -> Found | None:
    """Header and tensors of the newest undamaged checkpoint of this run, or None where there is none of any run.

    A damaged one is reported and renamed where the one before it is used; where there is no other, UserError, unless
    `overwrite`. One of another recipe, data set or code, or whose snapshots are no longer in `out`, is reported and
    renamed; only the last state of a finished run, which `overwrite` replaces, is removed.
    """
    damaged: list[Path] = []
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            header, tensors = read(path)
        except Damaged as error:
            print(f"warning: {path} cannot be read ({error}); trying an earlier checkpoint", flush=True)
            damaged.append(path)
            continue
        if not (reason := unfit(header, identity, out)):
            set_aside(damaged, "damaged")  # else they would count among the checkpoints that are kept
            return header, tensors
        if overwrite and header["final"]:
            path.unlink()
            print(f"{path.name} {reason}; removed", flush=True)
            continue
        (aside,) = set_aside([path], "set-aside")
        print(f"warning: {path.name} {reason}; renamed to {aside}", flush=True)
    if damaged and not overwrite:
        raise UserError(f"{folder} holds no checkpoint that can be read; --overwrite starts anew and keeps the damaged")
    set_aside(damaged, "damaged")
    return None


def unfit(header: Header, identity: Header, out: Path | None) -> str:
    """Why a run cannot go on from a checkpoint; empty if it can."""
    if differing := sorted(key for key in identity if header["identity"].get(key) != identity[key]):
        return f"belongs to another run ({', '.join(differing)} differ)"
    kept = [snapshot["file"] for snapshot in header["snapshots"] if "metric" not in snapshot]  # the best is optional
    if gone := [file for file in kept if out is not None and not (out / file).exists()]:
        return f"needs {gone[0]}, which is gone"
    return ""


def set_aside(paths: Iterable[Path], prefix: str) -> list[Path]:
    return [path.rename(path.with_name(f"{prefix}-{path.name}")) for path in paths]


def restore(state: State, header: Header, tensors: dict[str, Tensor]) -> None:
    """Set the state to that of the checkpoint."""
    for name, network in networks_of(state):
        network.load_state_dict(below(tensors, name))
    for name, engine in (("generator", state.generator_engine), ("discriminator", state.discriminator_engine)):
        engine.import_state(below(tensors, f"{name}-adam"))
    state.path_length_mean = tensors["path_length_mean"].to(state.device)
    for name in PLAIN_FIELDS:
        setattr(state, name, header[name])
    state.continued_at_images = [*state.continued_at_images, state.images_seen]


def below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix`/, by the rest of their name."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}


def discard(folder: Path, keep: int = 0) -> None:
    """Remove all but the last `keep` checkpoints."""
    paths = sorted(folder.glob(PATTERN))
    for path in paths[: max(0, len(paths) - keep)]:
        path.unlink(missing_ok=True)
