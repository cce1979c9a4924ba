"""The best snapshot of G: chosen by the metric's direction, kept alone, found again after an interruption."""

import math
from pathlib import Path

import pytest
from msgspec.structs import replace
from safetensors.torch import load_file

from r3gan.cli import main
from r3gan.data.loader import open_dataset
from r3gan.files import read_json
from r3gan.interfaces import GeneratorNetwork
from r3gan.metrics import find_metric
from r3gan.training import loop
from r3gan.training.best import KeepBest, Snapshot
from tests.conftest import Command
from tests.helpers import CPU, SMOKE, make_run

RUN = f"test/{SMOKE}/E-inverted/seed0"
DIGITS = ["--classifier", "mnist5k-16"]
# Networks applied to other groups of images, or by other numbers of threads, add up in another order: float32 sums of
# up to 576 products differ by about sqrt(576) x 6e-8 = 1.4e-6 of the range. A pixel on the edge between two of 256
# levels then falls to the other side, which happens to about 256 x 1.4e-6 = 4e-4 of the pixels and moves each by 1/256.
# Features are means over images and positions: a distance moves by some 1e-6 of itself. This allows ten times as much.
ROUNDED = 1e-5


def keep_best(metric: str = "fid") -> KeepBest:
    """Measures nothing: values are the tests'."""
    key = find_metric(metric).sort_key
    return KeepBest(metric="fid", sort_key=key, samples=10, score=lambda generator: math.nan)


def kept(out: Path, values: list[float]) -> list[Snapshot]:
    snapshots = [
        {"kimg": float(i), "file": f"{i}.safetensors", "metric": "fid", "value": value}
        for i, value in enumerate(values)
    ]
    for snapshot in snapshots:
        (out / snapshot["file"]).touch()
    return snapshots


