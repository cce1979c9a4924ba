"""Records: names of runs, strict reading, earlier schemas, and all values as one tidy table."""

import json
import sys
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace

from r3gan.cli import main
from r3gan.errors import UserError
from r3gan.records import provenance, store
from r3gan.records.curves import read_curve
from r3gan.records.frame import COLUMNS, export, frame, measured_rows
from r3gan.records.run_id import RunId
from r3gan.records.schema import Benchmark, ChosenBy, Convergence, Evaluation, Record, StepBenchmark, Training
from r3gan.records.store import Store
from r3gan.report.content import gather
from r3gan.report.formats import cells, measured_values
from r3gan.study import read_all_studies
from r3gan.tables.cell import read_table_file
from r3gan.tables.registry import TABLES
from tests.conftest import REPOSITORY
from tests.helpers import convergence_of, evaluation_of, training_of, write_run

RESULTS = REPOSITORY / "results"
KINDS: dict[str, type[Record]] = {
    "metrics.json": Evaluation, "convergence.json": Convergence, "data.json": Benchmark, "evaluation.json": Benchmark,
    "steps.json": StepBenchmark, "projected.json": StepBenchmark,
}  # fmt: skip
FILES = sorted(path.relative_to(RESULTS).as_posix() for name in KINDS for path in RESULTS.glob(f"*/**/{name}"))
RUN = "smoke/stackedmnist5k-16/E/seed0"


@pytest.mark.parametrize("text", [RUN, "paper/ffhq-256/projected-fastgan/seed12", "released/cifar10/E/seed0"])
def test_a_run_s_name_says_its_parts_and_comes_back(text: str) -> None:
    run = RunId.parse(text)
    assert str(run) == text
    assert RunId.of(run.scale, run) == run
    assert (run.metrics, run.convergence) == (f"{text}/metrics.json", f"{text}/convergence.json")


def test_runs_are_told_apart_and_ordered_by_their_parts() -> None:
    first, tenth = RunId.parse("smoke/d/E/seed2"), RunId.parse("smoke/d/E/seed10")
    assert first < tenth  # by number, not by letter
    assert len({first, tenth, RunId("smoke", "d", "E", 2)}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "smoke/stackedmnist5k-16/E", f"{RUN}/", f"/{RUN}", f"runs/{RUN}", "smoke/stackedmnist5k-16/E/seed",
        "smoke/stackedmnist5k-16/E/seed-1", "smoke/stackedmnist5k-16/E/0", "smoke/../E/seed0", "../../E/seed0",
        "smoke/.hidden/E/seed0", "smoke/a b/E/seed0", f"{RUN}\n", "Smoke/d/E/seed0", "smoke/d/E/seed0/metrics.json",
    ],
)  # fmt: skip
def test_what_is_no_run_s_name_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^RUN '.*' is not of the form SCALE/DATASET/CONFIG/seedK$"):
        RunId.parse(text)


def test_every_run_of_every_study_has_a_name_that_can_be_parsed() -> None:
    runs = [run for study in read_all_studies(REPOSITORY / "pipelines/study") for run in study.trained]
    assert len(runs) > 40
    assert [RunId.parse(str(run)) for run in runs] == runs


@pytest.mark.parametrize("file", FILES)
def test_every_committed_record_reads_and_writes_back_equal(file: str, tmp_path: Path) -> None:
    kind = KINDS[Path(file).name]
    record = store.read(RESULTS / file, kind)
    store.write(tmp_path / "copy.json", record)
    assert store.read(tmp_path / "copy.json", kind) == record
    before, after = (json.loads(path.read_text()) for path in (RESULTS / file, tmp_path / "copy.json"))
    before.pop("checksum", None)  # of the text, in which a program may write 5 for 5.0
    assert contained(before, after), "a value of the file is not in the record"


