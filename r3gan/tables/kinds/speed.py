"""Tables of measured speed: one section per machine, from results/benchmarks/<hardware>/*.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r3gan.records.hardware import entry_of, folder_name
from r3gan.records.schema import Device, Timing
from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import Chart, step_times
from r3gan.tables.kind import Content, Context, Kind

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
        cells, pictures = list[Cell](), list[Chart]()
        for hardware, found in machines.items():
            device = found.provenance.device
            cells += [c for timing in found.measured for c in self.cells(context.name, hardware, timing, device)]
            if steps := [timing for timing in found.measured if timing.step == "iteration"]:
                pictures.append(self.chart(hardware, steps))
        remarks = [] if machines else ["Nothing has been measured yet: run `make bench`."]
        remarks += [
            f"{hardware}: {found.load:g} processes wanted its cores in the last minute of measuring."
            for hardware, found in machines.items()
            if found.load is not None
        ]
        shown = {hardware: [found] for hardware, found in machines.items()}
        return Content(cells=cells, pictures=pictures, remarks=remarks, records=shown)

    def cells(self, name: str, hardware: str, timing: Timing, device: Device) -> list[Cell]:
        """Time, throughput and memory of a step and of the reference's; of these only the time may regress."""
        share = bf16_peak_share(timing, device.name) if device.type == "cuda" else None
        quantities = {
            "ms": timing.ours_ms,
            f"{self.reference} ms": timing.textbook_ms,
            "ratio": timing.ratio,
            "Official ms": timing.official_ms,
            "official ratio": timing.official_ms and timing.official_ms / timing.ours_ms,
            "img/s": timing.img_per_s,
            "MiB": timing.ours_peak_mib,
            f"{self.reference} MiB": timing.textbook_peak_mib,
            "share of bf16 peak": share,
        }
        return [
            Cell(
                table=name,
                section=hardware,
                row=f"{row_title(timing)}, {timing.step}",
                config=timing.config,
                quantity=quantity,
                reproduced=value,
                n=timing.rounds,
                outcome="measured",
                metric="ms" if quantity == "ms" and not timing.variant else "",
                conditions=hardware,
                records=(f"benchmarks/{hardware}/{self.module}.json",),
            )
            for quantity, value in quantities.items()
            if value is not None
        ]

    def chart(self, hardware: str, steps: Sequence[Timing]) -> Chart:
        """Milliseconds of one training iteration of this project, the reference and the authors' code if timed."""
        rows: list[Row] = [
            {"hardware": hardware, "row": row_title(timing), "variant": variant, "step_ms": value}
            for timing in steps
            for variant, value in (
                ("r3gan", timing.ours_ms),
                (self.reference, timing.textbook_ms),
                ("Official", timing.official_ms),
            )
            if value is not None
        ]
        caption = f"{hardware}, medians of {min(timing.rounds for timing in steps)} rounds or more in turn"
        return step_times(rows, name=f"{hardware}-iterations", title="One training iteration", caption=caption)


def row_title(timing: Timing) -> str:
    variant = f", {timing.variant}" if timing.variant else ""
    return f"{timing.config}, {timing.size}, batch {timing.batch}{variant}"


def bf16_peak_share(timing: Timing, device: str) -> float | None:
    """Least work a second over the device's bfloat16 peak; None where one of them is not known."""
    known = entry_of(folder_name(device))
    if known is None or known.bf16_tflops is None or not timing.gmac_per_image:
        return None
    flop_per_image = 2e9 * timing.gmac_per_image * FORWARDS[timing.step]
    return timing.img_per_s * flop_per_image / (known.bf16_tflops * 1e12)