@pytest.mark.parametrize(
    ("values", "metric", "best"),
    [
        ([3.0, 1.0, 2.0], "fid", 1),
        ([3.0, 1.0, 2.0], "recall", 0),
        ([2.0, 1.0, 1.0], "fid", 1),
        ([math.nan, 5.0, math.inf], "fid", 1),
        ([math.nan, 5.0, math.inf], "recall", 1),
        ([math.nan], "fid", None),
    ],
)
def test_the_first_of_the_best_is_kept_alone(
    values: list[float], metric: str, best: int | None, tmp_path: Path
) -> None:
    snapshots = kept(tmp_path, values)
    found = keep_best(metric)
    found.prune(snapshots, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ([] if best is None else [f"{best}.safetensors"])
    said = found.describe(snapshots, tmp_path)
    assert (said and (said["kimg"], said["metric"], said["of"])) == (
        None if best is None else (best, "fid", len(values))
    )


def test_a_snapshot_that_is_gone_is_not_the_best(tmp_path: Path) -> None:
    snapshots = kept(tmp_path, [3.0, 1.0, 2.0])
    (tmp_path / "1.safetensors").unlink()
    best = keep_best().best(snapshots, tmp_path)
    assert best is not None
    assert best["value"] == 2.0


def test_what_was_not_measured_by_this_metric_is_left_alone(tmp_path: Path) -> None:
    """A run may have been started without --keep-best, or with another metric, and continued with this one."""
    snapshots = kept(tmp_path, [3.0, 1.0, 2.0, 4.0])
    del snapshots[0]["metric"], snapshots[0]["value"]
    snapshots[1]["metric"] = "kid"
    found = keep_best()
    found.prune(snapshots, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{i}.safetensors" for i in (0, 1, 2)]
    said = found.describe(snapshots, tmp_path)
    assert said is not None
    assert (said["value"], said["of"]) == (2.0, 2)


@pytest.fixture
def workplace(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the prepared digits and their classifier."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(fitted / "data")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/classifier").symlink_to(fitted / "runs/classifier")
    return tmp_path


def training(out: Path) -> list[str]:
    command = ["train", "--config", "E-inverted", "--dataset", SMOKE, "--scale", "test", "--total-kimg", "0.04"]
    return [*command, "--snapshot-kimg", "0.016", "--device", "cpu", "--out", str(out)]


def test_the_best_is_what_measuring_afterwards_finds_and_training_does_not_notice(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, all_kept = workplace / "runs" / RUN, workplace / "runs" / RUN.replace("test/", "kept/")
    assert main([*training(run), "--keep-best", "digit-frechet", "--best-samples", "300", *DIGITS]) == 0
    assert main(training(all_kept)) == 0
    assert (run / "generator.safetensors").read_bytes() == (all_kept / "generator.safetensors").read_bytes()

    measure = [*DIGITS, "--metrics", "digit-frechet", "--samples", "300", "--device", "cpu"]
    assert main(["evaluate-snapshots", RUN.replace("test/", "kept/"), *measure]) == 0
    points = read_json(workplace / "results" / RUN.replace("test/", "kept/") / "convergence.json", "")["points"]
    record = read_json(run / "train.json", "")
    found = {snapshot["kimg"]: snapshot["value"] for snapshot in record["snapshots"]}
    assert list(found) == [0.016, 0.032, 0.04]  # the last G is among them
    again = {point["kimg"]: point["values"]["digit-frechet"] for point in points}
    assert again == pytest.approx({kimg: found[kimg] for kimg in (0.016, 0.032)}, rel=ROUNDED)
    best = record["best"]
    assert best["value"] == min(found.values())
    assert (best["metric"], best["samples"], best["of"]) == ("digit-frechet", 300, 3)
    assert [path.name for path in (run / "snapshots").iterdir()] == [Path(best["file"]).name]

    assert main(["evaluate", RUN, "--snapshot", "best", *measure]) == 0
    metric = read_json(workplace / "results" / RUN / "metrics.json", "")["metrics"]["digit-frechet"]
    assert metric["value"] == pytest.approx(best["value"], rel=ROUNDED)
    assert (metric["snapshot"], metric["chosen_by"]["kimg"]) == ("best", best["kimg"])
    capsys.readouterr()
    assert main(["evaluate-snapshots", RUN, *measure]) == 2
    assert "kept only its best snapshot" in capsys.readouterr().err
    assert main(["evaluate", RUN.replace("test/", "kept/"), "--snapshot", "best", *measure]) == 2
    assert "--snapshot best: " in capsys.readouterr().err


def test_the_best_survives_an_interruption(prepared: Path, tmp_path: Path) -> None:
    """Values fall, then rise: the best comes before the interruption, is kept over it, and no other file stays."""
    stacks = open_dataset(prepared / "data" / SMOKE)
    values = iter([3.0, 1.0, 2.0, 1.5])

    def score(generator: GeneratorNetwork) -> float:
        return next(values)

    found = KeepBest(metric="fid", sort_key=float, samples=10, score=score)
    options = loop.Options(
        out=tmp_path / "out",
        work=tmp_path / "work",
        device=CPU,
        snapshot_kimg=0.008,
        checkpoint_seconds=0,
        keep_best=found,
    )
    first = loop.train(make_run("B", total_kimg=0.016), stacks, options)
    weights = load_file(tmp_path / "out" / first.best.file)
    second = loop.train(make_run("B", total_kimg=0.032), stacks, options)
    assert second.continued_at_images == (16,)
    assert first.best is not None
    assert second.best == replace(first.best, of=4)
    assert second.best.kimg == 0.016
    assert [path.name for path in (tmp_path / "out/snapshots").iterdir()] == ["0000000016.safetensors"]
    again = load_file(tmp_path / "out" / second.best.file)
    assert all((again[name] == value).all() for name, value in weights.items())


def test_two_ranks_measure_together(workplace: Path, r3gan: Command) -> None:
    """Each looks at its own blocks of images; what they find together is what one process finds of the same G."""
    run = workplace / "runs" / RUN
    samples = ["--best-samples", "600"]  # three blocks
    ranks = ["--launcher", "torchrun", "--ranks", "2", "--threads", "1"]
    keep_best = ["--keep-best", "digit-frechet", *samples, *DIGITS]
    done = r3gan(*training(run), *keep_best, *ranks)
    assert done.returncode == 0, done.stderr
    best = read_json(run / "train.json", "")["best"]
    measure = [*DIGITS, "--metrics", "digit-frechet", "--samples", "600", "--device", "cpu"]
    assert main(["evaluate", RUN, "--snapshot", "best", *measure]) == 0
    metric = read_json(workplace / "results" / RUN / "metrics.json", "")["metrics"]["digit-frechet"]
    assert metric["value"] == pytest.approx(best["value"], rel=ROUNDED)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--keep-best", "digit-frechet"], "--keep-best needs --snapshot-kimg KIMG, how often G is measured"),
        (["--keep-best", "digit-frechet", "--snapshot-kimg", "1"], "--keep-best digit-frechet needs --classifier"),
        (["--keep-best", "fids", "--snapshot-kimg", "1"], "unknown metric 'fids' (did you mean fid?)"),
    ],
)
def test_what_the_best_needs_is_asked_for(
    more: list[str], sentence: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", "B", "--dataset", SMOKE, "--device", "cpu", *more]) == 2
    assert sentence in capsys.readouterr().err
    assert not (workplace / "work").exists()