def contained(before: object, after: object) -> bool:
    """Whether a JSON value is whole in another, which may say more."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(key in after and contained(value, after[key]) for key, value in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(contained, before, after))
    return before == after


def test_made_up_records_read_and_write_back_equal(tmp_path: Path) -> None:
    """Also those that are not committed: a failed run, a chosen snapshot, an imported one, a curve."""
    chosen = evaluation_of("mini/cifar10/E/seed1", {"fid": 3.0, "recall": 0.5}, kimg=40.0)
    by = ChosenBy(metric="fid", value=3.1, samples=5000, of=8, kimg=30.0)
    metrics = {"fid": replace(chosen.metrics["fid"], snapshot="best", chosen_by=by), "recall": chosen.metrics["recall"]}
    records = [
        replace(chosen, metrics=metrics),
        evaluation_of("mini/cifar10/E/seed2", {}, outcome="Fail"),
        evaluation_of("released/cifar10/E/seed0", {"fid": 1.97}, outcome="imported"),
        convergence_of(RUN, {"digit-frechet": [3.0, 2.0], "modes": [10.0, 20.0]}),
    ]
    for record in records:
        write_run(tmp_path, record)
        name = "metrics.json" if isinstance(record, Evaluation) else "convergence.json"
        assert Store(tmp_path).run_record(f"{record.run}/{name}") == record
    assert records[1].training.failure == "step 7: loss_g is nan"
    training = training_of(RUN)
    store.write(tmp_path / "train.json", training)
    assert store.read_training(tmp_path) == training


# As commit 22480ae wrote it for Config A at smoke scale; one of three metrics is cut.
OF_SCHEMA_1 = """
{"schema": 1, "scale": "smoke", "dataset": "stackedmnist5k-16", "config": "A", "seed": 0, "outcome": "trained",
 "metrics": {
  "digit-frechet": {"untrained": 34.940973357763866, "value": 21.590343528749834, "n_fake": 10000, "n_real": 50000,
   "drawing_seed": 0, "snapshot": "last", "protocol": "all training reals against the samples; covariance over N - 1"},
  "kl": {"untrained": 4.465676717601147, "value": 4.79909025851918, "n_fake": 10000, "n_real": 50000, "drawing_seed": 0,
   "snapshot": "last", "protocol": "digit classifier on each channel", "floor": 0.04995}},
 "data": {"dataset": "stackedmnist5k-16", "count": 50000,
  "sha256": "5ac5b6be60a1af9297ca66133d913ed652ca4c9630ec1d3c031dc6110971c1d5"},
 "classifier": {"dataset": "mnist5k-16", "test_accuracy": 0.968999981880188,
  "sha256": "a2706a44efec44c150def66e7512a09a5b033e19e9313c3580e3d22636049002"},
 "generator_sha256": "d4e8f294e224eff01c2b80574ded27332a901ff21220cb3b00733d14d1316107", "seconds": 23.7,
 "training": {"outcome": "trained", "run": "smoke/stackedmnist5k-16/A/seed0", "config": "A",
  "dataset": "stackedmnist5k-16", "seed": 0, "title": "A StyleGAN2", "summary": "StyleGAN2, paper256",
  "networks": {"family": "StyleGAN2", "mapping_layers": 8, "mapping_lr_multiplier": 0.01, "style_mixing_prob": 0.9,
   "stddev_group": 8},
  "loss": "classic", "penalties": ["r1"], "penalty": "double-backward", "penalty_interval": 16,
  "path_length": {"weight": 2.0, "interval": 4, "decay": 0.01, "batch_shrink": 2}, "unpublished": [],
  "recipe": {"batch": 8, "total_kimg": 14.0, "burn_in_kimg": 0.0, "lr": [0.0025, 0.0025], "gamma": [1.0, 1.0],
   "beta2": [0.99, 0.99], "ema_half_life_kimg": [0.5, 0.5], "augment_p": [0.0, 0.0], "xflip": false,
   "unpublished": ["batch", "total_kimg", "ema_half_life_kimg", "xflip"]},
  "size": {"base_widths": [32, 32, 16], "group_size": 8, "classes": 0, "image_channels": 3, "published": false},
  "scale": "smoke", "images_seen": 14000, "steps": 1750, "seconds": 141.5,
  "data": {"dataset": "stackedmnist5k-16", "count": 50000,
   "sha256": "5ac5b6be60a1af9297ca66133d913ed652ca4c9630ec1d3c031dc6110971c1d5"},
  "provenance": {"command": "r3gan train --scale smoke --config A", "date": "2026-11-21T20:47:47+00:00",
   "code": {"commit": "db2501cee2ecc38e7076970f12209cb96dee2952", "dirty": false},
   "versions": {"python": "3.11.7", "torch": "2.15.0"},
   "device": {"type": "cpu", "name": "AMD EPYC, 2 cores", "count": 1, "threads": 1}}},
 "provenance": {"command": "r3gan evaluate smoke/stackedmnist5k-16/A/seed0", "date": "2026-11-21T21:13:57+00:00",
  "code": {"commit": "2298298066ad2d855bf7391550ef78b6a7404452", "dirty": false}, "versions": {"python": "3.11.7"},
  "device": {"type": "cpu", "name": "AMD EPYC, 2 cores", "count": 1, "threads": 1}}}
