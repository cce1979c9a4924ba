"""Keeping the best snapshot of G by a metric, and only that one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.interfaces import GeneratorNetwork

Snapshot = dict[str, Any]  # kimg, seconds, file below the run's folder; metric and value where a judge looked at it


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What measures G as training goes on; `score` is called by all ranks together and disturbs nothing of them."""

    metric: str
    sort_key: Callable[[float], float]  # of the metric: makes smaller better
    samples: int
    score: Callable[[GeneratorNetwork], float]

    def judged(self, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        """Those measured by this metric: a run may have gone on without a judge, or with another."""
        return [snapshot for snapshot in snapshots if snapshot.get("metric") == self.metric]

    def best(self, snapshots: Sequence[Snapshot], out: Path) -> Snapshot | None:
        """The first of the best among the snapshots whose files lie in `out`; None where no value is finite."""
        known = [s for s in self.judged(snapshots) if math.isfinite(s["value"]) and (out / s["file"]).exists()]
        return min(known, key=lambda s: self.sort_key(s["value"]), default=None)

    def prune(self, snapshots: Sequence[Snapshot], out: Path) -> None:
        """Remove all judged but the best; only when what is known of them has been saved, so that a kill loses none."""
        best = self.best(snapshots, out)
        for snapshot in self.judged(snapshots):
            if snapshot is not best:
                (out / snapshot["file"]).unlink(missing_ok=True)

    def describe(self, snapshots: Sequence[Snapshot], out: Path) -> dict[str, Any] | None:
        """The best one for the run's record."""
        best = self.best(snapshots, out)
        return None if best is None else best | {"samples": self.samples, "of": len(self.judged(snapshots))}
