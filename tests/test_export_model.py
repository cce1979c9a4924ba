"""Every format is read again by its own runtime and gives the images of `r3gan generate`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from msgspec.structs import replace

import r3gan
from r3gan.cli import main
from r3gan.export_model import FORMATS
from r3gan.generate import Sampler
from r3gan.metrics.features import ignore_torchscript_deprecation
from r3gan.records import store
from tests.conftest import REPOSITORY, environment
from tests.helpers import evaluation_of, untrained_run

SEEDS = [3, 1, 4, 15, 9]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The id of a narrow run of a configuration at 8 px, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    untrained_run(tmp_path / "runs", request.param, resolution=8, classes=3)
    return f"own/cats/{request.param}/seed0"


def exported(run: str, form: str) -> Path:
    out = Path(f"model{FORMATS[form][0]}")
    assert main(["export-model", run, "--format", form, "--out", str(out)]) == 0
    return out


def inputs(sampler: Sampler) -> dict[str, torch.Tensor]:
    choices = sampler.choices(SEEDS)
    found = {"z": torch.stack([choice.z for choice in choices])}
    return found | ({"labels": torch.tensor([choice.label for choice in choices])} if sampler.classes else {})


@pytest.mark.parametrize("run", ["E", "A", "fastgan"], indirect=True)
def test_torchscript_draws_the_same_images(run: str) -> None:
    sampler = r3gan.load(run)
    with ignore_torchscript_deprecation():
        network = torch.jit.load(str(exported(run, "torchscript")))
    assert torch.equal(network(*inputs(sampler).values()), sampler.sample(SEEDS))


@pytest.mark.parametrize("run", ["E", "fastgan"], indirect=True)
def test_onnxruntime_draws_the_same_images(run: str) -> None:
    sampler = r3gan.load(run)
    session = onnxruntime.InferenceSession(str(exported(run, "onnx")), providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in inputs(sampler).items()}
    (images,) = session.run(["images"], given)
    apart = np.abs(images.astype(int) - sampler.sample(SEEDS).numpy().astype(int))
    assert images.dtype == np.uint8
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01  # another program rounds in another order


@pytest.mark.parametrize("run", ["E"], indirect=True)
def test_safetensors_are_read_without_a_record_next_to_them(run: str) -> None:
    images = r3gan.load(run).sample(SEEDS)
    file = exported(run, "safetensors")
    Path("runs").rename("elsewhere")
    assert torch.equal(r3gan.load(file).sample(SEEDS), images)


@pytest.mark.parametrize("run", ["E"], indirect=True)
def test_the_hubs_folder_holds_weights_card_samples_and_licence(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    images = r3gan.load(run).sample(SEEDS)
    record = evaluation_of("own/stackedmnist5k-16/E/seed0", {"lite1-frechet": 12.5})
    store.write(Path("results") / run / "metrics.json", replace(record, dataset="cats"))
    folder = exported(run, "hub")
    found = {"generator.safetensors", "config.json", "samples.png", "LICENSE.md", "README.md"}
    assert {path.name for path in folder.iterdir()} == found
    text = (folder / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"][0] == {
        "type": "lite1-frechet", "value": 12.5, "name": "Frechet distance in EfficientNet-lite1 features (not FID)"
    }  # fmt: skip
    assert "| lite1-frechet" in text and "12.5" in text and "measured: 2026-01-02" in text
    assert "replace this text" in (folder / "LICENSE.md").read_text()
    for path in (Path("runs"), Path("results")):
        path.rename(f"{path}-elsewhere")
    assert torch.equal(r3gan.load(folder).sample(SEEDS), images)

    capsys.readouterr()
    assert main(["export-model", str(folder), "--format", "hub", "--out", "model"]) == 2
    assert "model exists; give --overwrite" in capsys.readouterr().err
    assert main(["export-model", str(folder), "--format", "onnx", "--out", "model.pt"]) == 2
    assert "allowed ending for onnx: .onnx" in capsys.readouterr().err
    assert main(["export-model", str(folder), "--format", "tar", "--out", "model.pt"]) == 2
    assert "allowed: safetensors, torchscript, onnx, hub" in capsys.readouterr().err


@pytest.mark.parametrize("run", ["E"], indirect=True)
def test_on_a_full_disk_everything_ends_in_one_sentence_and_leaves_nothing(run: str) -> None:
    commands = [
        *(f"export-model {run} --format {form} --out x{FORMATS[form][0]}" for form in FORMATS if form != "onnx"),
        *(f"generate {run} --seeds 0-31 {out}" for out in ("--grid x.png", "--npz x.npz", "--interpolate x.mp4")),
    ]
    before = sorted(Path().rglob("*"))
    code = f"from r3gan.cli import main; print([main(line.split()) for line in {commands!r}])"
    limited = ["bash", "-c", 'ulimit -f 2; exec "$@"', "-", sys.executable, "-c", code]  # files of 2 KiB at most
    done = subprocess.run(limited, env=environment(REPOSITORY), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str([2] * len(commands)), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("File too large") == len(commands), done.stderr
    assert sorted(Path().rglob("*")) == before
