"""Propositions I and II (arXiv 2501.05441, section 2) on the Dirac GAN, by the objectives and penalties of training.

The Dirac GAN (arXiv 1801.04406): the data are one point c, G puts out one point theta, D(x) = psi x. Equilibrium:
theta = c, psi = 0. The gradient field is v(theta, psi) = -(d loss_G / d theta, d loss_D / d psi); the eigenvalues of
its Jacobian at the equilibrium decide whether gradient descent converges nearby.
"""

from __future__ import annotations

import cmath
import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from r3gan.files import write_text
from r3gan.interfaces import DiscriminatorNetwork
from r3gan.losses import OBJECTIVES
from r3gan.penalties import double_backward
from r3gan.tables import PropositionTable
from r3gan.tables.cells import Cell, write_cells
from r3gan.tables.figures import draw_trajectories
from r3gan.tables.render import grid
from r3gan.tables.verdict import DIFFERS, EXACT

TOLERANCE = 1e-9  # between an eigenvalue computed and its closed form
STEP_SIZE = 0.2
STEPS = 400
START = (1.0, 0.5)  # theta - c and psi of the trajectories
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """An objective with penalties on the Dirac GAN whose data are at `data`."""

    loss: str
    penalties: tuple[str, ...]
    data: float
    gamma: float
    proposition: str  # what the paper states about it
    converges: bool  # as it states

    @property
    def name(self) -> str:
        return " + ".join([{"relativistic": "RpGAN", "classic": "GAN"}[self.loss], *map(str.upper, self.penalties)])

    def closed_form(self) -> tuple[complex, complex]:
        """Eigenvalues of [[0, 1/2], [-1/2, -d]], where d is how strongly psi is damped.

        Each penalty adds gamma; the classic objective adds c^2 / 2, since its two terms are curved in psi, which the
        relativistic one's single term of equal points is not.
        """
        damping = self.gamma * len(self.penalties) + (self.data**2 / 2 if self.loss == "classic" else 0.0)
        root = cmath.sqrt(damping**2 - 1)
        return ((-damping + root) / 2, (-damping - root) / 2)


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(
        loss=loss,
        penalties=penalties,
        data=data,
        gamma=0.5,
        proposition=proposition,
        converges=bool(penalties) or (loss == "classic" and data != 0),
    )
    for data in (0.0, 1.0)
    for loss in ("relativistic", "classic")
    for penalties, proposition in (((), "I"), (("r1",), "II"), (("r2",), "II"), (("r1", "r2"), "II"))
)


class LinearDiscriminator(DiscriminatorNetwork):
    """D(x) = psi x on images of one pixel."""

    def __init__(self, psi: Tensor) -> None:
        super().__init__()
        self.psi = psi

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.psi * images.flatten()


def field(setting: Setting, point: Tensor) -> Tensor:
    """The field v at `point` = (theta, psi), differentiable: what gradient descent on both players follows."""
    theta, psi = point.unbind()
    objective = OBJECTIVES[setting.loss]
    discriminator = LinearDiscriminator(psi)
    real, fake = (value.reshape(1, 1, 1, 1) for value in (torch.full_like(theta, setting.data), theta))
    real_logit, fake_logit = discriminator(real), discriminator(fake)
    g_loss = objective.generator(real_logit, fake_logit).sum()
    d_loss = objective.discriminator(real_logit, fake_logit).sum()
    for penalty, images in (("r1", real), ("r2", fake)):
        if penalty in setting.penalties:
            _, norms = double_backward(discriminator, images)
            d_loss = d_loss + setting.gamma / 2 * norms.sum()
    (towards_theta,) = torch.autograd.grad(g_loss, theta, create_graph=True)
    (towards_psi,) = torch.autograd.grad(d_loss, psi, create_graph=True)
    return -torch.stack([towards_theta, towards_psi])


def eigenvalues(setting: Setting) -> list[complex]:
    """Of the field's Jacobian at the equilibrium, computed by differentiating the training losses."""
    point = torch.tensor([setting.data, 0.0], dtype=torch.float64, requires_grad=True)
    v = field(setting, point)
    rows = [torch.autograd.grad(component, point, retain_graph=True)[0] for component in v]
    return [complex(value) for value in torch.linalg.eigvals(torch.stack(rows)).tolist()]


