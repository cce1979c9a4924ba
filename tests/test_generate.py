"""Images of a run: the same for a seed whatever else is drawn, in every kind of file."""

import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

import r3gan
from r3gan.cli import main
from r3gan.errors import UserError
from tests.conftest import REPOSITORY, environment
from tests.helpers import untrained_run

RUN = "own/cats/E/seed0"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a class-conditional run of Config E."""
    monkeypatch.chdir(tmp_path)
    untrained_run(tmp_path / "runs", "E", classes=3)
    return tmp_path


@pytest.mark.parametrize("name", ["E", "A", "B", "dcgan", "fastgan"])
def test_a_seed_gives_the_same_image_whatever_else_is_drawn(name: str, tmp_path: Path) -> None:
    sampler = r3gan.load(untrained_run(tmp_path, name))
    many = sampler.sample(seeds=range(11))
    assert many.shape == (11, 3, 16, 16)
    assert many.dtype == torch.uint8
    torch.manual_seed(5)  # the caller's generator decides nothing
    again = sampler.sample(seeds=[10, 3])
    assert torch.equal(again, many[[10, 3]])
    assert not torch.equal(many[0], many[1])


def test_classes_make_one_image_for_each_seed_and_class(folder: Path) -> None:
    sampler = r3gan.load(RUN)
    of_class = sampler.sample(seeds=[4, 7], classes=[2, 0])
    assert [torch.equal(a, b) for a, b in zip(of_class, sampler.sample([4, 7], classes=[2]), strict=False)] == [
        True
    ] * 2
    assert not torch.equal(of_class[0], of_class[2])
    by_chance = [sampler.label_of(seed) for seed in range(100)]
    assert set(by_chance) == {0, 1, 2}
    with pytest.raises(UserError, match=r"--classes 3: own/cats/E/seed0 has no such class; allowed: 0 to 2"):
        sampler.sample([0], classes=[3])


def test_truncation_moves_config_as_w_towards_its_mean(tmp_path: Path) -> None:
    sampler = r3gan.load(untrained_run(tmp_path, "A"))
    sampler.generator.mapping.w_avg.normal_()  # type: ignore[union-attr, operator]
    whole, none = (sampler.sample(seeds=range(4), truncation=psi).double() for psi in (0.7, 0.0))
    assert whole.std(dim=0).mean() > 1
    assert none.std(dim=0).max() == 0
    with pytest.raises(UserError, match="--truncation: R3GAN Config E has no mapping network"):
        r3gan.load(untrained_run(tmp_path, "E")).sample([0], truncation=0.5)


def test_latents_stand_for_seeds(folder: Path) -> None:
    sampler = r3gan.load(RUN)
    z = torch.stack([sampler.latent(seed) for seed in (3, 9)]).numpy()
    np.save("z.npy", z)
    assert main(["generate", RUN, "--latents", "z.npy", "--classes", "1", "--npz", "a.npz"]) == 0
    with np.load("a.npz") as file:
        found = torch.from_numpy(file["images"].transpose(0, 3, 1, 2))
        assert np.array_equal(file["z"], z)
    assert torch.equal(found, sampler.sample([3, 9], classes=[1]))
    with pytest.raises(UserError, match=r"latents are float32 \[2, 63\] where own/cats/E/seed0 needs floats \[N, 64\]"):
        sampler.sample(latents=z[:, 1:])


def test_files_hold_the_images_and_are_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", RUN, "--seeds", "0-4,8", "--classes", "0-1", "--out", "png", "--grid", "grid.png"]
    command += ["--npz", "all.npz"]
    assert main(command) == 0
    images = r3gan.load(RUN).sample([0, 1, 2, 3, 4, 8], classes=[0, 1])
    assert len(list((folder / "png").iterdir())) == 12
    png = np.asarray(Image.open("png/class0001-seed00008.png"))
    assert np.array_equal(png, images[-1].permute(1, 2, 0).numpy())
    with np.load("all.npz") as file:
        assert np.array_equal(file["images"], images.permute(0, 2, 3, 1).numpy())
        assert file["labels"].tolist() == [0] * 6 + [1] * 6
    with Image.open("grid.png") as grid:
        assert grid.size == (6 * 49, 2 * 49)  # a class per row, 16 px enlarged to 48
        assert np.array_equal(np.asarray(grid)[49:97:3, 0:48:3], images[6].permute(1, 2, 0).numpy())
    capsys.readouterr()
    for missing in ("png", "grid.png", "all.npz"):
        (folder / missing).rename(folder / "aside")
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "exists; give --overwrite to replace it" in said
        assert not (folder / missing).exists()
        (folder / "aside").rename(folder / missing)
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize("ending", [".gif", ".webp", ".mp4"])
def test_a_film_goes_through_the_seeds_and_back(ending: str, folder: Path) -> None:
    film = folder / f"film{ending}"
    assert main(["generate", RUN, "--seeds", "0-2", "--classes", "0", "--interpolate", str(film), "--frames", "4"]) == 0
    if ending == ".mp4":
        with av.open(str(film)) as opened:
            frames = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    else:
        with Image.open(film) as opened_film:
            frames = []
            for i in range(opened_film.n_frames):  # type: ignore[attr-defined]
                opened_film.seek(i)
                frames.append(np.asarray(opened_film.convert("RGB")))
    assert len(frames) == 12
    assert frames[0].shape == (256, 256, 3)
    keys = r3gan.load(RUN).sample([0, 1, 2], classes=[0]).permute(0, 2, 3, 1).numpy()
    shown = [frame[8::16, 8::16].astype(float) for frame in frames[::4]]
    apart = [[float(np.abs(key - frame).mean()) for frame in shown] for key in keys]
    assert np.argmin(apart, axis=1).tolist() == [0, 1, 2]


def test_a_file_is_read_with_the_record_next_to_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "runs" / RUN / "generator.safetensors"
    assert torch.equal(r3gan.load(file).sample([1]), r3gan.load(RUN).sample([1]))
    shutil.copy(file, folder / "alone.safetensors")
    (folder / "broken.safetensors").write_bytes(b"<html>" * 9)
    mistakes = {
        "own/dogs/E/seed0": "own/dogs/E/seed0 does not exist",
        "alone.safetensors": "train.json is missing",
        "broken.safetensors": "cannot be read as safetensors",
        "nothing.safetensors": "does not exist",
    }
    for name, said in mistakes.items():
        assert main(["generate", name, "--grid", "x.png"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (folder / "x.png").exists()


def test_importing_the_package_stays_light() -> None:
    code = "import sys, r3gan; r3gan.load; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(REPOSITORY))
