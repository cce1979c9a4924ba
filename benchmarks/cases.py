"""CASES: what is timed, one entry each; a case is skipped where it does not fit the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from r3gan.configs import CONFIGS, SIZES, Recipe
from r3gan.data.loader import Dataset
from r3gan.models.families import Size
from r3gan.records.provenance import bf16_instructions
from r3gan.schedules import Ramp
from r3gan.tables.kinds.quality import QualityTable
from r3gan.tables.registry import TABLES
from r3gan.training.run import Run

# The topology of CIFAR-10's networks (four stages of equal width, ten classes) and of FFHQ-64's, an eighth as wide: for
# a CPU.
NARROWED, NARROWED_64 = "cifar10-narrowed", "ffhq-64-narrowed"
BENCHMARK_SIZES: Mapping[str, Size] = {
    NARROWED: replace(SIZES["cifar10"], base_widths=(64,) * 4, published=False),
    NARROWED_64: replace(SIZES["ffhq-64"], base_widths=(*(64,) * 4, 32), published=False),
}
SMOKE = "stackedmnist5k-16"
TABLE1 = TABLES["table1"]
assert isinstance(TABLE1, QualityTable)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration at a size with a batch, and the devices it is meant for."""

    config: str
    size: str
    batch: int
    devices: tuple[str, ...]
    gmac_per_image: float | None = None  # forward multiply-adds of G, D about equal, in 10^9 (published sizes)
    way: str = ""  # what of the execution is not the device's default, and what it is
    wanted: Mapping[str, str] = field(default_factory=dict, hash=False)
    penalty: str = "exact"  # or an approximation, whose D step alone is timed: "finite-difference", "lazy"

    @property
    def name(self) -> str:
        return f"{self.config} at {self.size}, batch {self.batch}" + (f", {self.way}" if self.way else "")


NOISE, LAZY_INTERVAL = 0.01, 8
APPROXIMATE = (
    {"penalty": "finite-difference", "way": f"finite-difference penalties, noise {NOISE}"},
    {"penalty": "lazy", "way": f"penalties every {LAZY_INTERVAL} steps, mean of {LAZY_INTERVAL}"},
)
CPU_CASE = Case(config="E", size=NARROWED, batch=16, devices=("cpu", "cuda"))
# A GPU's share of the paper's batch of 512 on eight.
CIFAR10 = Case(config="E", size="cifar10", batch=64, devices=("cuda",), gmac_per_image=7.02)
CASES: tuple[Case, ...] = (
    *(Case(config=name, size=SMOKE, batch=8, devices=("cpu",)) for name in TABLE1.rows),
    CPU_CASE,
    *(replace(CPU_CASE, devices=("cpu",), **approximation) for approximation in APPROXIMATE),
    replace(CPU_CASE, devices=("cpu",), way="bfloat16", wanted={"precision": "bf16"}),
    Case(config="E", size=NARROWED_64, batch=8, devices=("cpu",)),
    Case(config="E", size="cifar10", batch=4, devices=("cpu",)),
    replace(CIFAR10, way="not compiled", wanted={"compile": "off"}),
    CIFAR10,
    replace(CIFAR10, way="CUDA graphs", wanted={"compile": "graphs"}),
    replace(CIFAR10, way="float32, not compiled", wanted={"precision": "fp32", "compile": "off"}),
    replace(CIFAR10, way="not compiled, NCHW", wanted={"compile": "off", "layout": "nchw"}),
    *(
        replace(CIFAR10, **approximation | {"way": f"{approximation['way']}, not compiled"}, wanted={"compile": "off"})
        for approximation in APPROXIMATE
    ),
    *(Case(config=name, size="ffhq-256", batch=8, devices=("cuda",)) for name in TABLE1.rows),
    Case(config="E", size="stackedmnist", batch=64, devices=("cuda",), gmac_per_image=7.02),
    Case(config="E", size="ffhq-64", batch=32, devices=("cuda",), gmac_per_image=13.06),
    Case(config="E", size="ffhq-256", batch=32, devices=("cuda",), gmac_per_image=28.78),
    Case(config="E", size="imagenet-32", batch=64, devices=("cuda",), gmac_per_image=28.08),
    Case(config="E", size="imagenet-64", batch=64, devices=("cuda",), gmac_per_image=112.65),
)


def data_of(case: Case) -> Dataset:
    """Noise of the right shape: the time does not depend on the pixels."""
    size = SIZES[case.size]
    shape = (1024, size.image_channels, size.resolution, size.resolution)
    images = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    labels = np.arange(1024) % max(1, size.classes)
    return Dataset(name=case.size, manifest={"sha256": "", "count": 1024}, images=images, labels=labels)


def run_of(case: Case) -> Run:
    """The case as a run, without augmentation, which the textbook side does not have."""
    config = CONFIGS[case.config]
    base: Recipe = next(iter(config.recipes.values())) if case.size not in config.recipes else config.recipe(case.size)
    recipe = replace(base, batch=case.batch, augment_p=Ramp(0, 0))
    interval = LAZY_INTERVAL if case.penalty == "lazy" else config.penalty_interval
    config = replace(config, recipes={case.size: recipe}, penalty_interval=interval)
    return Run(scale="bench", config_name=case.config, config=config, recipe=recipe, dataset=case.size, seed=0)


def fits(case: Case, device: torch.device) -> bool:
    """Whether the case is for this device; bfloat16 is for processors that multiply it, not those that emulate it."""
    capable = case.wanted.get("precision") != "bf16" or device.type == "cuda" or bf16_instructions() is not None
    return device.type in case.devices and capable