"""


def test_evaluations_of_schema_1_open_as_today_s(tmp_path: Path) -> None:
    path = tmp_path / "smoke/stackedmnist5k-16/A/seed0/metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(OF_SCHEMA_1)
    record = Store(tmp_path).evaluation(RunId("smoke", "stackedmnist5k-16", "A", 0))
    kl = record.metrics["kl"]
    assert (record.schema, kl.value, kl.draws, kl.drawing_seeds) == (2, 4.79909025851918, (4.79909025851918,), (0,))
    assert (kl.floor, kl.draws_std, kl.features, kl.images) == (0.04995, None, "", "")  # some were not recorded then
    assert (kl.extractor.name, kl.extractor.test_accuracy) == ("digits", 0.968999981880188)
    assert (record.training.recipe.beta1, record.training.augmentation, record.training.execution) == (0.0, "ada", None)
    values = frame(Store(tmp_path))["value"].tolist()
    assert values == [34.940973357763866, 21.590343528749834, 4.465676717601147, 4.79909025851918]
    store.write(path, record)
    assert Store(tmp_path).evaluation(RunId("smoke", "stackedmnist5k-16", "A", 0)) == record


def changed(place: str, change: Callable[[Any, Any], None]) -> Callable[[str], str]:
    """An edit of a record's text at a place such as metrics.fid.value."""

    def edit(text: str) -> str:
        content = json.loads(text)
        *parents, last = (int(part) if part.isdigit() else part for part in place.split("."))
        holder = content
        for part in parents:
            holder = holder[part]
        change(holder, last)
        return json.dumps(content)

    return edit


def put(place: str, value: object) -> Callable[[str], str]:
    return changed(place, lambda holder, key: holder.__setitem__(key, value))


def removed(place: str) -> Callable[[str], str]:
    return changed(place, lambda holder, key: holder.pop(key))


def renamed(place: str) -> Callable[[str], str]:
    return changed(place, lambda holder, key: holder.__setitem__(f"{key}s", holder.pop(key)))


