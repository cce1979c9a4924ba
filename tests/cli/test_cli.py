"""The command as a newcomer meets it, in real processes: answers, speed, and one sentence for every mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from r3gan.cli import main
from r3gan.configs import CONFIGS
from tests.conftest import REPOSITORY, TINY_STUDY, Command, environment


def test_a_mistake_in_a_real_process_ends_without_a_traceback(r3gan: Command) -> None:
    done = r3gan("params", "F")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("r3gan params: unknown configuration 'F'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["configs", "datasets", "metrics", "tables"])
def test_list_shows_every_entry_for_people_and_for_programs(r3gan: Command, kind: str) -> None:
    entries = json.loads(r3gan("list", kind, "--json").stdout)
    text = r3gan("list", kind).stdout
    assert entries
    assert all(entry["name"] in text for entry in entries)
    if kind == "configs":
        assert [entry["name"] for entry in entries] == list(CONFIGS)


def test_a_shell_completes_commands_and_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "--init-from" in script
    assert "import-released" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_listing_is_quick_and_does_not_import_torch(tmp_path: Path) -> None:
    code = "import sys; from r3gan.cli import main; main(['list', 'configs']); assert 'torch' not in sys.modules"
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(REPOSITORY), capture_output=True)
    assert done.returncode == 0, done.stderr
    used = os.times()  # processor time, which other processes do not add to
    assert used.children_user + used.children_system - before.children_user - before.children_system < 2


def test_params_prints_exact_integers_at_each_paper_size(r3gan: Command) -> None:
    counts = json.loads(r3gan("params", "E", "--json").stdout)
    assert {"config": "E", "dataset": "cifar10", "g_params": 20_781_952, "d_params": 21_280_512} in counts
    assert len(counts) == 6
    only = json.loads(r3gan("params", "A", "--dataset", "ffhq-256", "--json").stdout)
    assert only == [{"config": "A", "dataset": "ffhq-256", "g_params": 24_767_458, "d_params": 24_001_089}]
    assert "24,767,458" in r3gan("params", "A").stdout


def test_dry_run_prints_the_resolved_configuration_and_writes_nothing(r3gan: Command, tmp_path: Path) -> None:
    done = r3gan("train", "--config", "E", "--dataset", "cifar10", "--total-kimg", "7", "--dry-run")
    resolved = json.loads(done.stdout)
    assert resolved["recipe"]["total_kimg"] == 7
    assert resolved["recipe"]["gamma"] == [0.05, 0.005]
    assert resolved["size"]["base_widths"] == [512] * 4
    assert not list(tmp_path.iterdir())


def test_help_names_every_command_and_a_first_step(r3gan: Command) -> None:
    text = r3gan("--help").stdout
    for command in ("list", "params", "prepare", "fit", "train", "evaluate", "table"):
        assert command in text
        assert call_main(command, "--help") == 0
    assert "snakemake --cores all results/table1.md" in text


MISTAKES = [
    (("list", "nonsense"), ("nonsense", "configs, datasets, metrics, tables")),
    (("params", "e"), ("'e'", "E-inverted")),
    (("params", "E", "--dataset", "cifar"), ("cifar", "did you mean cifar10")),
    (("prepare", "stackedmnst"), ("stackedmnst", "did you mean stackedmnist")),
    (("prepare", "ffhq-256"), ("--source", "github.com/NVlabs/ffhq-dataset")),
    (("prepare", "ffhq-256", "--source", "nowhere"), ("--source nowhere", "not a folder")),
    (("fit", "mnist5k-16"), ("data/mnist5k-16/manifest.json", "r3gan prepare mnist5k-16")),
    (("train", "--config", "F", "--dataset", "cifar10"), ("'F'", "E-inverted")),
    (("train", "--config", "A", "--dataset", "cifar10"), ("data/cifar10/manifest.json", "r3gan prepare cifar10")),
    (("train", "--config", "E", "--dataset", "cats"), ("'cats'", "r3gan prepare own --name cats --source FOLDER")),
    (("train", "--config", "E", "--dataset", "cifar10", "--width", "9"), ("--width 9", "0.0625 to 4")),
    (("train", "--config", "E", "--dataset", "cifar10", "--augment-p", "2"), ("--augment-p", "probability")),
    (("train", "--config", "dcgan", "--dataset", "stackedmnist", "--gamma", "1"), ("--gamma", "no gradient penalty")),
    (("prepare", "own", "--source", ".", "--resolution", "96"), ("--resolution 96", "nearest: 64 and 128")),
    (("prepare", "own", "--source", ".", "--resolution", "96x64"), ("96x64", "nearest: 64", "--fit crop")),
    (("prepare", "own", "--source", ".", "--name", "cifar10"), ("--name cifar10", "choose another name")),
    (("prepare", "own", "--source", ".", "--fit", "cut"), ("'cut'", "crop, pad, squeeze")),
    (("prepare", "mnist-32", "--name", "x"), ("--name and --fit", "not for mnist-32")),
    (("generate", "own/x/E/seed0"), ("--out, --grid, --npz",)),
    (("generate", "own/x/E/seed0", "--grid", "a.png"), ("own/x/E/seed0 does not exist", "own/cats/E/seed0")),
    (("train", "--config", "A", "--dataset", "ffhq-256"), ("data/ffhq-256/manifest.json", "r3gan prepare ffhq-256")),
    (("train", "--config", "A", "--dataset", "ffhq-256", "--device", "tpu"), ("tpu", "auto, cpu, cuda")),
    (("train", "--config", "A", "--dataset", "ffhq-256", "--seed", "-1"), ("--seed", "0 to 2^32 - 1")),
    (("train", "--config", "A", "--dataset", "ffhq-256", "--total-kimg", "0"), ("--total-kimg", "positive")),
    (("train", "--config", "A", "--dataset", "ffhq-256", "--total-kimg", "nan"), ("--total-kimg", "positive")),
    (("train", "--confg", "A"), ("--confg (did you mean --config?)", "see `r3gan train --help`")),
    (("train", "--config", "E", "--dataset", "cifar10", "--tot", "5"), ("unrecognized argument --tot", "r3gan train")),
    (("trian", "--config", "A"), ("unknown command 'trian' (did you mean train?)", "see `r3gan --help`")),
    (("list", "configs", "datasets"), ("unrecognized arguments: datasets", "see `r3gan list --help`")),
    (("table", "tabel1"), ("did you mean table1",)),
    (("completion", "basch"), ("did you mean bash",)),
    (("evaluate", "smoke/x", "--classifier", "m", "--metrics", "kl"), ("smoke/x", "SCALE/DATASET/CONFIG/seedK")),
    (("evaluate", "a/b/c/d", "--metrics", "kl"), ("--metrics kl", "needs --classifier")),
    (("evaluate", "a/b/c/d", "--classifier", "m", "--metrics", "fad"), ("fad", "fid-clean", "digit-frechet")),
    (("evaluate", "a/b/c/d", "--metrics", "fid", "--reference", "x"), ("--reference 'x'", "METRIC=FILE[@SHA256]")),
    (("evaluate", "a/b/c/d", "--metrics", "fid", "--reference", "kid=x"), ("--reference kid", "--metrics fid")),
    (("evaluate", "a/b/c/d", "--metrics", "kid", "--reference", "kid=x"), ("--reference kid", "mean and a covariance")),
    (("table", "table9"), ("table9", "table1")),
    (("fingerprint", "none.yaml", "--out", "f"), ("none.yaml", "does not exist")),
    ((), ("COMMAND",)),
]


def call_main(*arguments: str) -> int:
    """The command in this process: forty start-ups would take minutes and show nothing more."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(m[0]) or "nothing" for m in MISTAKES])
