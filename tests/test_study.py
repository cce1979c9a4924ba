import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from r3gan.cli import main
from r3gan.configs import find_config
from r3gan.errors import UserError
from r3gan.pipeline import fingerprint
from r3gan.pipeline.dvc import check_dvc_file, dvc_file
from r3gan.study import OwnSource, StudyRun, read_study
from r3gan.tables.cell import read_table_file
from r3gan.tables.registry import TABLES
from tests.helpers import folder_of, study_of

REPOSITORY = Path(__file__).parents[1]
ROWS = ("A", "B", "C-rpgan", "C-r2", "D-resnet", "D-noskip", "E-resnext", "E-inverted")
STUDY = """
scale: desk
datasets: [stackedmnist5k-16]
classifiers: []
launch: {launcher: local, ranks: 1}
evaluations: {own: &own {metrics: [lite1-frechet-64px], samples: 10}}
recipes: {long: &long {burn_in_kimg: 100, lr: [0.004, 0.001]}}
runs:
  A: &run {config: A, dataset: stackedmnist5k-16, %s, total_kimg: 100, threads: 1, set: *long, evaluation: *own}
  lazy: {<<: *run, config: E.lazy, set: {<<: *long, penalty_interval: 8}, precision: bf16}
"""


def study_file(folder: Path, seeds: str, more: str = "") -> Path:
    path = folder / "desk.yaml"
    path.write_text(STUDY % seeds + more)
    return path


def test_a_line_with_seeds_is_a_run_for_each(tmp_path: Path) -> None:
    study = read_study(study_file(tmp_path, "seeds: [0, 3]"))
    assert {str(run_id): run.key for run_id, run in study.trained.items()} == {
        "desk/stackedmnist5k-16/A/seed0": "A-seed0",
        "desk/stackedmnist5k-16/A/seed3": "A-seed3",
        "desk/stackedmnist5k-16/E.lazy/seed0": "lazy-seed0",
        "desk/stackedmnist5k-16/E.lazy/seed3": "lazy-seed3",
    }
    # An arm has all its seeds before the next one starts.
    assert list(study.priorities.values()) == [4, 3, 2, 1]
    single = read_study(study_file(tmp_path, "seed: 0"))
    assert [run.key for run in single.runs] == ["A", "lazy"]


def test_a_word_that_a_network_s_field_does_not_take_is_refused(tmp_path: Path) -> None:
    line = "  gelu: {<<: *run, config: E.gelu, set: {activation: relu}}\n"
    with pytest.raises(UserError, match=r"unknown setting activation 'relu'.*; allowed: lrelu, gelu, swish"):
        read_study(study_file(tmp_path, "seed: 0", line))


def test_what_a_run_changes_becomes_options_of_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lazy = read_study(study_file(tmp_path, "seed: 0")).runs[1]
    assert lazy.train_options == " --set burn_in_kimg=100 lr=0.004,0.001 penalty_interval=8 --precision bf16"
    command = f"train --config {lazy.config} --dataset {lazy.dataset}{lazy.train_options} --dry-run"
    assert main(command.split()) == 0
    shown = json.loads(capsys.readouterr().out)
    config, recipe = find_config("E").changed(lazy.dataset, lazy.set)
    assert shown["penalty_interval"] == config.penalty_interval == 8
    assert shown["recipe"]["lr"] == [*recipe.lr] == [0.004, 0.001]
    assert shown["recipe"]["gamma"] == [*find_config("E").recipe(lazy.dataset).gamma]
    assert shown["config"] == "E.lazy"
    assert "lr" in shown["recipe"]["unpublished"]


@pytest.mark.parametrize(
    ("seeds", "more", "said"),
    [
        ("seed: 0, seeds: [1]", "", "is valid under each of"),
        ("seeds: [0, 0]", "", "non-unique"),
        ("seed: 0", "  b: {<<: *run, config: B, set: {gama: 3}}", "unknown setting 'gama' (did you mean gamma?)"),
        ("seed: 0", "  b: {<<: *run, config: B, set: {gamma: much}}", "setting gamma=much: Expected `float`"),
    ],
)
def test_a_mistake_in_a_line_is_named(tmp_path: Path, seeds: str, more: str, said: str) -> None:
    with pytest.raises(UserError) as mistake:
        read_study(study_file(tmp_path, seeds, more))
    assert said in str(mistake.value)


