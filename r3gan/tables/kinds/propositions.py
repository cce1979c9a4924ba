"""Propositions I and II on the Dirac GAN, computed; no training, no records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r3gan.tables.cell import Cell
from r3gan.tables.charts import trajectories
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.markdown import grid
from r3gan.tables.panel import Panel, panel, slots_of
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

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        lines = [(f"{c.quantity}: {c.row}", slot) for c in cells for slot in slots_of(c, group="")]
        return [panel("", "Setting", lines)]

    def build(self, context: Context) -> Content:
        from r3gan.tables.dirac import SETTINGS, STEP_SIZE, STEPS, study

        found = list(study())
        headers = ["Setting", "Proposition", "Eigenvalues computed", "Closed form", "Simultaneous", "Alternating"]
        table = grid([line_of(finding) for finding in found], [*headers, "Verdict"], right=(4, 5))
        said = (
            "Simultaneous and Alternating: distance to the equilibrium after so many steps of gradient descent, both "
            f"players at once or D first and then G ({STEPS} steps of size {STEP_SIZE:g}), as a share of the distance "
            f"at the start; gamma = {SETTINGS[0].gamma:g}."
        )
        points = [
            {"setting": finding.title, "players": players, "theta": theta, "psi": psi}
            for finding in found
            for players, path in finding.paths.items()
            for theta, psi in path
        ]
        caption = "gradient descent on both players in the plane of theta and psi, one panel per setting"
        chart = trajectories(points, name="trajectories", title="Trajectories", caption=caption)
        rows = [finding.as_row() for finding in found]
        return Content(cells=[cell_of(context.name, f) for f in found], blocks=[table, said, chart], rows=rows)


def cell_of(name: str, finding: Finding) -> Cell:
    """Whether a setting converges, as proved and as computed."""
    return Cell(
        table=name,
        row=finding.title,
        quantity=f"Proposition {finding.setting.proposition}",
        published=CONVERGES[finding.setting.converges],
        source="arXiv 2501.05441, section 2",
        status="paper",
        text=CONVERGES[finding.converged],
        n=1,
        outcome="computed",
        verdict=EXACT if finding.holds else DIFFERS,
    )


def line_of(finding: Finding) -> list[str]:
    """A line for people."""
    return [
        finding.title,
        finding.setting.proposition,
        " , ".join(map(complex_text, finding.computed)),
        " , ".join(map(complex_text, finding.closed_form)),
        *(f"{end:.2g}" for end in finding.ends.values()),
        EXACT if finding.holds else DIFFERS,
    ]


def complex_text(value: complex) -> str:
    real, imaginary = (0.0 if abs(part) < 1e-12 else part for part in (value.real, value.imag))
    return f"{real:.4f} {'-' if imaginary < 0 else '+'} {abs(imaginary):.4f}i"
