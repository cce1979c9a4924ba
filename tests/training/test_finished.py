"""What was trained stays: damaged checkpoints, finished runs, longer ones, runs that start from others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from r3gan.cli import main
from r3gan.configs import SIZES
from r3gan.data.loader import Dataset, open_dataset
from r3gan.errors import UserError
from r3gan.files import sha256
from r3gan.metrics.evaluate import Plan, evaluate
from r3gan.metrics.extractors import ExtractorPaths
from r3gan.records.store import read_training
from r3gan.schedules import Ramp
from r3gan.tables.markdown import footer
from r3gan.training import checkpoint, loop
from r3gan.training.start import open_start
from tests.helpers import CPU, SMOKE, make_run, same

ENTRY = f"own/{SMOKE}/B/seed0"


@pytest.fixture(scope="module")
def stacks(prepared: Path) -> Dataset:
    return open_dataset(prepared / "data" / SMOKE)


def options(folder: Path, **more: object) -> loop.Options:
    return loop.Options(out=folder / "out", work=folder / "work", device=CPU, checkpoint_seconds=0, **more)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "out/generator.safetensors")


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "work/checkpoints").glob(checkpoint.PATTERN))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "work/checkpoints").iterdir())


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupt(folder: Path) -> None:
    """Leave a finished run as one that was interrupted after its last checkpoint; engines remove outputs so, too."""
    (folder / "out/train.json").unlink()


@pytest.fixture(scope="module")
def whole(stacks: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Config A after 10 steps: it has more to go on from than the others."""
    folder = tmp_path_factory.mktemp("whole")
    loop.train(make_run("A", total_kimg=0.08), stacks, options(folder))
    return folder