EVALUATION = evaluation_of(RUN, {"fid": 3.0, "kl": 0.5})
CONVERGENCE = convergence_of(RUN, {"digit-frechet": [3.0, 2.0]})
DEEP = json.loads(900 * '{"a": ' + "1" + 900 * "}")
AT_ALL_POINTS = "`points` must hold a value of every metric, at one snapshot or more"
DAMAGES: dict[str, tuple[Evaluation | Convergence, Callable[[str], str], str]] = {
    "cut": (EVALUATION, lambda text: text[: len(text) // 2], "cannot be read as JSON"),
    "empty": (EVALUATION, lambda text: "", "cannot be read as JSON"),
    "not UTF-8": (EVALUATION, lambda text: text.replace("E", "\udcff", 1), "cannot be read as JSON"),
    "a list": (EVALUATION, lambda text: f"[{text}]", "does not hold a JSON object"),
    "nested without end": (EVALUATION, lambda text: '{"schema": ' + 100_000 * "[", "maximum recursion depth exceeded"),
    "nested too deep": (EVALUATION, put("training.networks", DEEP), "maximum recursion depth exceeded"),
    "a key renamed": (EVALUATION, renamed("training.recipe.batch"), "field `batchs` - at `$.training.recipe`"),
    "a key removed": (EVALUATION, removed("training.run"), "missing required field `run` - at `$.training`"),
    "a word for a number": (EVALUATION, put("metrics.fid.value", "3"), "got `str` - at `$.metrics[...].value`"),
    "a number for a word": (EVALUATION, put("config", 3), "Expected `str`, got `int` - at `$.config`"),
    "yes for a number": (EVALUATION, put("seed", True), "Expected `int`, got `bool` - at `$.seed`"),
    "an unknown outcome": (EVALUATION, put("outcome", "failed"), "Invalid enum value 'failed' - at `$.outcome`"),
    "a list for an object": (EVALUATION, put("metrics", []), "Expected `object`, got `array` - at `$.metrics`"),
    "NaN": (EVALUATION, put("metrics.fid.value", float("nan")), "is not finite at $.metrics.fid.value"),
    "infinity": (EVALUATION, put("training.size.x", float("-inf")), "is not finite at $.training.size.x"),
    "a number of 400 digits": (EVALUATION, put("seed", 10**400), "is not finite at $.seed"),
    "more draws than seeds": (EVALUATION, put("metrics.kl.draws", [0.5, 0.6]), "`drawing_seeds` differ in length"),
    "no points": (CONVERGENCE, put("points", []), AT_ALL_POINTS),
    "a point without its metric": (CONVERGENCE, renamed("points.1.values.digit-frechet"), AT_ALL_POINTS),
    "an unknown schema": (EVALUATION, put("schema", 9), "is a record of schema 9, this version reads 2"),
    "a schema in words": (CONVERGENCE, put("schema", "one"), "is a record of schema one, this version reads 1"),
    "no schema": (EVALUATION, removed("schema"), "missing required field `schema`"),
    "schema 1 without its classifier": (EVALUATION, put("schema", 1), "`metrics` and `classifier` must be objects"),
}


@pytest.fixture
def default_limit() -> Iterator[None]:
    """Python's own limit of recursion, which torch's compiler raises for the rest of a process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("default_limit")
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_is_one_sentence_that_names_the_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, damage, said = DAMAGES[name]
    again = "evaluate" if isinstance(record, Evaluation) else "evaluate-snapshots"
    path = write_run(tmp_path, record) / ("metrics.json" if again == "evaluate" else "convergence.json")
    path.write_bytes(damage(path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(UserError) as refused:
        store.read(path, type(record))
    message = str(refused.value)
    assert message.startswith(str(path))
    assert said in message
    assert message.endswith(f": run `r3gan {again}` again")
    assert main(["records", "--results", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"r3gan records: {path} ") and said in printed.err
    assert printed.err.endswith(f": run `r3gan {again}` again\n") and printed.err.count("\n") == 1


def test_a_record_that_is_not_there_says_what_writes_it(tmp_path: Path) -> None:
    for kind, command in ((Training, "r3gan train"), (Evaluation, "r3gan evaluate"), (StepBenchmark, "make bench")):
        with pytest.raises(UserError, match=rf"{tmp_path}/x\.json is missing: run `{command}`"):
            store.read(tmp_path / "x.json", kind)


def test_a_damaged_curve_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text("kimg,loss_g\n1,0.5\n2,\n")
    first, second = read_curve(path)
    assert first == {"kimg": 1.0, "loss_g": 0.5}
    assert second["kimg"] == 2.0 and isnan(second["loss_g"])
    for damage in ("kimg,loss_g\n1,half\n", "kimg\n1,0.5\n", "kimg\n\udcff\n"):
        path.write_bytes(damage.encode(errors="surrogateescape"))
        with pytest.raises(UserError, match=r"loss\.csv is not a loss curve \(.+\): run `r3gan evaluate` again"):
            read_curve(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two scales: a run of three draws, a failed one, a curve of two points with two metrics."""
    record = evaluation_of("mini/cifar10/E/seed3", {"fid": 3.0, "recall": 0.5}, kimg=40.0)
    fid = replace(record.metrics["fid"], draws=(2.5, 3.5, 3.0), drawing_seeds=(0, 1, 2), draws_std=0.5)
    write_run(tmp_path, replace(record, metrics={**record.metrics, "fid": fid}))
    write_run(tmp_path, evaluation_of("mini/cifar10/E/seed4", {}, outcome="Fail"))
    write_run(tmp_path, convergence_of(RUN, {"digit-frechet": [3.0, 2.0], "modes": [10.0, 20.0]}))
    return tmp_path


def test_the_frame_has_one_row_per_value(tree: Path) -> None:
    found = frame(Store(tree))
    assert list(found) == list(COLUMNS)
    shown = found[["scale", "seed", "snapshot", "kimg", "draw", "metric", "value"]].fillna(-1).to_numpy().tolist()
    assert shown == [
        ["mini", 3, "untrained", 0.0, 0, "fid", 30.0],
        ["mini", 3, "last", 40.0, 0, "fid", 2.5],
        ["mini", 3, "last", 40.0, 1, "fid", 3.5],
        ["mini", 3, "last", 40.0, 2, "fid", 3.0],
        ["mini", 3, "untrained", 0.0, 0, "recall", 5.0],
        ["mini", 3, "last", 40.0, 0, "recall", 0.5],
        ["smoke", 0, "during training", 2.0, -1, "digit-frechet", 3.0],
        ["smoke", 0, "during training", 2.0, -1, "modes", 10.0],
        ["smoke", 0, "during training", 4.0, -1, "digit-frechet", 2.0],
        ["smoke", 0, "during training", 4.0, -1, "modes", 20.0],
    ]
    assert found["train_seconds"].tolist() == [0.0, 10.0, 10.0, 10.0, 0.0, 10.0, 10.0, 10.0, 20.0, 20.0]
    assert set(found["commit"]) == {"c" * 40}
    assert set(found["record"]) == {"mini/cifar10/E/seed3/metrics.json", f"{RUN}/convergence.json"}
    assert found["generator_sha256"].isna().tolist() == [True, False, False, False, True, False, True, True, True, True]


def test_the_frame_of_a_part_is_that_part_of_the_frame(tree: Path) -> None:
    whole = frame(Store(tree))
    for part, wanted in (
        (frame(Store(tree), scales=["smoke"]), whole["scale"] == "smoke"),
        (frame(Store(tree), metrics=["fid", "modes"]), whole["metric"].isin(["fid", "modes"])),
        (frame(Store(tree), scales=["mini"], metrics=["modes"]), whole["value"] < 0),
    ):
        pd.testing.assert_frame_equal(part, whole[wanted].reset_index(drop=True), check_index_type=False)


def test_records_are_printed_and_exported_with_the_same_values(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["records", "--results", str(tree)]
    assert main(command) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["scale", "dataset", "config", "seed", "snapshot", "kimg", "metric", "value", "n_fake"]
    assert len(lines) == 10
    assert lines[1].split() == ["mini", "cifar10", "E", "3", "last", "40", "fid", "2.5", "50000"]
    assert main([*command, "--metric", "modes", "--scale", "smoke"]) == 0
    assert [line.split()[-2] for line in capsys.readouterr().out.splitlines()[1:]] == ["10", "20"]
    csv, parquet = tree / "out/all.csv", tree / "out/all.parquet"
    assert main([*command, "--csv", str(csv), "--parquet", str(parquet)]) == 0
    assert capsys.readouterr().out == f"wrote {csv}: 10 values\nwrote {parquet}: 10 values\n"
    whole = frame(Store(tree))
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), whole)
    pd.testing.assert_frame_equal(pd.read_csv(csv).astype(COLUMNS), whole)
    assert sorted(path.name for path in csv.parent.iterdir()) == ["all.csv", "all.parquet"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--csv", "all.txt"], "--csv all.txt: the file's name must end in .csv"),
        (["--parquet", "all.csv"], "--parquet all.csv: the file's name must end in .parquet"),
        (["--csv", "all"], "--csv all: the file's name must end in .csv"),
        (["--metric", "fdi"], "unknown metric 'fdi' (did you mean fid?); allowed: "),
        (["--scale", "paper"], "holds no such records"),
        (["--scale", "mini", "--metric", "modes"], "holds no such records"),
        (["--results", "nowhere"], "--results nowhere is not a folder"),
        (["--results", "empty"], "--results empty holds no such records"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    tree: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "empty").mkdir()
    monkeypatch.chdir(tree)
    assert main(["records", "--results", ".", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err and printed.err.count("\n") == 1
    assert not list(tree.glob("all*"))


def test_a_scale_is_a_name_and_no_pattern(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for scale in ("/etc", "..", "*", "mini/cifar10"):
        with pytest.raises(SystemExit, match="2"):
            main(["records", "--results", str(tree), "--scale", scale])
        assert "--scale" in capsys.readouterr().err


def test_a_library_user_s_wrong_ending_is_refused_too(tree: Path) -> None:
    with pytest.raises(UserError, match=r"all\.xlsx: the ending says the format; allowed: \.csv, \.parquet"):
        export(measured_rows(Store(tree)), tree / "all.xlsx")


def test_the_report_holds_every_value_and_every_cell_as_tidy_tables(tmp_path: Path) -> None:
    content = gather(RESULTS)
    (tmp_path / "records.csv").write_text(measured_values(content))
    values = pd.read_csv(tmp_path / "records.csv")
    pd.testing.assert_frame_equal(values.astype(COLUMNS), frame(Store(RESULTS)))
    (tmp_path / "cells.csv").write_text(cells(content))
    shown = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    names = (
        "table", "section", "row", "config", "scale", "quantity", "published", "source", "status", "reproduced", "n",
        "interval_low", "interval_high", "verdict", "reason",
    )  # fmt: skip
    assert set(names) <= set(shown)
    files = [path for name in TABLES if (path := RESULTS / f"{name}.json").exists()]
    written = [cell for path in files for cell in read_table_file(path).cells]
    assert len(shown) == len(written) > 400
    keys = shown[["table", "section", "row", "quantity", "scale"]]
    assert keys.to_numpy().tolist() == [[*cell.key] for cell in written]
    assert shown["published"].tolist() == [cell.published or "" for cell in written]
    reproduced = [float(value) if value else None for value in shown["reproduced"]]
    assert reproduced == [cell.reproduced for cell in written]


def test_the_committed_records_are_those_that_the_smoke_study_lists() -> None:
    (study,) = (s for s in read_all_studies(REPOSITORY / "pipelines/study") if s.scale == "smoke")
    listed = {run.metrics for run in (*study.evaluated, *study.at_end)} | {run.convergence for run in study.converging}
    assert set(Store(RESULTS).find("smoke")) == listed


def test_a_processor_whose_number_is_hidden_is_told_by_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {"cpu family": "26", "model": "2", "model name": "AMD EPYC"}
    monkeypatch.setattr(provenance, "_cpuinfo", lambda *keys: next((lines[key] for key in keys if key in lines), ""))
    assert provenance.processor_name() == "AMD EPYC (family 26, model 2)"
    lines["model name"] = "AMD EPYC 7763 64-Core Processor"
    assert provenance.processor_name() == "AMD EPYC 7763 64-Core Processor"
