"""Metrics against closed forms, against SciPy, and at their floor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from r3gan.data.loader import open_dataset
from r3gan.errors import UserError
from r3gan.metrics import METRICS
from r3gan.metrics.classifier import load_classifier
from r3gan.metrics.features import DigitFeatures
from r3gan.metrics.frechet import frechet_distance, square_root, statistics
from r3gan.metrics.modes import covered_modes, reverse_kl
from r3gan.pictures import quantise, save_grid


def test_frechet_distance_of_one_dimensional_gaussians_is_closed_form() -> None:
    a = (torch.tensor([1.0], dtype=torch.float64), torch.tensor([[4.0]], dtype=torch.float64))
    b = (torch.tensor([3.0], dtype=torch.float64), torch.tensor([[9.0]], dtype=torch.float64))
    assert frechet_distance(a, b) == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2)


def test_frechet_distance_equals_the_matrix_square_root_form() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(200, 12, generator=generator, dtype=torch.float64) for _ in range(2))
    y = y * torch.linspace(0.1, 2, 12, dtype=torch.float64) + 0.3
    (mean_x, cov_x), (mean_y, cov_y) = statistics(x), statistics(y)
    root = np.real(sqrtm(cov_x.numpy() @ cov_y.numpy()))
    expected = float((mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace()) - 2 * np.trace(root)
    assert frechet_distance((mean_x, cov_x), (mean_y, cov_y)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("images", "route"), [(200, "cholesky"), (20, "eigenvalues")])
def test_the_square_root_of_a_covariance_is_one_also_where_that_is_singular(images: int, route: str) -> None:
    covariance = statistics(torch.randn(images, 32, generator=torch.Generator().manual_seed(0)))[1]
    root = square_root(covariance)
    torch.testing.assert_close(root @ root.T, covariance, rtol=0, atol=1e-12)
    assert bool((root.triu(1) == 0).all()) == (route == "cholesky")


def test_frechet_distance_of_a_set_to_itself_is_zero_even_if_degenerate() -> None:
    x = torch.randn(50, 4).repeat(1, 2)  # rank 4 in 8 dimensions
    assert frechet_distance(statistics(x), statistics(x)) == pytest.approx(0.0, abs=1e-5)


def test_modes_and_kl_of_known_samples() -> None:
    digits = torch.tensor([[0, 0, 0], [0, 0, 0], [9, 9, 9], [1, 2, 3]])
    assert covered_modes(digits) == 3
    p = np.array([0.5, 0.25, 0.25])
    assert reverse_kl(digits) == pytest.approx(float((p * np.log(1000 * p)).sum()))


def test_an_even_sample_has_zero_kl_and_a_collapsed_one_log_1000() -> None:
    every = torch.cartesian_prod(*[torch.arange(10)] * 3)
    assert covered_modes(every) == 1000
    assert reverse_kl(every) == pytest.approx(0.0, abs=1e-12)
    assert reverse_kl(every[:1].repeat(100, 1)) == pytest.approx(np.log(1000))


def test_better_is_lower_or_higher_as_the_metric_says() -> None:
    lower, higher = METRICS["fid"], METRICS["recall"]
    assert (lower.best([3.0, 1.0, 2.0]), higher.best([3.0, 1.0, 2.0])) == (1.0, 3.0)
    assert [lower.reaches(value, 2.0) for value in (1.0, 2.0, 3.0, float("nan"))] == [True, True, False, False]
    assert [higher.reaches(value, 2.0) for value in (1.0, 2.0, 3.0, float("nan"))] == [False, True, True, False]


def test_a_perfect_sampler_scores_about_the_stated_kl_floor() -> None:
    samples = 20_000
    digits = torch.randint(10, (samples, 3), generator=torch.Generator().manual_seed(0))
    floor = METRICS["kl"].floor
    assert floor is not None
    assert floor(samples) == 999 / 40_000
    assert reverse_kl(digits) == pytest.approx(floor(samples), rel=0.15)


def test_classifier_reads_the_stacks(fitted: Path) -> None:
    dataset = open_dataset(fitted / "data/stackedmnist5k-16")
    network = DigitFeatures(fitted / "runs/classifier/mnist5k-16", torch.device("cpu"))
    assert network.record["test_accuracy"] >= 0.95
    classes = network(torch.from_numpy(np.array(dataset.images[:2000])), ["classes"])["classes"]
    triples = (classes * torch.tensor([100, 10, 1])).sum(dim=1).numpy()
    assert (triples == dataset.labels[:2000]).mean() > 0.9


def test_a_classifier_that_is_not_the_recorded_one_is_refused(fitted: Path, tmp_path: Path) -> None:
    folder = fitted / "runs/classifier/mnist5k-16"
    (tmp_path / "classifier.safetensors").write_bytes((folder / "classifier.safetensors").read_bytes())
    record = json.loads((folder / "classifier.json").read_text()) | {"sha256": "0" * 64}
    (tmp_path / "classifier.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="its record says 000"):
        load_classifier(tmp_path)


def test_images_are_quantised_as_in_the_papers() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 5.0])
    assert quantise(values).tolist() == [0, 0, 128, 255, 255, 255]


def test_a_grid_shows_every_sample(tmp_path: Path) -> None:
    from PIL import Image

    save_grid(tmp_path / "grid.png", torch.rand(5, 3, 16, 16) * 2 - 1, columns=4)
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (4 * 49, 2 * 49)
