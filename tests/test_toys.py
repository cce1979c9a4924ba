"""The 2-D toys: what is measured, the batched computation against a plain one, the table that comes out."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, softplus

from r3gan import toys
from r3gan.progress import Progress
from r3gan.records import store
from r3gan.study import Study
from r3gan.tables.registry import TABLES
from r3gan.toys import BETAS, LR, SAMPLES, SHAPES, SIGMA, Arm, Networks, Plan, arms_of, run, train
from r3gan.training import curve
from tests.helpers import write_files

PLAN = Plan(scale="smoke", steps=3, batch=16, gammas=(0.5, 2.0), intervals=(1, 2), seeds=(3, 4))


def test_a_toy_diverges_where_a_training_does() -> None:
    assert toys.LARGEST_GRADIENT_NORM == curve.LARGEST_GRADIENT_NORM


@pytest.mark.parametrize("name", SHAPES)
def test_the_data_themselves_cover_all_of_the_data(name: str) -> None:
    shape = SHAPES[name]
    cell, distance = shape.locate(shape.draw(SAMPLES, torch.Generator().manual_seed(0)))
    assert set(cell.tolist()) == set(range(shape.cells))
    near = (distance <= shape.near).double().mean().item()
    assert near > 0.999
    expected = SIGMA * (torch.pi / 2) ** 0.5 if name == "gaussians" else 0.0
    assert distance.mean().item() == pytest.approx(expected, abs=2e-3)
    far = shape.draw(100, torch.Generator().manual_seed(0)) + torch.tensor([0.0, 50.0])
    assert shape.locate(far)[1].min() > 40


def plain(arm: Arm, seed: int) -> Tensor:
    """G's samples after PLAN's steps of one run, written out: two networks, autograd, no batch of runs."""
    generator = torch.Generator().manual_seed(seed)
    d, g = Networks([2, 64, 64, 1], 1, [generator]), Networks([8, 64, 64, 2], 1, [generator])
    d_weights, g_weights = ([p.detach().clone().requires_grad_() for p in net.parameters()] for net in (d, g))
    d_adam, g_adam = (torch.optim.Adam(weights, LR, betas=BETAS) for weights in (d_weights, g_weights))

    def through(weights: list[Tensor], x: Tensor) -> Tensor:
        for i in range(3):
            x = x @ weights[i][0] + weights[3 + i][0]
            x = leaky_relu(x, 0.2) if i < 2 else x
        return x

    def real() -> Tensor:
        drawn = {name: shape.draw(PLAN.batch, generator) for name, shape in SHAPES.items()}
        return drawn[arm.shape]

    def z(n: int) -> Tensor:
        return torch.randn(n, 8, generator=generator)

    def squared_gradient(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(through(d_weights, x).sum(), x, create_graph=True)
        return gradient.square().sum(dim=1).mean()

    relativistic = arm.loss == "relativistic"
    for step in range(PLAN.steps):
        x, fake = real(), through(g_weights, z(PLAN.batch)).detach()
        at_real, at_fake = through(d_weights, x), through(d_weights, fake)
        loss = softplus(at_fake - at_real) if relativistic else softplus(-at_real) + softplus(at_fake)
        total = loss.mean()
        if step % arm.interval == 0:
            for name, points in (("r1", x), ("r2", fake)):
                if name in arm.penalties:
                    total = total + arm.interval * arm.gamma / 2 * squared_gradient(points)
        d_adam.zero_grad()
        total.backward()
        d_adam.step()
        at_real, at_fake = through(d_weights, real()), through(d_weights, through(g_weights, z(PLAN.batch)))
        g_adam.zero_grad()
        (softplus(at_real - at_fake) if relativistic else softplus(-at_fake)).mean().backward()
        g_adam.step()
    real()
    return through(g_weights, z(SAMPLES)).detach()


@pytest.mark.parametrize(("penalties", "interval"), [(("r1", "r2"), 1), (("r1",), 2), (("r2",), 1), ((), 1)])
def test_many_runs_at_once_are_the_same_runs_as_one_by_one(penalties: tuple[str, ...], interval: int) -> None:
    arms = arms_of(PLAN)[penalties, interval]
    assert {(arm.shape, arm.loss) for arm in arms} == {
        (s, loss) for s in SHAPES for loss in ("relativistic", "classic")
    }
    with Progress("toys", 3, "step", shown=False) as progress:
        found = list(train(PLAN, arms, penalties, interval, progress))
    for arm, record in list(zip(arms, found, strict=True))[:: max(1, len(arms) // 4)]:
        for i, seed in enumerate(PLAN.seeds):
            _, distance = SHAPES[arm.shape].locate(plain(arm, seed))
            assert record.distance[i] == pytest.approx(distance.mean().item(), rel=1e-4)


def test_a_record_holds_every_arm_and_becomes_a_table(tmp_path: Path) -> None:
    record = run(PLAN)
    # Three shapes and two losses: without a penalty once, with each of three at two gammas and two intervals.
    assert len(record.measured) == 3 * 2 * (1 + 3 * 2 * 2)
    assert all(arm.seeds == (3, 4) and len(arm.coverage) == 2 for arm in record.measured)
    assert all(
        0 <= value <= 1 for arm in record.measured for value in (*arm.coverage, *arm.on_data) if value is not None
    )
    store.write(tmp_path / "smoke/toys.json", record)
    study = Study(scale="smoke", datasets=(), classifiers=(), launch={}, runs=(), toys={"seeds": [3, 4]})
    content = write_files(TABLES["toys"], "toys", tmp_path, [study])
    text = (tmp_path / "toys.md").read_text()
    assert "circle: coverage, smoke scale" in text and "gamma 2, every 2 steps" in text
    cell = next(c for c in content.cells if (c.section, c.row, c.quantity) == ("line: distance", "GAN+R1", "gamma 2"))
    arm = next(
        a
        for a in record.measured
        if (a.shape, a.loss, a.penalties, a.gamma, a.interval) == ("line", "classic", ("r1",), 2.0, 1)
    )
    assert cell.reproduced == pytest.approx(sum(v for v in arm.distance if v is not None) / 2)
    assert (cell.n, cell.seeds) == (2, (3, 4))
    assert {path.name for path in (tmp_path / "toys").glob("*.png")} == {f"smoke-{name}.png" for name in SHAPES}
