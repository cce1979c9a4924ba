"""The hyperparameter table: every cell, and that a difference would be seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from r3gan.configs import CONFIGS
from r3gan.tables import TABLES, PresetTable
from r3gan.tables.presets import QUANTITIES, cells, equal, write_presets

TABLE6 = TABLES["table6"]
assert isinstance(TABLE6, PresetTable)


def test_every_cell_is_the_published_one() -> None:
    found = cells("table6", TABLE6)
    assert len(found) == 6 * (len(QUANTITIES) + 2)
    assert {cell.verdict for cell in found if cell.quantity != "GPUs"} == {"exact"}
    assert {cell.verdict for cell in found if cell.quantity == "GPUs"} == {""}


def test_a_changed_recipe_shows_both_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = CONFIGS["E"]
    recipes = dict(config.recipes) | {"cifar10": replace(config.recipes["cifar10"], batch=256)}
    monkeypatch.setitem(CONFIGS, "E", replace(config, recipes=recipes))  # type: ignore[arg-type]
    write_presets("table6", TABLE6, tmp_path)
    text = (tmp_path / "table6.md").read_text()
    assert "256 (published 512)" in text
    assert "5 of 6 exact" in text
    assert text.count("published 512") == 1


@pytest.mark.parametrize(
    ("published", "ours", "same"),
    [
        ("2e-4 -> 5e-5", "0.0002 -> 5e-05", True),
        ("2e-4", "0.0002 -> 5e-05", False),
        ("768 768", "768 384", False),
        ("yes", "yes", True),
        ("yes", "no", False),
        ("0", "no", False),
    ],
)
def test_cells_are_compared_as_numbers_or_words(published: str, ours: str, same: bool) -> None:
    assert equal(published, ours) is same
