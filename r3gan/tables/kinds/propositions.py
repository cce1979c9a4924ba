"""Propositions I and II on the Dirac GAN, computed; no training, no records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from r3gan.tables.axes import Row
from r3gan.tables.cell import Cell
from r3gan.tables.charts import trajectories
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.verdict import DIFFERS, EXACT

if TYPE_CHECKING:
    from r3gan.tables.dirac import Finding

CONVERGES = {True: "converges", False: "does not converge"}


@dataclass(frozen=True, kw_only=True)
class PropositionTable(Kind):
    """What the paper proves about local convergence, and what differentiating the training losses gives."""

    @property
    def made_of(self) -> str:
        return "the losses and penalties themselves"

    def sources(self) -> list[str]:
        return []

    corner: ClassVar[str] = "Setting"

    def build(self, context: Context) -> Content:
        from r3gan.tables.dirac import SETTINGS, STEP_SIZE, STEPS, study

        found = list(study())
        points: list[Row] = [
            {"setting": finding.title, "players": players, "theta": theta, "psi": psi}
            for finding in found
            for players, path in finding.paths.items()
            for theta, psi in path
        ]
        caption = "gradient descent on both players in the plane of theta and psi, one panel per setting"
        chart = trajectories(points, name="trajectories", title="Trajectories", caption=caption)
        note = (
            "simultaneous, alternating: distance to the equilibrium after gradient descent on both players at once, or "
            f"on D first and then on G ({STEPS} steps of size {STEP_SIZE:g}), as a share of the distance at the start; "
            f"gamma = {SETTINGS[0].gamma:g}."
        )
        return Content(cells=[c for f in found for c in cells_of(context.name, f)], pictures=[chart], notes=[note])


def cells_of(name: str, finding: Finding) -> list[Cell]:
    """Whether a setting converges, as proved and as computed, and the numbers that show it."""
    row = f"Proposition {finding.setting.proposition}: {finding.title}"
    cell = Cell(table=name, row=row, quantity="local convergence", n=1, outcome="computed")
    converges = replace(
        cell,
        published=CONVERGES[finding.setting.converges],
        source="arXiv 2501.05441, section 2",
        status="paper",
        text=CONVERGES[finding.converged],
        verdict=EXACT if finding.holds else DIFFERS,
    )
    eigenvalues = {"eigenvalues": finding.computed, "eigenvalues, closed form": finding.closed_form}
    texts = {quantity: " , ".join(map(complex_text, values)) for quantity, values in eigenvalues.items()}
    shown = [replace(cell, quantity=quantity, text=text) for quantity, text in texts.items()]
    ends = [replace(cell, quantity=players, reproduced=end) for players, end in finding.ends.items()]
    return [converges, *shown, *ends]


def complex_text(value: complex) -> str:
    real, imaginary = (0.0 if abs(part) < 1e-12 else part for part in (value.real, value.imag))
    return f"{real:.4f} {'-' if imaginary < 0 else '+'} {abs(imaginary):.4f}i"
