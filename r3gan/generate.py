"""Images of a trained run: by seed, by class, from latents of one's own, and on the way from one to the next.

An image depends on its seed, class and truncation alone: z comes from a generator of its own per seed, noise inside the
networks is fixed, and every pass has the same number of images, since rounding depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from r3gan.errors import UserError
from r3gan.interfaces import GeneratorNetwork, StyleBased
from r3gan.metrics.evaluate import initial_generator, size_of
from r3gan.pictures import quantise
from r3gan.progress import Progress
from r3gan.records.run_id import FORM
from r3gan.records.schema import Training
from r3gan.records.store import read_training
from r3gan.weights import load_network

PASS = 8  # images per forward pass, always
RUNS = Path("runs")
GENERATOR = "generator.safetensors"
RECORD_KEY = "train.json"  # of a file's metadata, where it holds its own record
HINT = "name a run, such as own/cats/E/seed0, or a generator.safetensors with train.json next to it"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One image to draw: latent z [z_dim], and its class where the network has any."""

    name: str
    z: Tensor
    label: int | None


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A trained generator and its record, ready to draw images."""

    generator: GeneratorNetwork
    training: Training

    @property
    def z_dim(self) -> int:
        """Numbers of a latent."""
        return self.generator.z_dim

    @property
    def classes(self) -> int:
        """Number of classes; 0 for an unconditional network."""
        return self.generator.classes

    @property
    def resolution(self) -> int:
        """In px."""
        return size_of(self.training).resolution

    def latent(self, seed: int) -> Tensor:
        """Z of a seed, float32 [z_dim]."""
        return torch.randn(self.z_dim, generator=torch.Generator().manual_seed(seed))

    def choices(
        self,
        seeds: Sequence[int] = (),
        classes: Sequence[int] = (),
        latents: NDArray[np.floating] | Tensor | None = None,
    ) -> list[Choice]:
        """Every seed, or row of `latents` [N, z_dim], for every class; without classes each seed has one by chance.

        UserError for a class that there is not, or latents of another shape.
        """
        if wrong := [label for label in classes if not 0 <= label < self.classes]:
            allowed = f"0 to {self.classes - 1}" if self.classes else "none, the run is unconditional"
            raise UserError(f"--classes {wrong[0]}: {self.training.run} has no such class; allowed: {allowed}")
        drawn = {f"seed{seed:05d}": (self.latent(seed), seed) for seed in seeds}
        if latents is not None:
            rows = torch.as_tensor(np.asarray(latents))
            if rows.ndim != 2 or rows.shape[1] != self.z_dim or not rows.is_floating_point():
                found = f"{rows.dtype} {list(rows.shape)}".removeprefix("torch.")
                raise UserError(f"latents are {found} where {self.training.run} needs floats [N, {self.z_dim}]")
            if not bool(rows.isfinite().all()):
                raise UserError("latents hold numbers that are not finite")
            drawn |= {f"latent{i:05d}": (row.to(torch.float32), i) for i, row in enumerate(rows)}
        if classes:
            return [
                Choice(name=f"class{label:04d}-{name}", z=z, label=label)
                for label in classes
                for name, (z, _) in drawn.items()
            ]
        return [Choice(name=name, z=z, label=self.label_of(seed)) for name, (z, seed) in drawn.items()]

    def label_of(self, seed: int) -> int | None:
        """The class of a seed for which none is asked: by chance, all equally likely."""
        if not self.classes:
            return None
        return int(np.random.default_rng([seed, self.classes]).integers(self.classes))

    @torch.no_grad()
    def draw(self, choices: Sequence[Choice], truncation: float = 1.0, shown: bool = False) -> Iterator[Tensor]:
        """Images uint8 [C, R, R] on the CPU, one by one, in the order of `choices`.

        `truncation` psi moves Config A's w towards its mean over training, by 1 - psi. UserError where the network has
        no w.
        """
        if truncation != 1.0 and not isinstance(self.generator, StyleBased):
            raise UserError(
                f"--truncation: {self.training.title} has no mapping network; it is for Config A's generator"
            )
        device = next(self.generator.parameters()).device
        with Progress("generate", len(choices), "img", shown=shown) as progress:
            for start in range(0, len(choices), PASS):
                part = choices[start : start + PASS]
                filled = [*part, *[part[-1]] * (PASS - len(part))]
                z = torch.stack([choice.z for choice in filled]).to(device)
                labels = torch.tensor([choice.label or 0 for choice in filled], device=device) if self.classes else None
                extra = {"truncation_psi": truncation} if truncation != 1.0 else {}
                yield from quantise(self.generator(z, labels, **extra)).cpu()[: len(part)]
                progress.advance(len(part))

    def sample(
        self,
        seeds: Sequence[int] = (),
        *,
        classes: Sequence[int] = (),
        latents: NDArray[np.floating] | Tensor | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Images uint8 [N, C, R, R], 0 to 255: of seeds, or of `latents` [N, z_dim]; with classes, class by class."""
        return torch.stack([*self.draw(self.choices(seeds, classes, latents), truncation)])

    def between(self, choices: Sequence[Choice], frames: int) -> list[Choice]:
        """The way through all choices and back to the first, `frames` images from each to the next.

        Between two latents along a great circle, on which a mixture of two normal z is as long as they are.
        """
        angles = torch.arange(frames) * (torch.pi / 2 / frames)
        pairs = zip(choices, [*choices[1:], choices[0]], strict=True)
        return [
            Choice(name=f"{one.name}-{i}", z=one.z * angle.cos() + two.z * angle.sin(), label=choices[0].label)
            for one, two in pairs
            for i, angle in enumerate(angles)
        ]


def load(run: str | Path, device: str = "cpu") -> Sampler:
    """The generator of a run below runs/, of a run's folder, or of a .safetensors file, on a torch device.

    UserError where there is none, or it does not fit its record.
    """
    path = RUNS / str(run) if FORM.fullmatch(str(run)) else Path(run)
    file = path if path.suffix == ".safetensors" else path / GENERATOR
    if not file.is_file():
        raise UserError(f"{file if path.is_dir() else run} does not exist; {HINT}")
    training, recorded = record_of(file)
    generator = initial_generator(training, torch.device(device))
    load_network(file, generator, HINT, recorded)
    generator.fix_noise()
    return Sampler(generator=generator.eval(), training=training)


def record_of(file: Path) -> tuple[Training, str | None]:
    """What was trained: from the file's own metadata, or train.json in its folder or the one above (snapshots/).

    With it the file's sha256, where the record names the file.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            held = (opened.metadata() or {}).get(RECORD_KEY)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} cannot be read as safetensors ({error}); {HINT}") from None
    if held is not None:
        try:
            return msgspec.convert(json.loads(held), Training), None
        except (ValueError, msgspec.ValidationError) as error:
            raise UserError(f"{file} holds a record that is none of this version ({error})") from None
    folder = file.parent if (file.parent / "train.json").exists() else file.parent.parent
    training = read_training(folder, HINT)
    return training, training.checksums.get(file.relative_to(folder).as_posix())
