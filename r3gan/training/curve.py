"""The loss curve: means over logging intervals, and the criteria by which a run has failed."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from r3gan.files import atomic
from r3gan.penalties import PENALISED
from r3gan.training.draws import random_source
from r3gan.training.losses import Measured
from r3gan.training.memory import peak_mib
from r3gan.training.run import Run
from r3gan.training.state import State
from r3gan.training.steps import Hyper

# The papers print "Fail" without a criterion; these were chosen here, far outside of what runs that learn show.
LARGEST_GRADIENT_NORM = 1e4  # of D at fakes, mean over a batch
SMALLEST_SPREAD = 1e-3  # of G's images in [-1, 1]: standard deviation over a batch, mean over pixels


class Diverged(Exception):
    """Training failed: a result ("Fail"), not a crash; detected at the end of `step`."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step, self.reason = step, reason


class LoggingInterval:
    """Means of what the steps measured since the last row of the curve."""

    def __init__(self, run: Run, state: State) -> None:
        self.run = run
        self.reset(state)

    def reset(self, state: State) -> None:
        self.seconds, self.images = state.seconds, state.images_seen
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        # The first step at which a measured quantity was not finite, or -1; on the device, to avoid synchronisation.
        self.first_bad = torch.full((), -1, dtype=torch.long, device=state.device)

    def add(self, measured: Measured, step: int) -> None:
        """Add what one step measured."""
        for name, value in measured.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        bad = ~torch.isfinite(torch.stack(list(measured.values()))).all()
        self.first_bad = torch.where(bad & (self.first_bad < 0), step, self.first_bad)

    def close(self, state: State, hyper: Hyper) -> dict[str, float]:
        """The row of this interval; starts the next one. Raises Diverged if the run has failed. All ranks together.

        The state's seconds are up to date.
        """
        world = state.world
        elapsed = state.seconds - self.seconds
        names = list(self.sums)
        sums = world.mean(torch.stack(list(self.sums.values()))).tolist()
        means = {name: total / self.counts[name] for name, total in zip(names, sums, strict=True)}
        if infinite := [name for name, mean in means.items() if not math.isfinite(mean)]:
            step = int(self.first_bad)
            raise Diverged(step if step >= 0 else state.step, f"{infinite[0]} is {means[infinite[0]]}")
        probed = probe(self.run, state)
        row = {"kimg": state.images_seen / 1000, **means, **probed}
        row |= {name: getattr(hyper, name) for name in ("lr", "gamma", "beta2", "ema_half_life_kimg", "augment_p")}
        row |= {"img_per_s": (state.images_seen - self.images) / elapsed, "peak_mib": peak_mib(state.device)}
        check_probe(state.step, probed)
        self.reset(state)
        return row


def probe(run: Run, state: State) -> dict[str, float]:
    """|grad_x D| at reals and at fakes and the spread of fakes, means over a micro-batch; all ranks together.

    Measured separately from the penalties, since not every configuration has both; of the mean where D has several
    logits. D is in eval mode meanwhile, so that probing does not change the state of its spectral norms.
    """
    start = 2 * state.share.batch * state.step
    part = next(state.share.slices())
    reals, labels = state.stream.at(start + part.start, state.share.micro)
    z = torch.randn(state.share.batch, state.generator.z_dim, generator=random_source(run.seed, state.step, "probe"))
    known = labels if state.generator.classes else None
    with torch.no_grad():
        fakes = state.ema(z[part].to(state.device), known)
    norms = []
    state.discriminator.eval()
    for images in (reals, fakes):
        with torch.set_grad_enabled(run.config.penalty == "double-backward"):
            logits, squared = PENALISED[run.config.penalty](state.discriminator, images, known, None)
        norms.append(squared.detach().sqrt().mean() / logits[0].numel())
    state.discriminator.train()
    values = torch.stack([*norms, fakes.std(dim=0).mean()])
    names = ("grad_norm_real", "grad_norm_fake", "spread")
    return dict(zip(names, state.world.mean(values).tolist(), strict=True))


def check_probe(step: int, probed: dict[str, float]) -> None:
    """Raise Diverged where a probed value is outside its limit."""
    for name in ("grad_norm_real", "grad_norm_fake", "spread"):
        if not math.isfinite(probed[name]):
            raise Diverged(step, f"{name} is {probed[name]}")
    if probed["grad_norm_fake"] > LARGEST_GRADIENT_NORM:
        raise Diverged(step, f"grad_norm_fake {probed['grad_norm_fake']:.3g} exceeds {LARGEST_GRADIENT_NORM:g}")
    if probed["spread"] < SMALLEST_SPREAD:
        raise Diverged(step, f"spread of fakes {probed['spread']:.3g} is below {SMALLEST_SPREAD:g}: G has collapsed")


def write_curve(path: Path, rows: Iterable[dict[str, float]]) -> None:
    """The loss curve as CSV; a quantity that an interval did not measure (lazy ones) is left empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
