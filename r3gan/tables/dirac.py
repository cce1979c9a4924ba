"""Propositions I and II (arXiv 2501.05441, section 2) on the Dirac GAN, by the objectives and penalties of training.

The Dirac GAN (arXiv 1801.04406): the data are one point c, G puts out one point theta, D(x) = psi x. Equilibrium:
theta = c, psi = 0. The gradient field is v(theta, psi) = -(d loss_G / d theta, d loss_D / d psi); the eigenvalues of
its Jacobian at the equilibrium decide whether gradient descent converges nearby.
"""

from __future__ import annotations

import cmath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r3gan.interfaces import DiscriminatorNetwork
from r3gan.losses import OBJECTIVES
from r3gan.penalties import double_backward

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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A setting's eigenvalues, computed and in closed form, its trajectories, and whether the proposition holds."""

    setting: Setting
    computed: tuple[complex, ...]
    closed_form: tuple[complex, ...]
    paths: Mapping[str, Sequence[Point]]  # simultaneous and alternating

    @property
    def title(self) -> str:
        return f"{self.setting.name}, data at {self.setting.data:g}"

    @property
    def ends(self) -> Mapping[str, float]:
        """Distance to the equilibrium at the end of each trajectory, as a share of the distance at its start."""
        return {name: distance(path[-1]) / distance(path[0]) for name, path in self.paths.items()}

    @property
    def largest_error(self) -> float:
        return max(abs(a - b) for a, b in zip(self.computed, self.closed_form, strict=True))

    @property
    def shrinks(self) -> list[bool]:
        """Whether each trajectory comes near the equilibrium."""
        return [end < 0.05 for end in self.ends.values()]

    @property
    def converged(self) -> bool:
        return all(self.shrinks)

    @property
    def holds(self) -> bool:
        """Whether eigenvalues and both trajectories agree with what the paper states."""
        stated = self.setting.converges
        locally = max(value.real for value in self.computed) < -TOLERANCE
        return self.largest_error < TOLERANCE and locally == stated and all(s == stated for s in self.shrinks)


def study() -> Iterator[Finding]:
    """One finding per setting."""
    for setting in SETTINGS:
        yield Finding(
            setting=setting,
            computed=tuple(sorted(eigenvalues(setting), key=by_parts)),
            closed_form=tuple(sorted(setting.closed_form(), key=by_parts)),
            paths={name: trajectory(setting, name == "alternating") for name in ("simultaneous", "alternating")},
        )


def by_parts(value: complex) -> tuple[float, float]:
    return value.real, value.imag
