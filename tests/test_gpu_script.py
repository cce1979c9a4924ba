"""The script for a borrowed GPU on the CPU: every piece has a command that is understood, in order of value."""

import importlib
import json
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from benchmarks import conftest, gpu, official
from r3gan.cli import main
from r3gan.configs import CONFIGS
from r3gan.records.provenance import stamp
from r3gan.records.schema import Benchmark, Code
from r3gan.records.store import made, write


def test_pieces_come_in_order_of_value() -> None:
    assert [piece.name for piece in gpu.pieces()] == ["correctness", "speed", "ablation"]


def test_the_trainings_of_the_ablation_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    commands = gpu.ablation("--dry-run")
    assert len(commands) == 4 * 3  # losses, seeds
    assert list(commands) == sorted(commands, key=lambda key: key.seed)
    for train, evaluate in commands.values():
        assert main(shlex.split(train)[1:]) == 0
        resolved = json.loads(capsys.readouterr().out)
        assert resolved["dataset"] == "stackedmnist" and resolved["recipe"]["batch"] == 64
        assert "--classifier mnist-32" in evaluate


def test_a_piece_that_takes_too_long_is_told_to_stop() -> None:
    assert gpu.run_for("sleep 60", 0.1) is None
    assert gpu.run_for("true", 60) == 0


def test_each_precision_of_a_gpu_is_checked_and_only_one_network_is_compiled() -> None:
    cuda = torch.device("cuda")
    assert ("bf16", "on") in list(gpu.executions("E", True, cuda))
    assert list(gpu.executions("A", False, cuda)) == [("fp32", "off"), ("tf32", "off")]
    assert {precision for name in CONFIGS for precision, _ in gpu.executions(name, True, cuda)} == set(gpu.LIMITS)


def test_rows_of_the_same_commit_are_kept_and_those_of_another_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"config": "E", "size": "cifar10", "batch": 64, "step": "D step", "ours_ms": 1.0}
    path = tmp_path / "steps.json"
    write(path, made(Benchmark, {"measured": [row], "provenance": stamp("cpu", 1)}))
    assert conftest.kept_rows(path) == [row]
    assert conftest.same_row(row, row | {"ours_ms": 2.0}) and not conftest.same_row(row, row | {"way": "float32"})
    assert not conftest.same_row({"what": "prepare", "case": "PNG"}, {"what": "prepare", "case": "JPEG"})
    monkeypatch.setattr(conftest, "code_version", lambda: Code(commit="another", dirty=False, reason=None))
    assert conftest.kept_rows(path) == []


def test_an_extension_of_the_official_code_can_be_imported_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "build_extension", lambda name, **settings: ModuleType(name))
    built = official.load_extension(name="bias_act_of_a_test", sources=[])
    assert importlib.import_module("bias_act_of_a_test") is built
    del sys.modules["bias_act_of_a_test"]
