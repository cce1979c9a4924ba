"""Convergence speed: snapshots on a clock of their own, first crossings, speed-ups that do not mix images and time."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from r3gan.cli import main
from r3gan.data.loader import open_dataset
from r3gan.errors import UserError
from r3gan.records import store
from r3gan.records.run_id import RunId
from r3gan.records.schema import Convergence, Device, TrainingData
from r3gan.records.store import Store
from r3gan.tables.crossing import compare, first_crossing
from r3gan.training import checkpoint, loop
from tests.helpers import CPU, PROCESSOR, SMOKE, convergence_of, make_run, training_of


def record(
    config: str, values: list[float], seconds_per_kimg: float, metric: str = "fid", device: Device = PROCESSOR
) -> Convergence:
    """Made up: a point every 200 kimg, each evaluated in 30 s."""
    return convergence_of(
        f"smoke/{SMOKE}/{config}/seed0",
        {metric: values},
        interval_kimg=200,
        seconds_per_kimg=seconds_per_kimg,
        evaluate_seconds=30.0,
        device=device,
    )


BASELINE = record("A", [50.0, 20.0, 8.0, 5.5, 6.0], seconds_per_kimg=4.0)
FAST = record("E", [9.0, 5.0, 4.0], seconds_per_kimg=8.0)


def test_first_crossing_is_the_first_point_as_good_as_the_target() -> None:
    crossing = first_crossing(FAST, "fid", 5.5)
    assert crossing.reached
    assert (crossing.kimg, crossing.train_seconds, crossing.total_seconds) == (400, 3200, 3200 + 2 * 30)
    assert first_crossing(FAST, "fid", 9.0).kimg == 200
    up = record("B", [0.1, 0.7, 0.6], 1.0, metric="recall")
    assert first_crossing(up, "recall", 0.6).kimg == 400


def test_target_is_the_baseline_s_best_and_images_and_time_are_apart() -> None:
    found = compare(FAST, BASELINE, "fid")
    assert found.target == 5.5
    assert found.baseline.kimg == 800
    assert found.over("kimg") == 2.0
    assert found.over("train_seconds") == 1.0
    assert found.over("total_seconds") == pytest.approx((3200 + 120) / (3200 + 60))
    assert found.as_json()["speedup_images"] == 2.0
    assert not found.as_json()["speedup_is_upper_bound"]
    text = str(found)
    assert "fid 5.5, the baseline's best; measured every 200 and 200 kimg\n" in text
    assert "2 x" in text


def test_a_target_never_reached_is_censored() -> None:
    found = compare(record("B", [60.0, 30.0], 4.0), BASELINE, "fid")
    assert not found.run.reached
    assert found.run.kimg == 400
    assert found.as_json()["speedup_is_upper_bound"]
    assert "> 400" in str(found)
    assert "< 2 x" in str(found)


def test_times_of_other_hardware_are_said_not_to_compare() -> None:
    other = record("E", [9.0, 5.0, 4.0], 8.0, device=Device(type="cpu", name="cpu", count=1))
    assert "other hardware" in str(compare(other, BASELINE, "fid"))


def test_classifiers_of_two_processors_are_said_and_other_networks_refused() -> None:
    def by(sha256: str, accuracy: float | None) -> Convergence:
        network = replace(FAST.metrics["fid"].extractor, sha256=sha256, test_accuracy=accuracy)
        return replace(FAST, metrics={"fid": replace(FAST.metrics["fid"], extractor=network)})

    assert "digit classifiers of two processors" in str(compare(by("a" * 64, 0.97), by("b" * 64, 0.96), "fid"))
    assert "digit classifiers" not in str(compare(by("a" * 64, 0.97), by("a" * 64, 0.97), "fid"))
    with pytest.raises(UserError, match="differ in their measurement"):
        compare(by("a" * 64, None), by("b" * 64, None), "fid")


def test_what_was_measured_differently_is_refused() -> None:
    fast, base = f"smoke/{SMOKE}/E/seed0", f"smoke/{SMOKE}/A/seed0"
    with pytest.raises(UserError, match=f"--metric kid: {fast} was measured with fid"):
        compare(FAST, BASELINE, "kid")
    with pytest.raises(UserError, match=f"{fast} and {base} differ in their data"):
        compare(replace(FAST, data=replace(FAST.data, sha256="e" * 64)), BASELINE, "fid")
    fewer = {"fid": replace(FAST.metrics["fid"], n_fake=5000)}
    with pytest.raises(UserError, match=f"{fast} and {base} differ in their measurement"):
        compare(replace(FAST, metrics=fewer), BASELINE, "fid")


def test_snapshots_of_a_run_become_a_curve(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks = open_dataset(fitted / "data" / SMOKE)
    for name in ("A", "E-inverted"):
        out = tmp_path / f"runs/test/{SMOKE}/{name}/seed0"
        options = loop.Options(out=out, work=tmp_path / "work" / name, device=CPU, snapshot_kimg=0.016)
        trained = loop.train(make_run(name, total_kimg=0.04), stacks, options)
        assert [snapshot.kimg for snapshot in trained.snapshots] == [0.016, 0.032]
        times = [snapshot.seconds for snapshot in trained.snapshots]
        assert 0 < times[0] < times[1] <= trained.seconds + 0.1
        assert sorted(path.name for path in (out / "snapshots").iterdir()) == [
            "0000000016.safetensors",
            "0000000032.safetensors",
        ]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/classifier").symlink_to(fitted / "runs/classifier")
    more = ["--classifier", "mnist5k-16", "--metrics", "digit-frechet", "modes", "--samples", "300"]
    for name in ("A", "E-inverted"):
        data = str(fitted / "data" / SMOKE)
        assert main(["evaluate-snapshots", f"test/{SMOKE}/{name}/seed0", "--data", data, "--device", "cpu", *more]) == 0
    found = Store(tmp_path / "results").convergence(RunId.parse(f"test/{SMOKE}/A/seed0"))
    assert [point.kimg for point in found.points] == [0.016, 0.032]
    assert found.interval_kimg == 0.016
    assert all(point.values["digit-frechet"] > 0 for point in found.points)
    assert all(point.evaluate_seconds > 0 for point in found.points)
    capsys.readouterr()
    runs = [f"test/{SMOKE}/{name}/seed0" for name in ("E-inverted", "A")]
    assert main(["time-to-reach", *runs, "--metric", "digit-frechet"]) == 0
    assert "speed-up" in capsys.readouterr().out


def test_a_run_without_snapshots_is_told_how_to_keep_some(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = f"test/{SMOKE}/A/seed0"
    sha256 = open_dataset(prepared / "data" / SMOKE).manifest["sha256"]
    training = replace(training_of(run), data=TrainingData(dataset=SMOKE, sha256=sha256, count=50))
    store.write(tmp_path / f"runs/{run}/train.json", training)
    data = str(prepared / "data" / SMOKE)
    assert main(["evaluate-snapshots", run, "--data", data, "--metrics", "fid", "--device", "cpu"]) == 2
    assert "kept no snapshots: train it with `r3gan train ... --snapshot-kimg KIMG`" in capsys.readouterr().err
    assert main(["evaluate-snapshots", run, "--data", data, "--device", "cpu"]) == 2
    assert "--metrics: name at least one" in capsys.readouterr().err


def test_the_clock_of_a_resumed_run_goes_on(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = open_dataset(prepared / "data" / SMOKE)
    options = loop.Options(
        out=tmp_path / "out", work=tmp_path / "work", device=CPU, snapshot_kimg=0.008, checkpoint_seconds=0
    )
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "discard", lambda folder, keep: None)
        first = loop.train(make_run("B", total_kimg=0.016), stacks, options)
    second = loop.train(make_run("B", total_kimg=0.032), stacks, options)
    assert second.continued_at_images == (16,)
    assert second.snapshots[:2] == first.snapshots
    times = [snapshot.seconds for snapshot in second.snapshots]
    assert len(times) == 4
    assert times == sorted(times)
