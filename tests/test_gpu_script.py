"""The script for a borrowed GPU on the CPU: every piece has a command that is understood, in order of value."""

import shlex

import pytest

from benchmarks import gpu
from r3gan.cli import main


def test_pieces_come_in_order_of_value_and_their_trainings_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = list(gpu.pieces())
    assert [piece.name for piece in pieces[:2]] == ["correctness", "speed"]
    seeds = [piece.name[-1] for piece in pieces[2:]]
    assert seeds == sorted(seeds) and len(seeds) == 2 * 4 * 3  # each loss and seed is trained, then evaluated
    for piece in pieces[2:]:
        words = shlex.split(piece.rehearsal)
        if words[:2] == ["r3gan", "train"]:
            assert main(words[1:]) == 0
            assert '"dataset": "stackedmnist"' in capsys.readouterr().out


def test_a_piece_that_takes_too_long_is_told_to_stop() -> None:
    assert gpu.run_for("sleep 60", 0.1) is None
    assert gpu.run_for("true", 60) == 0
