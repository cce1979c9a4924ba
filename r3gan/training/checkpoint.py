"""Checkpoints: the whole state of a run in one file, written so that a kill at any moment leaves a readable one.

A file is safetensors: tensors and a JSON header, no code. It is the same for every engine and number of ranks.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from r3gan.files import atomic
from r3gan.training.state import State

PLAIN_FIELDS = ("step", "curve", "snapshots", "seconds", "continued_at_images")  # of the state: all but its tensors
PATTERN = "checkpoint-*.safetensors"
Header = dict[str, Any]
Found = tuple[Header, dict[str, Tensor]]


def tensors_of(state: State) -> dict[str, Tensor]:
    """Everything of the state that is a tensor, by name; all ranks together."""
    found = {f"{name}/{key}": value for name, net in networks_of(state) for key, value in net.state_dict().items()}
    for name, engine in (("generator", state.generator_engine), ("discriminator", state.discriminator_engine)):
        found |= {f"{name}-adam/{key}": value for key, value in engine.export_state().items()}
    found["path_length_mean"] = state.path_length_mean
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in found.items()}


def networks_of(state: State) -> Iterator[tuple[str, torch.nn.Module]]:
    yield from (("generator", state.generator), ("discriminator", state.discriminator), ("ema", state.ema))


def save(folder: Path, state: State, identity: Header, keep: int) -> bool:
    """Write the state and remove all but the last `keep` checkpoints; whether this process wrote it.

    Rank 0 writes, after all ranks have contributed. On a full disk it prints a warning and leaves the older ones.
    """
    tensors = tensors_of(state)
    if not state.world.is_rank0:
        return False
    kept = {name: getattr(state, name) for name in PLAIN_FIELDS}
    header = {"identity": identity, "micro": state.share.micro, **kept}
    path = folder / f"checkpoint-{state.step:09d}.safetensors"
    try:
        with atomic(path) as temporary:
            save_file(tensors, temporary, {"state": json.dumps(header)})
    except (OSError, SafetensorError) as error:
        print(f"warning: no checkpoint at step {state.step}, training continues: {error}", flush=True)
        return False
    for old in sorted(folder.glob(PATTERN))[:-keep]:
        old.unlink(missing_ok=True)
    return True


def latest(folder: Path, identity: Header) -> Found | None:
    """Header and tensors of the newest readable checkpoint of this run, or None.

    An unreadable one is reported and the one before it is used. One of another recipe, data set or code is reported and
    renamed, not deleted.
    """
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})["state"])
                if header["identity"] == identity:
                    return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            print(f"warning: {path} cannot be read ({error}); trying an earlier checkpoint", flush=True)
            continue
        differing = sorted(key for key in identity if header["identity"].get(key) != identity[key])
        aside = path.with_name(f"set-aside-{path.name}")
        path.rename(aside)
        print(
            f"warning: {path.name} belongs to another run ({', '.join(differing)} differ); renamed to {aside}",
            flush=True,
        )
    return None


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


def discard(folder: Path) -> None:
    """Remove the checkpoints of a finished run, so that running it again starts from the beginning."""
    for path in folder.glob(PATTERN):
        path.unlink(missing_ok=True)
