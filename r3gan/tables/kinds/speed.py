"""Tables of measured speed: one section per machine, from results/benchmarks/<hardware>/*.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from r3gan.records.hardware import entry_of, folder_name
from r3gan.records.schema import StepBenchmark, Timing, Values
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart, step_times
from r3gan.tables.kind import Block, Content, Context, Kind
from r3gan.tables.markdown import bullets, grid, number

# Work of a step in forward passes of one network. D: the fakes, then four passes each over reals and fakes
# (r3gan/penalties.py). G: three of its own, D at the reals, and at the fakes there and back.
FORWARDS = {"D step": 9, "G step": 6, "iteration": 15}


@dataclass(frozen=True, kw_only=True)
class SpeedTable(Kind):
    """What benchmarks/test_<module>.py measured."""

    module: str
    reference: str = "Textbook"  # what the other side of every ratio is called

    @property
    def made_of(self) -> str:
        return "what `make bench` measured on each machine"

    def sources(self) -> list[str]:
        return [f"results/benchmarks/*/{self.module}.json"]

    def build(self, context: Context) -> Content:
        machines = context.store.step_benchmarks(self.module)
        blocks: list[Block] = []
        cells, rows = list[Cell](), list[Values]()
        for hardware, found in machines.items():
            rows += [row_of(hardware, timing, found) for timing in found.measured]
            cells += [cell for timing in found.measured for cell in self.cells(context.name, hardware, timing)]
            blocks.append(self.section(hardware, found))
            if steps := [timing for timing in found.measured if timing.step == "iteration"]:
                blocks.append(self.chart(hardware, steps))
        return Content(cells=cells, blocks=blocks or ["Nothing has been measured yet: run `make bench`."], rows=rows)

    def cells(self, name: str, hardware: str, timing: Timing) -> list[Cell]:
        """Milliseconds, and how many times as long the reference takes; of variants only the ratio."""
        quantities = {} if timing.variant else {f"{timing.step} ms": timing.ours_ms}
        quantities[f"{timing.step} ratio"] = timing.ratio
        return [
            Cell(
                table=name,
                section=hardware,
                row=row_title(timing),
                config=timing.config,
                quantity=quantity,
                reproduced=value,
                n=timing.rounds,
                outcome="measured",
                metric="ms" if quantity.endswith("ms") else "",
                conditions=hardware,
                records=(f"benchmarks/{hardware}/{self.module}.json",),
            )
            for quantity, value in quantities.items()
        ]

    def chart(self, hardware: str, steps: Sequence[Timing]) -> Chart:
        """Milliseconds of one training iteration, this project's and the reference's."""
        rows = [
            {"hardware": hardware, "row": row_title(timing), "variant": variant, "step_ms": value}
            for timing in steps
            for variant, value in (("r3gan", timing.ours_ms), (self.reference, timing.textbook_ms))
        ]
        caption = f"{hardware}, medians of {min(timing.rounds for timing in steps)} rounds or more in turn"
        return step_times(rows, name=f"{hardware}-iterations", title="One training iteration", caption=caption)

    def section(self, hardware: str, found: StepBenchmark) -> str:
        """One machine's numbers, and where they come from."""
        stamp = found.provenance
        on_gpu, in_variants = stamp.device.type == "cuda", any(timing.variant for timing in found.measured)
        headers = ["Configuration", "Size", "Batch", "Step", *(["Variant"] if in_variants else []), "ms"]
        headers += [f"{self.reference} ms", "Ratio", "img/s", "MiB", f"{self.reference} MiB"]
        headers += ["bf16 peak"] if on_gpu else []
        rows = []
        for timing in found.measured:
            row = [timing.config, timing.size, str(timing.batch), timing.step]
            row += [timing.variant or "default"] if in_variants else []
            row += [number(timing.ours_ms, 3), number(timing.textbook_ms, 3), f"{timing.ratio:.2f}"]
            row += [number(v, 3) for v in (timing.img_per_s, timing.ours_peak_mib, timing.textbook_peak_mib)]
            if on_gpu:
                share = bf16_peak_share(timing, stamp.device.name)
                row.append("-" if share is None else f"{share:.0%}")
            rows.append(row)
        footer = [f"device: {stamp.device}", f"versions: {stamp.versions_line}", f"code: {stamp.code}"]
        table = grid(rows, headers, right=(2, *range(4 + in_variants, len(headers))))
        return f"## {hardware}\n\n{table}\n\n{bullets([*footer, f'date: {stamp.date[:10]}'])}"


def row_title(timing: Timing) -> str:
    variant = f", {timing.variant}" if timing.variant else ""
    return f"{timing.config}, {timing.size}, batch {timing.batch}{variant}"


def row_of(hardware: str, timing: Timing, found: StepBenchmark) -> Values:
    """A line of the CSV."""
    row: Values = {"hardware": hardware, **msgspec.to_builtins(timing)}
    del row["gmac_per_image"]
    row["variant"] = row.pop("way")
    return row | {"bf16_peak_share": bf16_peak_share(timing, found.provenance.device.name)}


def bf16_peak_share(timing: Timing, device: str) -> float | None:
    """Least work a second over the device's bfloat16 peak; None where one of them is not known."""
    known = entry_of(folder_name(device))
    if known is None or known.bf16_tflops is None or not timing.gmac_per_image:
        return None
    flop_per_image = 2e9 * timing.gmac_per_image * FORWARDS[timing.step]
    return timing.img_per_s * flop_per_image / (known.bf16_tflops * 1e12)
