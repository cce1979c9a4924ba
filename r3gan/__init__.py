"""Reproducibility benchmark for R3GAN and Projected GAN: published and reproduced numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from r3gan.generate import Sampler

__version__ = "0.1.0"


def load(run: str | Path, device: str = "cpu") -> Sampler:
    """The trained generator of a run ("own/cats/E/seed0"), a run's folder or a .safetensors file, ready to draw.

    UserError where there is none; torch is imported by the call. See `Sampler.sample` for shapes and ranges.
    """
    from r3gan.generate import load

    return load(run, device)
