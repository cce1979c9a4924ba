"""Any two sets of images: folders, arrays, prepared sets, runs and statistics of the same give the same number."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cleanfid import features as clean_features
from cleanfid import fid as clean_fid
from PIL import Image
from torch import nn

from r3gan.cli import main
from r3gan.data.build import prepare
from r3gan.generate import load
from r3gan.measure import measure
from r3gan.metrics import METRICS
from r3gan.metrics.extractors import ExtractorPaths
from r3gan.metrics.features import ignore_torchscript_deprecation
from tests.helpers import CPU, untrained_run
from tests.stand_ins import write_stand_ins

IMAGES = 40


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield write_stand_ins(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures of 16 and of 24 px in `a`, brighter ones in `b`."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, least in (("a", 0), ("b", 60)):
        (tmp_path / name).mkdir()
        for i in range(IMAGES):
            side = 16 if i % 3 else 24
            pixels = generator.integers(least, 256, size=(side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i:03d}.png")
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The distance of the means in the place of FID, whose eigenvalues of 2048 x 2048 take seconds each."""
    distance = lambda reals, fakes: float((reals.statistics[0] - fakes.statistics[0]).norm())  # noqa: E731
    monkeypatch.setitem(METRICS, "fid", replace(METRICS["fid"], compute=distance))  # type: ignore[arg-type]


def test_statistics_are_those_of_clean_fid_on_the_same_folder(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_wrapper = clean_features.InceptionV3W

    def wrapper(path: str, download: bool, resize_inside: bool) -> nn.Module:
        return real_wrapper(str(weights), download=False, resize_inside=resize_inside)

    monkeypatch.setattr(clean_features, "InceptionV3W", wrapper)
    for metric, mode in (("fid", "legacy_tensorflow"), ("fid-clean", "clean")):
        out = folder / f"{metric}.npz"
        assert main(["reference", "a", "--out", str(out), "--metric", metric, "--weights", str(weights)]) == 0
        with ignore_torchscript_deprecation():
            model = clean_features.build_feature_extractor(mode, device=CPU, use_dataparallel=False)
            found = clean_fid.get_folder_features("a", model, num_workers=0, batch_size=1, device=CPU, mode=mode,
                                                  description="", verbose=False)  # fmt: skip
        with np.load(out) as file:
            np.testing.assert_allclose(file["mu"], found.mean(axis=0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(file["sigma"], np.cov(found, rowvar=False), rtol=1e-4, atol=1e-6)
            assert int(file["count"]) == IMAGES
            assert json.loads(str(file["protocol"]))["metric"] == metric


def test_every_form_of_the_same_images_has_the_same_distance(
    folder: Path, weights: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = ExtractorPaths(weights=weights)
    for name in ("a", "b"):
        prepare("own", folder / name, folder / "data" / name, 16, own_name=name)
        images = np.load(folder / "data" / name / "images.npy").transpose(0, 2, 3, 1)
        np.savez(folder / f"{name}.npz", images=images)
        (folder / f"{name}16").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{name}16/{i:03d}.png")
    (folder / "a").rename(folder / "elsewhere")  # so that `a` is the prepared set
    assert main(["reference", "a", "--out", "stats.npz", "--weights", str(weights)]) == 0
    values = [
        measure(real, fake, ["fid"], 10, paths, CPU)["metrics"]["fid"]
        for real, fake in (("a", "b.npz"), ("a16", "b16"), ("stats.npz", "b16"), ("a.npz", "data/b"))
    ]
    assert {value["n_real"] for value in values} == {value["n_fake"] for value in values} == {IMAGES}
    assert values[0]["value"] > 0.5
    assert [value["value"] for value in values] == pytest.approx([values[0]["value"]] * 4, rel=1e-6)
    capsys.readouterr()
    command = ["measure", "--real", "a16", "--fake", "b16", "--metrics", "kid", "recall", "--weights", str(weights)]
    assert main([*command, "--json", "--out", "found.json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / "found.json").read_text())
    assert printed["metrics"]["kid"]["value"] > 0
    assert main([*command, "--out", "found.json"]) == 2


def test_a_run_is_measured_by_the_images_it_draws(folder: Path, weights: Path, quick: None) -> None:
    untrained_run(folder / "runs", "E", classes=3)
    run, paths = "own/cats/E/seed0", ExtractorPaths(weights=weights)
    found = measure("a", run, ["fid", "inception-score"], 30, paths, CPU)
    assert found["fake"] == f"{run}, 30 drawn"
    assert (found["metrics"]["fid"]["n_fake"], found["metrics"]["inception-score"]["n_real"]) == (30, None)
    assert measure("a", run, ["fid"], 30, paths, CPU)["metrics"]["fid"]["value"] == found["metrics"]["fid"]["value"]
    assert load(run).classes == 3


MISTAKES = [
    ("a", "nowhere", "--fake nowhere does not exist"),
    ("a", "own/cats/E/seed0", "own/cats/E/seed0 does not exist"),
    ("text.npz", "a", "--real text.npz cannot be read as .npz"),
    ("other.npz", "a", "holds neither mu and sigma nor images or arr_0"),
    ("a", "stats.npz", "--fake: stats.npz"),
    ("stats.npz", "a", "--real stats.npz: fid needs statistics of its own feature network"),
    ("empty", "a", "--real empty holds no pictures"),
    ("a", "broken", "--fake broken: 0.png cannot be decoded"),
]


@pytest.mark.parametrize(("real", "fake", "said"), MISTAKES, ids=[f"{m[0]} {m[1]}" for m in MISTAKES])
def test_a_mistake_is_one_sentence(
    real: str, fake: str, said: str, folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.npz").write_text("no array")
    np.savez("other.npz", images=np.zeros((2, 4)))
    np.savez("stats.npz", mu=np.zeros(3), sigma=np.eye(3))
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken/0.png").write_bytes((folder / "a/000.png").read_bytes()[:100])
    capsys.readouterr()
    assert main(["measure", "--real", real, "--fake", fake, "--metrics", "fid", "--weights", str(weights)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error
