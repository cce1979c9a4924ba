"""What it would cost to run what has not been run: results/costs.json, less the records that are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r3gan.errors import UserError
from r3gan.estimate.record import COSTS, SCHEMA
from r3gan.estimate.show import BYTES, TIMES, hours, scaled
from r3gan.files import read_json


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """What is left to run of a table at a scale, or of a whole scale; bytes of a whole scale are not summed."""

    table: str  # empty: all tables of the scale
    scale: str
    hardware: str
    left: tuple[dict[str, Any], ...]  # what has no record; a run may need two, on the way and at its end
    runs: int
    disk: str = ""
    downloads: str = ""
    supplied: str = ""

    @property
    def runs_left(self) -> int:
        return distinct_runs(self.left)

    @property
    def device_time(self) -> str:
        return self._sum("device_hours")

    @property
    def wall_time(self) -> str:
        """One run at a time, as the pipeline has it on GPUs."""
        return self._sum("wall_hours")

    def _sum(self, name: str) -> str:
        known = [run[name] for run in self.left if run[name] is not None]
        unknown = distinct_runs(run for run in self.left if run[name] is None)
        more = f" and {unknown} runs not known" if unknown else ""
        total = math.fsum(known)
        return (hours(total) if name == "device_hours" else scaled(total, TIMES)) + more


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Lines of a table of costs, and how far to trust them."""

    lines: tuple[CostLine, ...]
    totals: tuple[CostLine, ...]
    caveat: str
    hardware: str


def distinct_runs(found: Iterable[dict[str, Any]]) -> int:
    """How many runs the records are of."""
    return len({run["record"].rpartition("/")[0] for run in found})


def read_costs(results: Path) -> Costs | None:
    """What is left at every scale; None where nobody has estimated it."""
    if not (results / COSTS).exists():
        return None
    hint = "run `r3gan costs` again"
    content = read_json(results / COSTS, hint)
    if content.get("schema") != SCHEMA:
        raise UserError(f"{results / COSTS} is of schema {content.get('schema')}, this version reads {SCHEMA}: {hint}")
    lines = []
    for found in content["estimates"]:
        left = tuple(run for run in found["runs"] if not (results / run["record"]).exists())
        if left:
            lines.append(
                CostLine(
                    table=found["table"],
                    scale=found["scale"],
                    hardware=f"{found['devices']} x {content['hardware']}",
                    left=left,
                    runs=distinct_runs(found["runs"]),
                    disk=scaled(found["disk_bytes"], BYTES),
                    downloads=scaled(found["download_bytes"], BYTES) if found["download_bytes"] else "none",
                    supplied=", ".join(found["supplied"]),
                )
            )
    return Costs(
        lines=tuple(lines), totals=totals(content, lines), caveat=caveat(content), hardware=content["hardware"]
    )


def totals(content: dict[str, Any], lines: Sequence[CostLine]) -> tuple[CostLine, ...]:
    """A line a scale; a run that several tables show counts once."""
    found = []
    for scale in dict.fromkeys(line.scale for line in lines):
        left = {run["record"]: run for line in lines if line.scale == scale for run in line.left}
        everything = [run for each in content["estimates"] if each["scale"] == scale for run in each["runs"]]
        hardware = ", ".join(dict.fromkeys(line.hardware for line in lines if line.scale == scale))
        found.append(
            CostLine(
                table="", scale=scale, hardware=hardware, left=tuple(left.values()), runs=distinct_runs(everything)
            )
        )
    return tuple(found)


def caveat(content: dict[str, Any]) -> str:
    """How the hours were come by, and what the papers' own hours say about that."""
    assumed = content["assumed_share_of_peak"]
    said = f"On {content['title']}. Where nothing was measured, hours are counted work at {assumed:.0%} of the peak, "
    said += "which is assumed."
    shares = sorted({cost["share_of_bf16_peak"] for each in content["estimates"] for cost in each["published"]})
    if shares:
        said += (
            f" By the same count the papers' own runs reached {shares[0]:.0%} to {shares[-1]:.0%}; at that rate it "
            f"takes {assumed / shares[-1]:.0f} to {assumed / shares[0]:.0f} times as long."
        )
    return said