def test_desk_and_search_are_valid_and_arms_share_their_seeds() -> None:
    desk, search = (read_study(REPOSITORY / f"pipelines/study/{name}.yaml") for name in ("desk", "search"))
    seeds: dict[str, set[int]] = {}
    for run in desk.trained:
        seeds.setdefault(run.config, set()).add(run.seed)
    assert {frozenset(seed for seed in seeds[row] if seed < 10) for row in ROWS} == {frozenset(range(5))}
    assert all(len(found) >= 3 for found in seeds.values())
    # The same search for every row, on a seed that decides no table.
    settings = {
        row: {run.config.partition(".")[2] for run in search.trained if run.config.startswith(f"{row}.")}
        for row in ROWS
    }
    assert {frozenset(found) for found in settings.values()} == {frozenset(settings["A"])}
    assert {run.seed for run in search.trained} == {100}


OWN = """
sources:
  cats: {kind: pictures, path: "my pictures", resolution: 64, fit: pad}
"""


def test_own_pictures_are_data_sets_of_a_study(tmp_path: Path) -> None:
    line = "  cats: {<<: *run, config: E, dataset: cats, set: {batch: 8}, width: 0.125, unconditional: true}"
    path = study_file(tmp_path, "seed: 0", f"{line}\n{OWN}")
    study = read_study(path)
    assert study.datasets == ("stackedmnist5k-16", "cats")
    said = "own --name cats --source 'my pictures' --resolution 64 --fit pad --bad stop"
    assert study.sources["cats"].arguments == said
    assert study.runs[-1].train_options == " --set batch=8 --width 0.125 --unconditional"
    assert TABLES["own-pictures"].records(study) == ["desk/cats/E/seed0/metrics.json"]
    with pytest.raises(UserError, match=r"runs.A changes options of `r3gan train`, which dvc.yaml cannot do"):
        check_dvc_file(study)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cats:", "cifar10:", "--name cifar10 is a data set of the papers"),
        ("kind: pictures", "kind: sounds", "'sounds' is not one of ['pictures']"),
        ("resolution: 64", "resolution: 65", "65 is not one of [8, 16, 32"),
        ("fit: pad", "fits: pad", "'fits' was unexpected"),
    ],
)
def test_a_mistake_in_a_source_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError) as mistake:
        read_study(study_file(tmp_path, "seed: 0", OWN.replace(old, new)))
    assert said in str(mistake.value)


def test_a_changed_picture_changes_the_fingerprint_of_its_set(tmp_path: Path) -> None:
    source = OwnSource(name="cats", kind="pictures", path=str(tmp_path / "in"), resolution=8)
    missing = fingerprint.source("cats", source)
    folder_of(tmp_path / "in", {"a/1.png": b"1"})
    one = fingerprint.source("cats", source)
    folder_of(tmp_path / "in", {"a/2.png": b"2"})
    assert len({missing, one, fingerprint.source("cats", source)}) == 3


def test_the_fingerprint_without_a_preset_is_of_all_presets_and_of_the_rule() -> None:
    assert fingerprint.recipe("E", "cats") == fingerprint.recipe("E", "dogs")
    assert fingerprint.recipe("E", "cats") != fingerprint.recipe("E-inverted", "cats")


def test_dvc_prepares_own_pictures(tmp_path: Path) -> None:
    study = replace(study_of("smoke", "cats/E/seed0"), sources={
        "cats": OwnSource(name="cats", kind="pictures", path="in", resolution=8)
    })  # fmt: skip
    stage = yaml.safe_load(dvc_file(study))["stages"]["prepare_own"]
    said = "own --name cats --source in --resolution 8 --fit crop --bad stop"
    assert stage["foreach"] == {"cats": {"path": "in", "arguments": said}}
    assert stage["do"]["deps"] == ["${item.path}"]
    assert "runs/hashes/prepare/${key}.json" in stage["do"]["outs"]


def test_desk_trains_with_the_recipes_that_the_search_has_chosen() -> None:
    """Or with nothing changed but the length of the schedules, as long as the search has chosen nothing."""
    desk, search = (read_study(REPOSITORY / f"pipelines/study/{name}.yaml") for name in ("desk", "search"))

    def changed(run: StudyRun) -> dict[str, object]:
        return {name: value for name, value in run.set.items() if name != "burn_in_kimg"}

    settings = {run.config: changed(run) for run in search.trained.values()}
    remarks = read_table_file(REPOSITORY / "results/recipes.json").remarks
    chosen = {
        config: found[2]
        for remark in remarks
        if (found := re.fullmatch(r"(.+): \*\*(.+)\*\* \(.*\)\.", remark))
        for config in found[1].split(", ")
    }
    for config in ROWS:
        expected = settings[f"{config}.{chosen[config]}"] if config in chosen else {}
        runs = [run for run in desk.trained.values() if run.config == config]
        assert len(runs) >= 5
        assert all(changed(run) == expected for run in runs), config