def trajectory(setting: Setting, alternating: bool) -> list[Point]:
    """(theta - c, psi) of gradient descent, both players at once or D first and then G."""
    point = torch.tensor([setting.data + START[0], START[1]], dtype=torch.float64)
    points = []
    only_psi, only_theta = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    for _ in range(STEPS + 1):
        points.append((float(point[0]) - setting.data, float(point[1])))
        for mask in (only_psi, only_theta) if alternating else (torch.ones(2),):
            v = field(setting, point.clone().requires_grad_(True)).detach()
            point = point + STEP_SIZE * mask.to(point) * v
    return points


def distance(point: Point) -> float:
    return abs(complex(*point))


def study() -> Iterator[dict[str, Any]]:
    """One result a setting: eigenvalues both ways, ends of both trajectories, and whether the proposition holds."""
    for setting in SETTINGS:
        computed = sorted(eigenvalues(setting), key=lambda e: (e.real, e.imag))
        exact = sorted(setting.closed_form(), key=lambda e: (e.real, e.imag))
        error = max(abs(a - b) for a, b in zip(computed, exact, strict=True))
        paths = {name: trajectory(setting, name == "alternating") for name in ("simultaneous", "alternating")}
        ends = {name: distance(path[-1]) / distance(path[0]) for name, path in paths.items()}
        locally = max(e.real for e in computed) < -TOLERANCE
        # What does not converge neither shrinks at once nor in turns; what does, shrinks both ways.
        seen = [end < 0.05 for end in ends.values()]
        holds = error < TOLERANCE and locally == setting.converges and all(s == setting.converges for s in seen)
        yield {
            **asdict(setting),
            "name": setting.name,
            "computed": [[e.real, e.imag] for e in computed],
            "closed_form": [[e.real, e.imag] for e in exact],
            "largest_error": error,
            "ends": ends,
            "paths": paths,
            "converged": all(seen),
            "verdict": EXACT if holds else DIFFERS,
        }


def cell_of(name: str, found: dict[str, Any]) -> Cell:
    """Whether a setting converges, as proved and as computed."""
    words = {True: "converges", False: "does not converge"}
    return Cell(
        table=name,
        row=f"{found['name']}, data at {found['data']:g}",
        quantity=f"Proposition {found['proposition']}",
        published=words[found["converges"]],
        source="arXiv 2501.05441, section 2",
        status="paper",
        text=words[found["converged"]],
        n=1,
        outcome="computed",
        verdict=found["verdict"],
    )


def complex_text(value: list[float]) -> str:
    real, imaginary = (0.0 if abs(part) < 1e-12 else part for part in value)
    return f"{real:.4f} {'-' if imaginary < 0 else '+'} {abs(imaginary):.4f}i"


def write_propositions(name: str, table: PropositionTable, results: Path) -> None:
    """Write <name>.md, .csv, .json and the picture of the trajectories into `results`."""
    found = list(study())
    draw_trajectories(results / f"{name}.png", found)
    headers = ["Setting", "Proposition", "Eigenvalues computed", "Closed form", "At once", "In turns", "Verdict"]
    rows = [
        [
            f"{r['name']}, data at {r['data']:g}",
            r["proposition"],
            " , ".join(map(complex_text, r["computed"])),
            " , ".join(map(complex_text, r["closed_form"])),
            f"{r['ends']['simultaneous']:.2g}",
            f"{r['ends']['alternating']:.2g}",
            r["verdict"],
        ]
        for r in found
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([h.lower().replace(" ", "_") for h in headers])
    writer.writerows(rows)
    text = [
        f"# {table.title}",
        grid(rows, headers, right=(4, 5)),
        f"At once and In turns: distance to the equilibrium after {STEPS} steps of size {STEP_SIZE:g}, as a share of "
        f"the distance at the start; simultaneous and alternating gradient descent, gamma = {SETTINGS[0].gamma:g}.",
        f"![Trajectories in the plane of theta and psi]({name}.png)",
        "## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes),
    ]
    without_paths = [{key: value for key, value in r.items() if key != "paths"} for r in found]
    cells = [cell_of(name, r) for r in found]
    write_cells(results, name, table.title, cells, settings=without_paths)
    write_text(results / f"{name}.csv", out.getvalue())
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")
