"""The hyperparameter table, regenerated from CONFIGS and compared with the published one cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from r3gan.configs import CONFIGS, SIZES, Recipe
from r3gan.configs.counts import count_parameters
from r3gan.files import write_text
from r3gan.models.families import R3GAN, Size
from r3gan.schedules import Ramp
from r3gan.tables import PresetTable
from r3gan.tables.cells import Cell, as_csv, write_cells
from r3gan.tables.records import read_published
from r3gan.tables.render import grid
from r3gan.tables.verdict import DIFFERS, EXACT, Verdict

NOT_OURS = "-"  # a published fact of a run, not of a configuration


def yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def networks() -> R3GAN:
    found = CONFIGS["E"].networks
    assert isinstance(found, R3GAN)
    return found


def widths(size: Size) -> list[int]:
    return [int(networks().stem_ratio * width) for width in size.base_widths]


def groups(size: Size) -> list[int]:
    return [int(width * networks().inner_ratio) // size.group_size for width in widths(size)]


def in_millions(ramp: Ramp) -> str:
    return str(Ramp(ramp.base / 1000, ramp.final / 1000))


# Each row of the table from a data set's recipe and size; GPUs belong to a run of the authors'.
QUANTITIES: Mapping[str, Callable[[Recipe, Size], str]] = {
    "resolution": lambda recipe, size: str(size.resolution),
    "class conditional": lambda recipe, size: yes_or_no(size.classes),
    "widths, 4x4 first": lambda recipe, size: " ".join(map(str, widths(size))),
    "groups, 4x4 first": lambda recipe, size: " ".join(map(str, groups(size))),
    "batch": lambda recipe, size: str(recipe.batch),
    "duration, Mimg": lambda recipe, size: f"{recipe.total_kimg / 1000:g}",
    "burn-in, Mimg": lambda recipe, size: f"{recipe.burn_in_kimg / 1000:g}",
    "lr": lambda recipe, size: str(recipe.lr),
    "gamma": lambda recipe, size: str(recipe.gamma),
    "Adam beta2": lambda recipe, size: str(recipe.beta2),
    "EMA half-life, Mimg": lambda recipe, size: in_millions(recipe.ema_half_life_kimg),
    "augment p": lambda recipe, size: str(recipe.augment_p),
    "x-flips": lambda recipe, size: yes_or_no(recipe.xflip),
    "z dimension": lambda recipe, size: str(networks().z_dim),
    "GPUs": lambda recipe, size: NOT_OURS,
}


def equal(published: str, ours: str) -> bool:
    """The same numbers in the same order, or the same word; 2e-4 and 0.0002 are one number."""
    number = r"\d+\.?\d*(?:e-?\d+)?"
    theirs, mine = (re.findall(number, text.lower()) for text in (published, ours))
    return list(map(float, theirs)) == list(map(float, mine)) if theirs or mine else published == ours


def cells(name: str, table: PresetTable) -> list[Cell]:
    """One cell a quantity and data set, which is the cell's section."""
    published = read_published(table.published)
    found = []
    config = CONFIGS[table.config]
    for dataset in dict.fromkeys(dataset for dataset, _ in published):  # in the paper's order
        recipe = config.recipe(dataset)
        counts = count_parameters(CONFIGS[table.config], dataset)
        ours = {quantity: value(recipe, SIZES[dataset]) for quantity, value in QUANTITIES.items()}
        ours |= {"G parameters": str(counts["g_params"]), "D parameters": str(counts["d_params"])}
        for quantity, value in ours.items():
            cell = Cell(table=name, section=dataset, row=CONFIGS[table.config].title, quantity=quantity)
            cell = cell.with_published(published[dataset, quantity])
            found.append(cell if value == NOT_OURS else set_beside(cell, value))
    return found


def set_beside(cell: Cell, value: str) -> Cell:
    """The cell with our value."""
    assert cell.published is not None
    verdict = Verdict(word=EXACT if equal(cell.published, value) else DIFFERS)
    return replace(cell, text=value, n=1, outcome="read from CONFIGS").judged(verdict)


def shown(cell: Cell) -> str:
    """Ours where it is the published value, both where it is not, the published one where there is none of ours."""
    if not cell.outcome:
        return str(cell.published)
    text = f"{int(cell.text):,}" if cell.quantity.endswith("parameters") else cell.text
    return text if cell.verdict == EXACT else f"{text} (published {cell.published})"


def write_presets(name: str, table: PresetTable, results: Path) -> None:
    """Write <name>.md, .csv and .json into `results`."""
    found = cells(name, table)
    datasets = list(dict.fromkeys(cell.section for cell in found))
    rows = []
    for quantity in dict.fromkeys(cell.quantity for cell in found):
        of_row = [cell for cell in found if cell.quantity == quantity]
        exact = sum(cell.verdict == EXACT for cell in of_row)
        verdict = f"{exact} of {len(of_row)} exact" if of_row[0].outcome else "published only"
        rows.append([quantity, *map(shown, of_row), verdict])
    notes = "## Notes\n\n" + "\n".join(f"- {note}" for note in table.notes)
    text = [f"# {table.title}", grid(rows, ["Hyperparameter", *datasets, "Verdict"], right=()), notes]
    write_cells(results, name, table.title, found)
    write_text(results / f"{name}.csv", as_csv(found))
    write_text(results / f"{name}.md", "\n\n".join(text) + "\n")
