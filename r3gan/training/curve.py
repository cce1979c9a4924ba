"""The loss curve: means a tick, and the check that they are numbers."""

import csv
import math
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from r3gan.files import atomic
from r3gan.training.state import State
from r3gan.training.steps import Hyper


class Diverged(Exception):
    """A loss or a gradient stopped being a number: a result ("Fail"), not a crash."""


class Tick:
    """Means of what the steps measured since the last row of the curve."""

    def __init__(self, state: State) -> None:
        self.reset(state)

    def reset(self, state: State) -> None:
        self.started, self.images = time.perf_counter(), state.images_seen
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, measured: dict[str, Tensor]) -> None:
        for name, value in measured.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def close(self, state: State, hyper: Hyper) -> dict[str, float]:
        """The row up to now, then start anew; raises Diverged if a mean is not finite."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise Diverged(f"{name} is {mean} before image {state.images_seen}")
        elapsed = time.perf_counter() - self.started
        row = {"kimg": state.images_seen / 1000, **means, "lr": hyper.lr, "gamma": hyper.gamma}
        row |= {"ema_half_life_kimg": hyper.ema_half_life_kimg}
        row |= {"img_per_s": (state.images_seen - self.images) / elapsed}
        self.reset(state)
        return row


def write_curve(path: Path, rows: Iterable[dict[str, float]]) -> None:
    """The loss curve as CSV; a quantity that a tick did not measure (lazy ones) is left empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
