"""The theory's table: eigenvalues against closed forms and finite differences, verdicts that can say no."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from r3gan.tables import dirac
from r3gan.tables.dirac import SETTINGS, Setting, eigenvalues, field, study, trajectory
from r3gan.tables.kinds.propositions import PropositionTable
from r3gan.tables.registry import TABLES
from tests.helpers import write_files

PROPOSITIONS = TABLES["propositions"]
assert isinstance(PROPOSITIONS, PropositionTable)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.name} at {s.data:g}")
def test_eigenvalues_match_the_closed_form_and_finite_differences(setting: Setting) -> None:
    computed = sorted(eigenvalues(setting), key=lambda e: (e.real, e.imag))
    exact = sorted(setting.closed_form(), key=lambda e: (e.real, e.imag))
    # Equal eigenvalues of a 2x2 matrix move by the root of a rounding error.
    assert computed == pytest.approx(exact, abs=1e-7)

    point, eps = torch.tensor([setting.data, 0.0], dtype=torch.float64), 1e-6
    columns = []
    for step in torch.eye(2, dtype=torch.float64) * eps:
        ahead, behind = ((point + sign * step).requires_grad_(True) for sign in (1, -1))
        columns.append((field(setting, ahead) - field(setting, behind)).detach() / (2 * eps))
    jacobian = torch.stack(columns, dim=1)
    assert float(jacobian.trace()) == pytest.approx(sum(e.real for e in exact), abs=1e-8)
    assert float(torch.linalg.det(jacobian)) == pytest.approx((exact[0] * exact[1]).real, abs=1e-8)


def test_the_paper_s_statements_come_out() -> None:
    found = list(study())
    assert len(found) == 16
    assert all(finding.holds for finding in found)
    for finding in found:
        largest = max(value.real for value in finding.computed)
        if finding.setting.loss == "relativistic":
            assert (largest < -1e-3) == bool(finding.setting.penalties)


def test_a_statement_that_is_false_is_not_reproduced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = replace(SETTINGS[0], converges=True)  # that RpGAN alone converges
    monkeypatch.setattr(dirac, "SETTINGS", (wrong,))
    (finding,) = study()
    assert not finding.holds
    cell, *numbers = write_files(PROPOSITIONS, "propositions", tmp_path).cells
    assert [number.verdict for number in numbers] == [""] * 4
    assert numbers[1].text == "0.0000 - 0.5000i , 0.0000 + 0.5000i"
    assert (cell.published, cell.text, cell.verdict) == ("converges", "does not converge", "differs")


def test_one_step_of_descent_by_hand() -> None:
    setting = replace(SETTINGS[0], data=0.0)
    (first, second, *_), (_, in_turn, *_) = trajectory(setting, False), trajectory(setting, True)
    assert first == (1.0, 0.5)
    sigmoid = torch.sigmoid(torch.tensor([0.5, -0.5], dtype=torch.float64)).tolist()
    # theta follows sigma(-psi theta) psi, psi follows -sigma(psi theta) theta.
    assert second == pytest.approx((1.0 + 0.2 * sigmoid[1] * 0.5, 0.5 - 0.2 * sigmoid[0] * 1.0))
    psi = second[1]
    later = float(torch.sigmoid(torch.tensor(-psi, dtype=torch.float64)))
    assert in_turn == pytest.approx((1.0 + 0.2 * later * psi, psi))
