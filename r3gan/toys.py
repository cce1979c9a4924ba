"""Small perceptrons on 2-D data, many training runs as one batched computation (arXiv 2501.05441, appendix E).

The objectives and penalties are those of training. Every arm has the same seeds, and with a seed the same initial
weights, data and z, so that arms can be compared pair by pair. A penalty of `interval` k is added at every k-th step, k
times as strong. The paper states neither the networks nor the optimiser; what is used stands in every record.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from r3gan.interfaces import DiscriminatorNetwork
from r3gan.losses import OBJECTIVES
from r3gan.penalties import double_backward
from r3gan.progress import Progress
from r3gan.records.provenance import stamp
from r3gan.records.schema import ToyArm, Toys

Z_DIM, WIDTH, HIDDEN_LAYERS, LR, BETAS = 8, 64, 2, 1e-3, (0.0, 0.99)
LARGEST_GRADIENT_NORM = 1e4  # of D at fakes, as in training: above it a run has diverged
SPAN = 2.0  # half the length of the line, radius of the circle, half the width of the grid
SAMPLES = 4096  # of a trained G, for what is measured
FAIR_SHARE = 0.1  # of its expected samples that a cell needs to be covered
LOSSES = ("relativistic", "classic")
PENALTIES: tuple[tuple[str, ...], ...] = (("r1", "r2"), ("r1",), ("r2",), ())


@dataclass(frozen=True, kw_only=True)
class Shape:
    """2-D data: uniform on `cells` equal parts, and which part a point is nearest to, how far away."""

    cells: int
    near: float  # a sample within this distance lies on the data
    draw: Callable[[int, torch.Generator], Tensor]  # n -> [n, 2]
    locate: Callable[[Tensor], tuple[Tensor, Tensor]]  # [..., 2] -> cell [...], distance [...]


def draw_line(n: int, generator: torch.Generator) -> Tensor:
    x = SPAN * (2 * torch.rand(n, generator=generator) - 1)
    return torch.stack([x, torch.zeros(n)], dim=1)


def locate_line(points: Tensor) -> tuple[Tensor, Tensor]:
    x = points[..., 0].clamp(-SPAN, SPAN)
    return ((x / SPAN + 1) * 32).long().clamp(0, 63), torch.hypot(points[..., 0] - x, points[..., 1])


def draw_circle(n: int, generator: torch.Generator) -> Tensor:
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    return SPAN * torch.stack([angle.cos(), angle.sin()], dim=1)


def locate_circle(points: Tensor) -> tuple[Tensor, Tensor]:
    turn = torch.atan2(points[..., 1], points[..., 0]) / (2 * math.pi) + 0.5
    return (turn * 64).long().clamp(0, 63), (points.norm(dim=-1) - SPAN).abs()


SIGMA = 0.05  # of each Gaussian; neighbours are 20 of them apart
CENTRES = torch.tensor([(float(x), float(y)) for x in range(-2, 3) for y in range(-2, 3)])


def draw_gaussians(n: int, generator: torch.Generator) -> Tensor:
    centres = CENTRES[torch.randint(len(CENTRES), (n,), generator=generator)]
    return centres + SIGMA * torch.randn(n, 2, generator=generator)


def locate_gaussians(points: Tensor) -> tuple[Tensor, Tensor]:
    distances, cell = (points[..., None, :] - CENTRES).norm(dim=-1).min(dim=-1)
    return cell, distances


SHAPES: Mapping[str, Shape] = {
    "line": Shape(cells=64, near=0.1, draw=draw_line, locate=locate_line),
    "circle": Shape(cells=64, near=0.1, draw=draw_circle, locate=locate_circle),
    "gaussians": Shape(cells=25, near=4 * SIGMA, draw=draw_gaussians, locate=locate_gaussians),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained; the arms are all combinations of SHAPES, LOSSES, PENALTIES, gammas and intervals."""

    scale: str
    steps: int
    batch: int
    gammas: tuple[float, ...]
    intervals: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One setting; without a penalty gamma is 0 and the interval 1."""

    shape: str
    loss: str
    penalties: tuple[str, ...]
    gamma: float
    interval: int


class Networks(DiscriminatorNetwork):
    """As many perceptrons as there are runs; as discriminators they take points [runs * n, C, 1, 1], run by run."""

    def __init__(self, sizes: Sequence[int], arms: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.runs = arms * len(generators)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for c_in, c_out in itertools.pairwise(sizes):
            first = [torch.randn(c_in, c_out, generator=g) * math.sqrt(2 / c_in) for g in generators]
            self.weights.append(nn.Parameter(torch.stack(first).repeat(arms, 1, 1)))
            # Kinks all over the data; with biases of zero they would all begin at the origin.
            bias = torch.stack([torch.randn(1, c_out, generator=g) for g in generators]) * (c_out == WIDTH)
            self.biases.append(nn.Parameter(bias.repeat(arms, 1, 1)))

    def points(self, x: Tensor) -> Tensor:
        """[runs, n, C_in] -> [runs, n, C_out]."""
        layers = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in layers[:-1]:
            x = leaky_relu(torch.baddbmm(bias, x, weight), 0.2)
        return torch.baddbmm(layers[-1][1], x, layers[-1][0])

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.points(images.reshape(self.runs, -1, images.shape[1])).flatten()


def arms_of(plan: Plan) -> dict[tuple[tuple[str, ...], int], list[Arm]]:
    """The arms by penalties and interval, of which one group is one batched computation."""
    found: dict[tuple[tuple[str, ...], int], list[Arm]] = {}
    for penalties in PENALTIES:
        for interval in plan.intervals if penalties else (1,):
            found[penalties, interval] = [
                Arm(shape=shape, loss=loss, penalties=penalties, gamma=gamma, interval=interval)
                for shape in SHAPES
                for loss in LOSSES
                for gamma in (plan.gammas if penalties else (0.0,))
            ]
    return found


def run(plan: Plan) -> Toys:
    """Train and measure every arm with every seed."""
    started, groups = time.monotonic(), arms_of(plan)
    found: list[ToyArm] = []
    with Progress("toys", plan.steps * len(groups), "step") as progress:
        for (penalties, interval), arms in groups.items():
            found += train(plan, arms, penalties, interval, progress)
    return Toys(
        scale=plan.scale,
        steps=plan.steps,
        batch=plan.batch,
        z_dim=Z_DIM,
        width=WIDTH,
        hidden_layers=HIDDEN_LAYERS,
        lr=LR,
        betas=BETAS,
        samples=SAMPLES,
        measured=tuple(found),
        seconds=round(time.monotonic() - started, 1),
        provenance=stamp("cpu", torch.get_num_threads(), 1),
    )


def train(
    plan: Plan, arms: Sequence[Arm], penalties: tuple[str, ...], interval: int, progress: Progress
) -> Iterator[ToyArm]:
    """The runs of arms that differ in data, objective and gamma alone."""
    generators = [torch.Generator().manual_seed(seed) for seed in plan.seeds]
    d = Networks([2, *[WIDTH] * HIDDEN_LAYERS, 1], len(arms), generators)
    g = Networks([Z_DIM, *[WIDTH] * HIDDEN_LAYERS, 2], len(arms), generators)
    d_adam, g_adam = (torch.optim.Adam(network.parameters(), LR, betas=BETAS, foreach=True) for network in (d, g))
    gamma = torch.tensor([arm.gamma for arm in arms for _ in plan.seeds])
    relativistic = torch.tensor([[arm.loss == "relativistic"] for arm in arms for _ in plan.seeds])
    places = [list(SHAPES).index(arm.shape) for arm in arms]

    def reals() -> Tensor:
        drawn = [torch.stack([s.draw(plan.batch, each) for each in generators]) for s in SHAPES.values()]
        return torch.stack(drawn)[places].flatten(0, 1)

    def z(n: int = plan.batch) -> Tensor:
        return torch.stack([torch.randn(n, Z_DIM, generator=each) for each in generators]).repeat(len(arms), 1, 1)

    def loss_of(player: str, real: Tensor, fake: Tensor) -> Tensor:
        """[runs]: each by the objective of its arm."""
        by_loss = [getattr(OBJECTIVES[name], player)(real, fake) for name in LOSSES]
        return torch.where(relativistic, by_loss[0], by_loss[1]).mean(dim=1)

    for step in range(plan.steps):
        with torch.no_grad():
            sides = {"r1": reals(), "r2": g.points(z())}
        logits, total = {}, torch.zeros(d.runs)
        for name, x in sides.items():
            if name in penalties and step % interval == 0:
                logits[name], norms = double_backward(d, x.reshape(-1, 2, 1, 1))
                total = total + interval * gamma / 2 * norms.view(d.runs, -1).mean(dim=1)
            else:
                logits[name] = d(x.reshape(-1, 2, 1, 1))
        real, fake = (logits[name].view(d.runs, -1) for name in ("r1", "r2"))
        descend(d_adam, total + loss_of("discriminator", real, fake))
        d.requires_grad_(False)
        real, fake = d.points(reals())[..., 0], d.points(g.points(z()))[..., 0]
        descend(g_adam, loss_of("generator", real, fake))
        d.requires_grad_(True)
        progress.advance(1)
    yield from measure(plan, arms, d, g, reals(), z(SAMPLES))


def descend(adam: torch.optim.Adam, losses: Tensor) -> None:
    """A step on the sum over runs, which share no parameter."""
    adam.zero_grad()
    losses.sum().backward()
    adam.step()


def measure(plan: Plan, arms: Sequence[Arm], d: Networks, g: Networks, reals: Tensor, z: Tensor) -> Iterator[ToyArm]:
    """Coverage of the data, distance to them and D's gradient norms, each run by itself."""
    with torch.no_grad():
        fakes = g.points(z)
    norms = []
    for x in (reals, fakes[:, : reals.shape[1]]):
        _, squared = double_backward(d, x.reshape(-1, 2, 1, 1))
        norms.append(squared.detach().sqrt().view(d.runs, -1).mean(dim=1))
    for i, arm in enumerate(arms):
        shape, part = SHAPES[arm.shape], slice(i * len(plan.seeds), (i + 1) * len(plan.seeds))
        cell, distance = shape.locate(fakes[part])
        on_data = torch.nn.functional.one_hot(cell, shape.cells) * (distance <= shape.near)[..., None]
        covered = on_data.sum(dim=1) >= FAIR_SHARE * SAMPLES / shape.cells
        near = (distance <= shape.near).double().mean(dim=1)
        values = [covered.double().mean(dim=1), near, distance.mean(dim=1), norms[0][part], norms[1][part]]
        finite = torch.stack([value.isfinite() for value in values]).all(dim=0)
        diverged = ~finite | (norms[1][part] > LARGEST_GRADIENT_NORM)
        rows = [[round(v, 6) if ok else None for v, ok in zip(x.tolist(), finite, strict=True)] for x in values]
        yield ToyArm(
            shape=arm.shape,
            loss=arm.loss,
            penalties=arm.penalties,
            gamma=arm.gamma,
            interval=arm.interval,
            seeds=plan.seeds,
            coverage=tuple(rows[0]),
            on_data=tuple(rows[1]),
            distance=tuple(rows[2]),
            grad_norm_real=tuple(rows[3]),
            grad_norm_fake=tuple(rows[4]),
            diverged=tuple(diverged.tolist()),
        )
