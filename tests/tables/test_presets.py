"""The hyperparameter table: every cell, and that a difference would be seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from r3gan.configs import CONFIGS
from r3gan.tables.kinds.presets import QUANTITIES, PresetTable, equal
from r3gan.tables.registry import TABLES
from tests.helpers import write_files

TABLE6 = TABLES["table6"]
assert isinstance(TABLE6, PresetTable)


def test_every_cell_is_the_published_one() -> None:
    found = TABLE6.cells("table6")
    assert len(found) == 6 * (len(QUANTITIES) + 2)
    assert {cell.verdict for cell in found if cell.quantity != "GPUs"} == {"exact"}
    assert {cell.verdict for cell in found if cell.quantity == "GPUs"} == {""}


def test_a_changed_recipe_shows_both_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = CONFIGS["E"]
    recipes = dict(config.recipes) | {"cifar10": replace(config.recipes["cifar10"], batch=256)}
    monkeypatch.setitem(CONFIGS, "E", replace(config, recipes=recipes))  # type: ignore[arg-type]
    write_files(TABLE6, "table6", tmp_path)
    text = (tmp_path / "table6.md").read_text()
    assert "256 (published 512)" in text
    assert "| 5 exact, 1 differs |" in text
    assert text.count("| 6 exact ") == len(QUANTITIES)  # all others but GPUs, and the two counts
    assert text.count("published 512") == 1


@pytest.mark.parametrize(
    ("published", "configured", "same"),
    [
        ("2e-4 -> 5e-5", "0.0002 -> 5e-05", True),
        ("2e-4", "0.0002 -> 5e-05", False),
        ("768 768", "768 384", False),
        ("yes", "yes", True),
        ("yes", "no", False),
        ("0", "no", False),
    ],
)
def test_cells_are_compared_as_numbers_or_words(published: str, configured: str, same: bool) -> None:
    assert equal(published, configured) is same