@pytest.fixture
def cut(stacks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same run, interrupted after 5 steps, with its last two checkpoints."""
    discard = checkpoint.discard
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "discard", lambda folder, keep=0: discard(folder, max(keep, 2)))
        loop.train(make_run("A", total_kimg=0.04), stacks, options(tmp_path))
    interrupt(tmp_path)
    assert names(tmp_path) == ["checkpoint-000000004.safetensors", "checkpoint-000000005.safetensors"]
    return tmp_path


def flip(position: float) -> Callable[[Path], None]:
    """Changes one bit at a part of the file."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(position * (len(content) - 1))] ^= 4
        path.write_bytes(content)

    return damage


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def rewrite(change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> Callable[[Path], None]:
    """Changes what the file holds and writes it as valid safetensors."""

    def damage(path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        change(tensors, metadata)
        save_file(tensors, path, metadata)

    return damage


@rewrite
def rename_a_tensor(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    tensors["generator/other"] = tensors.pop(next(name for name in tensors if name.startswith("generator/")))


@rewrite
def leave_out_a_moment(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    del tensors[next(name for name in tensors if name.endswith("exp_avg_sq"))]


@rewrite
def change_the_step(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    metadata["state"] = metadata["state"].replace('"step": 5', '"step": 3')


@rewrite
def drop_the_checksum(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    del metadata["sha256"]


DAMAGES: dict[str, Callable[[Path], None]] = {
    "first byte": flip(0.0),
    "header": flip(0.01),
    "middle": flip(0.5),
    "last byte": flip(1.0),
    "cut off": cut_off,
    "empty": lambda path: path.write_bytes(b""),
    "a tensor renamed": rename_a_tensor,
    "a tensor gone": leave_out_a_moment,
    "step": change_the_step,
    "no checksum": drop_the_checksum,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: Callable[[Path], None], cut: Path, stacks: Dataset, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = checkpoints(cut)[-1]
    damage(newest)
    damaged = newest.read_bytes()
    record = loop.train(make_run("A", total_kimg=0.08), stacks, options(cut))
    assert f"warning: {newest} cannot be read" in capsys.readouterr().out
    assert record.continued_at_images == (32,)
    assert same(weights(cut), weights(whole))
    assert (newest.parent / f"damaged-{newest.name}").read_bytes() == damaged


def test_with_no_checkpoint_left_the_run_is_refused_and_the_files_stay(cut: Path, stacks: Dataset, whole: Path) -> None:
    for path in checkpoints(cut):
        flip(0.7)(path)
    before = files(cut)
    with pytest.raises(UserError, match=r"holds no checkpoint that can be read; --overwrite starts anew"):
        loop.train(make_run("A", total_kimg=0.08), stacks, options(cut))
    assert files(cut) == before
    record = loop.train(make_run("A", total_kimg=0.08), stacks, options(cut, overwrite=True))
    assert record.continued_at_images == ()
    assert same(weights(cut), weights(whole))
    assert len([name for name in names(cut) if name.startswith("damaged-")]) == 2


def test_a_checkpoint_of_another_recipe_or_code_is_set_aside(
    stacks: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("B", total_kimg=0.016)
    loop.train(run, stacks, options(tmp_path, code="1"))
    interrupt(tmp_path)
    other = make_run("B", total_kimg=0.024, lr=Ramp(1e-3, 1e-3))
    loop.train(other, stacks, options(tmp_path, code="1"))
    assert "belongs to another run (recipe differ)" in capsys.readouterr().out
    interrupt(tmp_path)
    record = loop.train(other, stacks, options(tmp_path, code="2"))
    assert record.continued_at_images == ()
    assert "(code differ)" in capsys.readouterr().out
    assert [name for name in names(tmp_path) if name.startswith("set-aside")] == [
        f"set-aside-checkpoint-00000000{step}.safetensors" for step in (2, 3)
    ]


def test_the_last_state_of_a_replaced_run_does_not_stay(stacks: Dataset, tmp_path: Path) -> None:
    """Else every change of code would leave one of every run of a pipeline, which removes outputs and overwrites."""
    run = make_run("B", total_kimg=0.016)
    loop.train(run, stacks, options(tmp_path, code="1"))
    interrupt(tmp_path)
    loop.train(run, stacks, options(tmp_path, code="2", overwrite=True))
    assert names(tmp_path) == ["checkpoint-000000002.safetensors"]


def test_snapshots_that_are_gone_start_the_run_anew(
    stacks: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC removes a stage's folder before it runs; a curve without its first points would be wrong."""
    run = make_run("B", total_kimg=0.024)
    loop.train(run, stacks, options(tmp_path, snapshot_kimg=0.008))
    interrupt(tmp_path)
    (tmp_path / "out/snapshots/0000000008.safetensors").unlink()
    record = loop.train(run, stacks, options(tmp_path, snapshot_kimg=0.008))
    assert "needs snapshots/0000000008.safetensors, which is gone" in capsys.readouterr().out
    assert (record.continued_at_images, len(record.snapshots)) == ((), 3)


def test_a_longer_run_goes_on_and_ends_as_if_it_had_been_one(stacks: Dataset, tmp_path: Path, whole: Path) -> None:
    loop.train(make_run("A", total_kimg=0.04), stacks, options(tmp_path))
    assert names(tmp_path) == ["checkpoint-000000005.safetensors"]
    record = loop.train(make_run("A", total_kimg=0.08), stacks, options(tmp_path))
    assert (record.continued_at_images, record.recipe.total_kimg, record.steps) == ((40,), 0.08, 10)
    assert same(weights(tmp_path), weights(whole))
    assert record.generator_sha256 == sha256(tmp_path / "out/generator.safetensors")


def test_what_is_finished_is_left_alone(stacks: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("B")
    loop.train(run, stacks, options(tmp_path))
    before = files(tmp_path)
    capsys.readouterr()
    assert loop.train(run, stacks, options(tmp_path)) == read_training(tmp_path / "out")
    assert "nothing to do" in capsys.readouterr().out
    for other, more, reason in (
        (make_run("B", lr=Ramp(1e-3, 1e-3)), {}, "finished run of another recipe;"),
        (run, {"code": "2"}, "finished run of another code;"),
        (make_run("B", total_kimg=0.016), {}, "--total-kimg 0.016: .* has been trained to 0.032 kimg;"),
        (run, {"snapshot_kimg": 0.008}, "other --snapshot-kimg or --keep-best;"),
    ):
        with pytest.raises(UserError, match=f"{reason}.*--overwrite replaces it, --out DIR writes elsewhere"):
            loop.train(other, stacks, options(tmp_path, **more))
    assert files(tmp_path) == before
    shorter = loop.train(make_run("B", total_kimg=0.016), stacks, options(tmp_path, overwrite=True))
    assert (shorter.kimg, shorter.continued_at_images) == (0.016, ())


def test_fewer_images_than_a_checkpoint_has_seen_are_refused(cut: Path, stacks: Dataset) -> None:
    before = files(cut)
    with pytest.raises(UserError, match=r"--total-kimg 0.016: a checkpoint has already seen 0.04 kimg; --overwrite"):
        loop.train(make_run("A", total_kimg=0.016), stacks, options(cut))
    assert files(cut) == before


def test_a_failed_run_does_not_go_on(stacks: Dataset, tmp_path: Path) -> None:
    bad = {"lr": Ramp(1e30, 1e30)}
    record = loop.train(make_run("C-r2", total_kimg=0.4, **bad), stacks, options(tmp_path))
    assert record.outcome == "Fail"
    assert checkpoints(tmp_path) == []
    again = loop.train(make_run("C-r2", total_kimg=0.4, **bad), stacks, options(tmp_path))
    assert again.provenance.date == record.provenance.date
    with pytest.raises(UserError, match=r"training has failed .* and cannot go on to 0.8 kimg"):
        loop.train(make_run("C-r2", total_kimg=0.8, **bad), stacks, options(tmp_path))


def test_without_its_last_state_a_run_does_not_go_on(stacks: Dataset, tmp_path: Path) -> None:
    loop.train(make_run("B", total_kimg=0.016), stacks, options(tmp_path, discard_final=True))
    assert names(tmp_path) == []
    with pytest.raises(UserError, match="is finished and its last state was not kept; --overwrite"):
        loop.train(make_run("B"), stacks, options(tmp_path))


def test_damaged_weights_are_refused_and_written_again_from_the_last_state(stacks: Dataset, tmp_path: Path) -> None:
    run, path = make_run("B", total_kimg=0.016), tmp_path / "out/generator.safetensors"
    loop.train(run, stacks, options(tmp_path))
    right = path.read_bytes()
    flip(0.9)(path)
    plan = Plan(metrics=(), samples=10, paths=ExtractorPaths(weights=tmp_path, classifier=None))
    with pytest.raises(UserError, match=r"is not the file that train.json describes \(its sha256 differs\)"):
        evaluate(tmp_path / "out", stacks, plan, tmp_path / "results", CPU)
    assert not (tmp_path / "results").exists()
    loop.train(run, stacks, options(tmp_path))
    assert path.read_bytes() == right


@pytest.fixture
def source(stacks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished run of Config B, and the data."""
    monkeypatch.chdir(tmp_path)
    run = replace(make_run("B"), scale="own")
    loop.train(run, stacks, replace(options(tmp_path), out=Path("runs") / run.id, work=Path("work") / run.id))
    return tmp_path


def test_a_run_starts_from_the_networks_of_another(source: Path, stacks: Dataset) -> None:
    run = make_run("C-rpgan", lr=Ramp(0.0, 0.0), ema_half_life_kimg=Ramp(1e9, 1e9))  # networks stay as they are
    start = open_start(ENTRY, run)
    record = loop.train(run, stacks, options(source, start=start))
    assert record.start is not None
    assert str(record.start) == f"generator and discriminator and ema of {ENTRY} after 0.032 kimg"
    theirs, ours = (checkpoint.read(*paths)[1] for paths in ((last(source / "work" / ENTRY),), checkpoints(source)))
    for name in ("generator", "discriminator", "ema"):
        before, after = checkpoint.below(theirs, name), checkpoint.below(ours, name)
        assert all(torch.allclose(after[key], value, rtol=0, atol=1e-6) for key, value in before.items())
    assert read_training(source / "out").start == record.start
    plan = Plan(metrics=(), samples=10, paths=ExtractorPaths(weights=source, classifier=None))
    said = footer([evaluate(source / "out", stacks, plan, source / "results", CPU)])
    assert f"fine-tuned: {run.id}, from {record.start}" in said
    with pytest.raises(UserError, match="finished run of another --init-from;"):
        loop.train(run, stacks, options(source))


def last(work: Path) -> Path:
    return sorted((work / "checkpoints").glob(checkpoint.PATTERN))[-1]


def test_with_only_a_generator_at_hand_d_starts_from_random_weights(source: Path, stacks: Dataset) -> None:
    run = make_run("B", lr=Ramp(0.0, 0.0))
    last(source / "work" / ENTRY).unlink()
    file = source / "runs" / ENTRY / "generator.safetensors"
    assert open_start(ENTRY, run).record.sha256 == open_start(str(file), run).record.sha256
    record = loop.train(run, stacks, options(source, start=open_start(str(file), run)))
    assert record.start is not None
    assert record.start.networks == ("ema",)
    _, tensors = checkpoint.read(*checkpoints(source))
    assert same(checkpoint.below(tensors, "generator"), load_file(file))
    torch.manual_seed(run.seed)
    run.config.networks.generator(SIZES[SMOKE])
    assert same(
        checkpoint.below(tensors, "discriminator"), run.config.networks.discriminator(SIZES[SMOKE]).state_dict()
    )


@pytest.mark.parametrize(
    ("config", "source_name", "sentence"),
    [
        ("B", "own/stackedmnist5k-16/B/seed7", "--init-from own/stackedmnist5k-16/B/seed7 needs a finished"),
        ("B", "none.safetensors", "--init-from none.safetensors cannot be read"),
        ("B", "nonsense", "RUN 'nonsense' is not of the form"),
        ("E-inverted", ENTRY, f"--init-from {ENTRY} does not fit the generator"),
        ("B", "released", f"--init-from released/{SMOKE}/B/seed0 needs a finished or an imported run"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    config: str, source_name: str, sentence: str, source: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(source)
    command = ["train", "--config", config, "--dataset", SMOKE, "--scale", "tuned", "--total-kimg", "0.016"]
    assert main([*command, "--data", str(prepared / "data" / SMOKE), "--init-from", source_name]) == 2
    assert sentence in (said := capsys.readouterr().err)
    assert len(said.strip().splitlines()) == 1
    assert {k: v for k, v in files(source).items() if not k.endswith("lock")} == {
        k: v for k, v in before.items() if not k.endswith("lock")
    }


def test_a_run_at_another_size_is_no_start(source: Path) -> None:
    with pytest.raises(UserError, match="has resolution 16, but cifar10 has 32"):
        open_start(ENTRY, replace(make_run("B"), dataset="cifar10", config=make_run("E").config))


def test_the_digest_sees_type_shape_and_bytes() -> None:
    one = torch.arange(6, dtype=torch.float32)
    others = (one.reshape(2, 3), one.to(torch.int32), one + 1, one.view(torch.int32))
    assert len({checkpoint.digest(each) for each in (one, *others)}) == 5
    assert checkpoint.digest(torch.tensor(1.0)) == checkpoint.digest(torch.from_numpy(np.array(1.0, np.float32)))