def test_a_mistake_gets_one_sentence_exit_code_2_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call_main(*arguments) == 2
    message = capsys.readouterr().err
    assert len(message.strip().splitlines()) == 1
    for part in said:
        assert part in message
    assert not list(tmp_path.iterdir())


STUDY_MISTAKES = [
    ("config: A", "config: Z", ("unknown configuration 'Z'", "E-inverted")),
    ("seed: 0", "sed: 0", ("'sed' was unexpected", "allowed: config, dataset, seed")),
    ("seed: 0", "seed: minus", ("runs.", "seed", "not of type 'integer'")),
    ("scale: smoke", "scal: smoke", ("'scal' was unexpected", "scale")),
    ("digit-frechet", "fad", ("unknown metric 'fad'", "fid-clean", "digit-frechet, modes, kl")),
    ("classifier: mnist5k-16, m", "m", ("runs.A", "digit-frechet needs a classifier")),
    ("dataset: stackedmnist5k-16", "dataset: cifar10", ("cifar10", "allowed: mnist5k-16, stackedmnist5k-16")),
    ("runs:", "runs: [", ("not valid YAML", "smoke.yaml")),
    ("total_kimg: 0.128", "total_kimg: 0", ("runs.", "total_kimg", "0")),
    (
        "{E-converging: *E}",
        "{E-converging: {<<: *E, seed: 2}}",
        ("at_end: E-converging is not among convergence.runs under this key",),
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), STUDY_MISTAKES, ids=[m[1] for m in STUDY_MISTAKES])
def test_a_malformed_study_names_the_file_the_place_and_what_is_allowed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "pipelines/study/smoke.yaml"
    study.parent.mkdir(parents=True)
    study.write_text(TINY_STUDY.replace(old, new, 1))
    assert call_main("fingerprint", str(study.relative_to(tmp_path)), "--out", "fingerprints.yaml") == 2
    message = capsys.readouterr().err
    assert len(message.strip().splitlines()) == 1
    assert "smoke.yaml" in message
    for part in said:
        assert part in message
    assert not (tmp_path / "fingerprints.yaml").exists()
