"""Keeping the best snapshot of G by a metric, and only that one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.interfaces import GeneratorNetwork

Snapshot = dict[str, Any]  # kimg, seconds, file in the run's folder; with --keep-best also metric and value


@dataclass(frozen=True, kw_only=True)
class KeepBest:
    """Measures G during training; `score` is called by all ranks together and does not affect training."""

    metric: str
    sort_key: Callable[[float], float]  # of the metric: makes smaller better
    samples: int
    score: Callable[[GeneratorNetwork], float]

    def measured(self, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        """Those measured by this metric: a run may have been continued without --keep-best, or with another metric."""
        return [snapshot for snapshot in snapshots if snapshot.get("metric") == self.metric]

    def best(self, snapshots: Sequence[Snapshot], out: Path) -> Snapshot | None:
        """The best of the snapshots whose files are in `out`, of equals the first; None if no value is finite."""
        known = [s for s in self.measured(snapshots) if math.isfinite(s["value"]) and (out / s["file"]).exists()]
        return min(known, key=lambda s: self.sort_key(s["value"]), default=None)

    def prune(self, snapshots: Sequence[Snapshot], out: Path) -> None:
        """Remove the files of all measured snapshots but the best; after their values were saved in a checkpoint."""
        best = self.best(snapshots, out)
        for snapshot in self.measured(snapshots):
            if snapshot is not best:
                (out / snapshot["file"]).unlink(missing_ok=True)

    def describe(self, snapshots: Sequence[Snapshot], out: Path) -> dict[str, Any] | None:
        """The best one for the run's record."""
        best = self.best(snapshots, out)
        return None if best is None else best | {"samples": self.samples, "of": len(self.measured(snapshots))}
