"""Logs of the authors: what is imported, what is refused, and the noise of one evaluation in the nine known ones."""

import json
from pathlib import Path

import pytest

from r3gan.errors import UserError
from r3gan.logs import import_log
from r3gan.records.run_id import RunId
from r3gan.records.store import Store
from r3gan.tables.author_logs import AT_KIMG, SETTINGS, in_units_of_noise, noise_of_an_evaluation, read_logs
from r3gan.tables.published import read_published
from tests.conftest import REPOSITORY, run_in

OPTIONS = {
    "batch_size": 64, "total_kimg": 25000, "ema_kimg": 20, "random_seed": 3,
    "D_opt_kwargs": {"lr": 0.0025}, "loss_kwargs": {"r1_gamma": 1}, "training_set_kwargs": {"xflip": True},
}  # fmt: skip


def line(kimg: int, value: object = 9.5, **more: object) -> str:
    named = {"snapshot_pkl": f"network-snapshot-{kimg:06d}.pkl", "metric": "fid50k_full", "total_time": 30.5}
    return json.dumps({"results": {"fid50k_full": value}, **named, **more})


def log_of(folder: Path, *lines: str, options: object = OPTIONS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training_options.json").write_text(json.dumps(options))
    path = folder / "metric-fid50k_full.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_log_is_a_run_of_the_authors_with_its_settings(tmp_path: Path) -> None:
    path = log_of(tmp_path / "log", line(0, 322.6), line(51, 40), line(102, 9.5))
    done = run_in(tmp_path, "r3gan", "import-log", str(path), "--config", "A", "--dataset", "ffhq-256", code=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "wrote results/authors/ffhq-256/A/seed3/convergence.json\n"), (
        done.stderr
    )
    record = Store(tmp_path / "results").convergence(RunId.parse("authors/ffhq-256/A/seed3"))
    assert [(p.kimg, p.values["fid"]) for p in record.points] == [(0, 322.6), (51, 40.0), (102, 9.5)]
    assert (record.outcome, record.training.images_seen, record.interval_kimg) == ("imported", 102_000, 51)
    recipe = record.training.recipe
    assert (recipe.batch, recipe.lr, recipe.gamma, recipe.xflip) == (64, (0.0025, 0.0025), (1, 1), True)
    shown = run_in(tmp_path, "r3gan", "records", "--scale", "authors", "--metric", "fid", code=REPOSITORY).stdout
    assert "322.6" in shown and "ffhq-256" in shown
    # It is not replaced unless that is asked for.
    with pytest.raises(UserError, match="--overwrite replaces it"):
        import_log(path, "A", "ffhq-256", tmp_path / "results", None, False)
    import_log(path, "A", "ffhq-256", tmp_path / "results", None, True)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "line 2 is no evaluation of fid50k_full"),
        ("[]", "line 2 is no"),
        (line(51, "much"), "line 2 is no"),
        (line(51, float("nan")), "line 2 is no"),
        (line(0), "later than the line before"),
        (line(51, snapshot_pkl="../../etc/passwd"), "line 2 is no"),
        (line(51, total_time=10**400), "line 2 is no"),
        (line(51, total_time=[1]), "line 2 is no"),
    ],
)
def test_a_malformed_line_is_one_sentence(tmp_path: Path, bad: str, said: str) -> None:
    path = log_of(tmp_path / "log", line(0), bad)
    with pytest.raises(UserError, match=r"metric-fid50k_full\.jsonl") as refused:
        import_log(path, "A", "ffhq-256", tmp_path / "results", None, False)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "does not hold a JSON object"), (OPTIONS | {"batch_size": "many"}, "batch_size is many, not a number")],
)
def test_malformed_options_are_one_sentence(tmp_path: Path, options: object, said: str) -> None:
    path = log_of(tmp_path / "log", line(0), line(51), options=options)
    with pytest.raises(UserError) as refused:
        import_log(path, "A", "ffhq-256", tmp_path / "results", None, False)
    assert said in str(refused.value) and not (tmp_path / "results").exists()


def test_the_known_logs_hold_the_printed_number_and_the_stated_noise() -> None:
    logs = read_logs()
    assert set(logs) == set(SETTINGS) and sum(len(run.points) for run in logs.values()) == 1305
    assert f"{logs['roadmap-A'].at(AT_KIMG):.3f}" == read_published("table1")["A StyleGAN2", "fid"].text
    assert logs["roadmap-A"].source.startswith("IFeelBloated/BaselineGAN-Roadmap fc80e35603ac, training-runs/Config-A/")
    assert noise_of_an_evaluation() == pytest.approx(0.0165, abs=5e-5)
    scatter = {name: round(100 * run.scatter[0], 2) for name, run in logs.items()}
    assert (scatter["roadmap-B"], scatter["prototype-B"], scatter["prototype-F"]) == (0.86, 1.58, 1.98)
    assert in_units_of_noise(11.77, 11.65) == pytest.approx(0.44, abs=0.01)
    assert in_units_of_noise(9.950, 7.507) == pytest.approx(12.07, abs=0.01)
