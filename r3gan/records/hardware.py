"""HARDWARE: one entry per device whose peak is known, and how a device's name becomes the name of its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A GPU, or all cores of a processor; 10^12 multiplications and additions a second, dense."""

    title: str
    fp32_tflops: float  # of a GPU without its tensor cores, though cuDNN may use them in TF32: the cautious one
    bf16_tflops: float | None = None  # None: not used there
    source: str


_SHEET = "vendor's data sheet"
_PRODUCT = "large float32 matrix product, measured (benchmarks/README.md)"
_CONVOLUTION = "convolution of 1 x 1, measured (benchmarks/README.md)"
# A key is the name of a device's folder, or the word in it that tells: h100 is also nvidia-h100-80gb-hbm3.
HARDWARE: Mapping[str, Hardware] = {
    "h100": Hardware(title="NVIDIA H100 SXM", fp32_tflops=66.9, bf16_tflops=989.4, source=_SHEET),
    "h200": Hardware(title="NVIDIA H200 SXM", fp32_tflops=66.9, bf16_tflops=989.4, source=_SHEET),
    "a100": Hardware(title="NVIDIA A100", fp32_tflops=19.5, bf16_tflops=312.0, source=_SHEET),
    "l40": Hardware(title="NVIDIA L40", fp32_tflops=90.5, bf16_tflops=181.0, source=_SHEET),
    "a6000": Hardware(title="NVIDIA RTX A6000", fp32_tflops=38.7, bf16_tflops=154.8, source=_SHEET),
    "amd-epyc-2-cores": Hardware(title="AMD EPYC, 2 cores", fp32_tflops=0.135, source=_PRODUCT),
    "amd-epyc-family-26-model-2-2-cores": Hardware(
        title="AMD EPYC (Zen 5), 2 cores", fp32_tflops=0.465, source=_CONVOLUTION
    ),
    "intel-r-xeon-r-processor-2-cores": Hardware(title="Intel Xeon, 2 cores", fp32_tflops=0.362, source=_PRODUCT),
}


def folder_name(device: str) -> str:
    """A folder's name for a device: its own name in lower-case words with hyphens."""
    return re.sub("[^a-z0-9]+", "-", device.lower()).strip("-")


def stands_for(name: str, folder: str) -> bool:
    """Whether a folder is that of the device `name`: its own name, or a word in it such as h100."""
    return name == folder or name in folder.split("-")


def entry_of(folder: str) -> Hardware | None:
    """What is known of a folder's device; None where there is no entry."""
    return next((entry for name, entry in HARDWARE.items() if stands_for(name, folder)), None)


def cores_of(folder: str) -> int | None:
    """How many cores a processor's folder name says it has; None for a GPU."""
    found = re.search(r"-(\d+)-cores$", folder)
    return int(found[1]) if found else None
