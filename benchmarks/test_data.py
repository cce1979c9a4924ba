"""Preparing against a plain loop, reading against a zip of PNG files, and memory against the number of images.

Both sides take turns and give the same pixels, which is asserted. It writes results/benchmarks/<hardware>/data.json.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.pictures import make_folder, plain_batches, plain_prepare
from r3gan.data.build import prepare
from r3gan.data.export import export
from r3gan.data.loader import Stream, open_dataset, to_unit_range
from r3gan.data.readers.workers import cores

ROUNDS = 3
BATCH = 64


@dataclass(frozen=True)
class Case:
    """Pictures of one size and format, to be brought to `resolution`."""

    name: str
    resolution: int
    count: int
    width: int
    height: int
    ending: str


CASES = (
    Case("256 px from PNG at 1024 px, as FFHQ", 256, 256, 1024, 1024, "png"),
    Case("256 px from JPEG at 341 x 256 px, as LSUN", 256, 2000, 341, 256, "jpg"),
    Case("32 px from JPEG at 500 x 375 px, as ImageNet", 32, 2000, 500, 375, "jpg"),
    Case("32 px from PNG at 32 px", 32, 20_000, 32, 32, "png"),
)


class Clock:
    """Seconds of each call."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.wall = work, list[float]()

    def __call__(self) -> None:
        started = time.perf_counter()
        self.work()
        self.wall.append(time.perf_counter() - started)

    def per_item_us(self, count: int) -> float:
        return round(median(self.wall) / count * 1e6, 1)


def gain_of_cores(work: Callable[[], object]) -> float:
    """How much more of the plain work all cores do at once than one does: what no division of it can exceed."""

    def seconds(count: int) -> float:
        processes = [multiprocessing.get_context("fork").Process(target=work) for _ in range(count)]
        started = time.perf_counter()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return time.perf_counter() - started

    return round(cores() * seconds(1) / seconds(cores()), 2)


def take_turns(benchmark: BenchmarkFixture, ours: Clock, plain: Clock, count: int) -> dict[str, Any]:
    """Both sides round by round, so that a machine that slows down slows both; what is recorded of each item."""
    plain()
    ours()
    for clock in (plain, ours):
        clock.wall.clear()
    benchmark.pedantic(ours, setup=plain, rounds=ROUNDS)
    return {
        "ours_us": ours.per_item_us(count),
        "plain_us": plain.per_item_us(count),
        "ratio": round(median(plain.wall) / median(ours.wall), 2),
        "cores": cores(),
        "rounds": ROUNDS,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_prepare(benchmark: BenchmarkFixture, tmp_path: Path, case: Case) -> None:
    source = make_folder(tmp_path / "in", case.count, case.width, case.height, case.ending)
    ours = Clock(lambda: prepare("own", source, tmp_path / "ours", case.resolution, overwrite=True))
    plain = Clock(lambda: plain_prepare(source, tmp_path / "plain", case.resolution))
    record = take_turns(benchmark, ours, plain, case.count)
    pixels = [np.load(tmp_path / side / "images.npy") for side in ("ours", "plain")]
    assert (pixels[0] == pixels[1]).all()
    record["bound"] = gain_of_cores(lambda: plain_prepare(source, tmp_path / "plain", case.resolution))
    benchmark.extra_info |= {"what": "prepare", "case": case.name, "images": case.count} | record


@pytest.mark.parametrize("resolution", [32, 256])
def test_read(benchmark: BenchmarkFixture, tmp_path: Path, resolution: int) -> None:
    """Shuffled batches as floats in [-1, 1], and the same ones out of the zip that other loaders read."""
    count, batches = 1000, 15
    source = make_folder(tmp_path / "in", count, resolution, resolution, "png")
    prepare("own", source, tmp_path / "set", resolution)
    dataset = open_dataset(tmp_path / "set")
    export(dataset, tmp_path / "set.zip")
    dataset = replace(dataset, labels=np.arange(count))  # so that a batch says which images it holds
    stream = Stream(dataset, seed=0, xflip=False, device=torch.device("cpu"))
    starts = range(0, batches * BATCH, BATCH)
    picks = [stream.at(start, BATCH)[1].tolist() for start in starts]

    def read_ours() -> Iterator[Tensor]:
        return (stream.at(start, BATCH, likely_next=start + BATCH)[0] for start in starts)

    def read_plain() -> Iterator[Tensor]:
        return (to_unit_range(torch.from_numpy(batch)) for batch in plain_batches(tmp_path / "set.zip", picks))

    for ours, plain in zip(read_ours(), read_plain(), strict=True):
        assert torch.equal(ours, plain)
    exhaust = deque[Tensor](maxlen=0).extend
    sides = (Clock(lambda: exhaust(read_ours())), Clock(lambda: exhaust(read_plain())))
    record = take_turns(benchmark, *sides, batches * BATCH)
    benchmark.extra_info |= {"what": "read", "case": f"{resolution} px, batches of {BATCH}", "images": count} | record


PEAK = """\
import resource, sys
from pathlib import Path
side, source, out = sys.argv[1:]
if side == "ours":
    from r3gan.data.build import prepare
    from r3gan.data.readers.workers import cores
    work = lambda: prepare("own", Path(source), Path(out), 256)
else:
    from benchmarks.pictures import plain_prepare
    work = lambda: plain_prepare(Path(source), Path(out), 256)
def peak_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
if __name__ == "__main__":
    before = peak_mib()
    work()
    held = peak_mib() - before
    if side == "ours":
        held += cores() * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(held)
"""


def peak_mib(side: str, source: Path, out: Path) -> float:
    """What a process of its own holds at its highest above what it holds before it begins, and all of its children."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, side, str(source), str(out)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def test_memory(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Eight times the images, at 256 px."""
    counts = (500, 4000)
    sources = {count: make_folder(tmp_path / str(count), count, 256, 256, "jpg") for count in counts}
    ours, plain = (
        {count: round(peak_mib(side, sources[count], tmp_path / f"{side}{count}"), 1) for count in counts}
        for side in ("ours", "plain")
    )
    benchmark.pedantic(lambda: prepare("own", sources[500], tmp_path / "again", 256), rounds=1)
    benchmark.extra_info |= {"what": "memory", "case": "256 px", "images": counts, "ours_mib": ours, "plain_mib": plain}
    assert ours[4000] < ours[500] + 32
