"""What a run starts from instead of random networks (`--init-from`): fine-tuning."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from r3gan.errors import UserError
from r3gan.files import sha256
from r3gan.interfaces import Network
from r3gan.records.run_id import RELEASED, RunId
from r3gan.records.schema import Start, Training
from r3gan.records.store import as_json, read_training
from r3gan.training import checkpoint
from r3gan.training.run import Run

# Of an imported run; a trained one has all three in its last checkpoint.
FILES = {"generator": "generator-raw", "discriminator": "discriminator", "ema": "generator"}
Weights = Mapping[str, Mapping[str, Tensor]]  # by "generator", "discriminator", "ema", then by name


@dataclass(frozen=True, kw_only=True)
class StartingWeights:
    """The networks that a run starts from; Adam and all schedules begin anew."""

    record: Start
    weights: Weights
    seed: int | None = None  # of the run they are from, if they are from one

    def load(self, name: str, network: Network, seed: int) -> None:
        """Fill G, D or the moving average of G; a G that is not known apart starts as the moving average.

        A D that is not known stays as it is. UserError where the weights do not fit.
        """
        found = self.weights.get(name) or (self.weights["ema"] if name == "generator" else None)
        if found is None:
            return
        if name == "discriminator" and network.frozen and seed != self.seed:
            # Its random projections follow from the seed, and D is trained for those.
            raise UserError(f"--init-from {self.record.source} needs --seed {self.seed}: D sees random projections")
        if problem := difference(found, network):
            raise UserError(
                f"--init-from {self.record.source} does not fit the {name} ({problem}); configuration, resolution,"
                " channels and classes must be the same"
            )
        network.load_state_dict(found)


def difference(found: Mapping[str, Tensor], network: nn.Module) -> str:
    """The first tensor in which weights and a network differ in name or shape; empty if there is none."""
    wanted = {name: list(value.shape) for name, value in network.state_dict().items()}
    shapes = {name: list(value.shape) for name, value in found.items()}
    differing = [name for name in wanted | shapes if wanted.get(name) != shapes.get(name)]
    parts = [f"{name} is {shapes.get(name, 'missing')} instead of {wanted.get(name, 'nothing')}" for name in differing]
    return parts[0] if parts else ""


def open_start(source: str, run: Run, runs: Path = Path("runs"), work: Path = Path("work")) -> StartingWeights:
    """What `source` holds: a run below `runs`, a .safetensors file of G, or "released" for the run's own import.

    UserError in one sentence where it is missing, damaged, or of another resolution, channels or classes.
    """
    training, folder = None, Path(source)
    if folder.suffix == ".safetensors":
        weights: Weights = {"ema": read_weights(folder)}
    else:
        name = f"{RELEASED}/{run.dataset}/{run.config_name}/seed0" if source == RELEASED else str(RunId.parse(source))
        source, folder = name, runs / name
        training = read_training(folder, f"--init-from {name} needs a finished or an imported run")
        refuse_other_size(training, run, name)
        weights = last_state(training, work / name) or {
            network: read_weights(folder / f"{file}.safetensors")
            for network, file in FILES.items()
            if network == "ema" or (folder / f"{file}.safetensors").exists()
        }
        if training.generator_sha256 not in (None, sha256(folder / "generator.safetensors")):
            raise UserError(f"--init-from {name}: its generator.safetensors is damaged (its sha256 differs)")
    content = [f"{n} {key} {checkpoint.digest(weights[n][key])}" for n in sorted(weights) for key in sorted(weights[n])]
    record = Start(
        source=source,
        sha256=hashlib.sha256("\n".join(content).encode()).hexdigest(),
        networks=tuple(weights),
        images_seen=training.images_seen if training else None,
    )
    return StartingWeights(record=record, weights=weights, seed=training.seed if training else None)


def refuse_other_size(training: Training, run: Run, source: str) -> None:
    """UserError where a run's images have another resolution, channels or classes."""
    if training.outcome == "Fail":
        raise UserError(f"--init-from {source}: its training diverged ({training.failure})")
    theirs, ours = measures(training.size), measures(run.describe()["size"])
    if differing := [name for name in ours if theirs[name] != ours[name]]:
        name = differing[0]
        raise UserError(f"--init-from {source} has {name} {theirs[name]}, but {run.dataset} has {ours[name]}")


def measures(size: Mapping[str, Any]) -> dict[str, int]:
    """What images a size is for."""
    return {
        "resolution": 4 << (len(size["base_widths"]) - 1),
        "channels": size["image_channels"],
        "classes": size["classes"],
    }


def last_state(training: Training, work: Path) -> Weights | None:
    """The networks of a finished run's last checkpoint, if it was kept and is the one of the record."""
    for path in sorted((work / "checkpoints").glob(checkpoint.PATTERN))[-1:]:
        try:
            header, tensors = checkpoint.read(path)
        except checkpoint.Damaged as error:
            print(f"warning: {path} cannot be read ({error}); only the run's generator is used", flush=True)
            continue
        if training.identity and header["step"] == training.steps and header["identity"] == as_json(training.identity):
            return {name: checkpoint.below(tensors, name) for name in FILES}
    return None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file; UserError where it is missing or damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"--init-from {path} cannot be read ({str(error).splitlines()[0]})") from None
