"""What it would cost to run what has not been run: results/costs.json, without the runs whose records are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r3gan.estimate.schema import COSTS, AllEstimates, Estimate, Total
from r3gan.estimate.show import BYTES, TIMES, hours, scaled
from r3gan.records.hardware import entry_of
from r3gan.records.store import Store, read


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """What is left to run of a table at a scale, or of a whole scale; bytes of a whole scale are not summed."""

    table: str  # empty: all tables of the scale
    scale: str
    hardware: str
    runs: int
    runs_left: int
    device_time: str
    wall_time: str
    disk: str
    downloads: str
    supplied: str


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Lines of a table of costs, and how far to trust them."""

    lines: tuple[CostLine, ...]
    totals: tuple[CostLine, ...]
    caveat: str
    hardware: str


def read_costs(results: Path) -> Costs | None:
    """What is left at every scale; None where nobody has estimated it."""
    if not (results / COSTS).exists():
        return None
    found = read(results / COSTS, AllEstimates, "run `r3gan estimate --all` again")
    lines, totals = [], []
    for scale in dict.fromkeys(each.scale for each in found.estimates):
        estimates = [each for each in found.estimates if each.scale == scale]
        lines += [line_of(each.table, [each], Store(results)) for each in estimates]
        totals.append(line_of("", estimates, Store(results)))
    return Costs(
        lines=tuple(line for line in lines if line.runs_left),
        totals=tuple(line for line in totals if line.runs_left),
        caveat=caveat(found),
        hardware=found.hardware,
    )


def line_of(table: str, estimates: Sequence[Estimate], store: Store) -> CostLine:
    """Of one table of a scale, or of all: a run that several tables show counts once."""
    first, costs = estimates[0], {run.record: run for each in estimates for run in each.runs}
    left = Total.of([run for run in costs.values() if not store.has(run.record)], first.cores)
    not_known = f" and {left.not_known} runs not known" if left.not_known else ""
    disk, downloads = (sum(filter(None, sizes.values())) for sizes in (first.disk, first.downloads))
    return CostLine(
        table=table,
        scale=first.scale,
        hardware=first.devices,
        runs=Total.of(costs.values(), first.cores).runs,
        runs_left=left.runs,
        device_time=hours(left.device_hours) + not_known,
        wall_time=scaled(left.wall_hours, TIMES) + not_known,
        disk=scaled(disk, BYTES) if table else "",
        downloads=(scaled(downloads, BYTES) if downloads else "none") if table else "",
        supplied=", ".join(first.supplied) if table else "",
    )


def caveat(found: AllEstimates) -> str:
    """How the hours were estimated, and what the papers' own hours say about that."""
    entry, assumed = entry_of(found.hardware), found.assumed_share_of_peak
    said = (
        f"On {entry.title if entry else found.hardware}. Where nothing was measured, hours are counted work at "
        f"{assumed:.0%} of the peak, which is assumed."
    )
    shares = sorted({cost.share_of_bf16_peak for each in found.estimates for cost in each.published})
    if shares:
        said += (
            f" By the same count the papers' own runs reached {shares[0]:.0%} to {shares[-1]:.0%}; at that rate it "
            f"takes {assumed / shares[-1]:.0f} to {assumed / shares[0]:.0f} times as long."
        )
    return said
