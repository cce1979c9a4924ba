"""The hyperparameter table, regenerated from CONFIGS and compared with the published one cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from r3gan.configs import CONFIGS, SIZES, Recipe
from r3gan.models.families import R3GAN, Size
from r3gan.schedules import Ramp
from r3gan.tables.cell import Cell
from r3gan.tables.kind import Content, Context, Kind
from r3gan.tables.panel import BOTH, Panel, Slot, panel
from r3gan.tables.published import read_published
from r3gan.tables.verdict import DIFFERS, EXACT, Verdict

PUBLISHED_ONLY = "-"  # a published fact of a run, not of a configuration


def yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def widths(networks: R3GAN, size: Size) -> list[int]:
    return [int(networks.stem_ratio * width) for width in size.base_widths]


def groups(networks: R3GAN, size: Size) -> list[int]:
    return [int(width * networks.inner_ratio) // size.group_size for width in widths(networks, size)]


def spaced(values: Sequence[int]) -> str:
    return " ".join(map(str, values))


def in_millions(ramp: Ramp) -> str:
    return str(Ramp(ramp.base / 1000, ramp.final / 1000))


# Each row of the table from a data set's recipe and size; GPUs belong to a run of the authors'.
QUANTITIES: Mapping[str, Callable[[Recipe, Size, R3GAN], str]] = {
    "resolution": lambda recipe, size, networks: str(size.resolution),
    "class conditional": lambda recipe, size, networks: yes_or_no(size.classes),
    "widths, 4x4 first": lambda recipe, size, networks: spaced(widths(networks, size)),
    "groups, 4x4 first": lambda recipe, size, networks: spaced(groups(networks, size)),
    "batch": lambda recipe, size, networks: str(recipe.batch),
    "duration, Mimg": lambda recipe, size, networks: f"{recipe.total_kimg / 1000:g}",
    "burn-in, Mimg": lambda recipe, size, networks: f"{recipe.burn_in_kimg / 1000:g}",
    "lr": lambda recipe, size, networks: str(recipe.lr),
    "gamma": lambda recipe, size, networks: str(recipe.gamma),
    "Adam beta2": lambda recipe, size, networks: str(recipe.beta2),
    "EMA half-life, Mimg": lambda recipe, size, networks: in_millions(recipe.ema_half_life_kimg),
    "augment p": lambda recipe, size, networks: str(recipe.augment_p),
    "x-flips": lambda recipe, size, networks: yes_or_no(recipe.xflip),
    "z dimension": lambda recipe, size, networks: str(networks.z_dim),
    "GPUs": lambda recipe, size, networks: PUBLISHED_ONLY,
}


@dataclass(frozen=True, kw_only=True)
class PresetTable(Kind):
    """A configuration's hyperparameters at every data set next to the published ones."""

    published: str
    config: str

    @property
    def made_of(self) -> str:
        return f"the recipes of {self.config} in CONFIGS"

    def configs(self) -> Sequence[str]:
        return [self.config]

    def panels(self, cells: Sequence[Cell]) -> list[Panel]:
        slots = [(c.quantity, Slot(group=c.section, label="", side=BOTH, cell=c)) for c in cells]
        return [panel("", "Hyperparameter", slots)]

    def build(self, context: Context) -> Content:
        return Content(cells=self.cells(context.name))

    def cells(self, name: str) -> list[Cell]:
        """One cell per quantity and data set, which is the cell's section."""
        from r3gan.configs.counts import count_parameters

        published, config = read_published(self.published), CONFIGS[self.config]
        networks = config.networks
        assert isinstance(networks, R3GAN)
        found = []
        for dataset in dict.fromkeys(dataset for dataset, _ in published):  # in the paper's order
            recipe, counts = config.recipe(dataset), count_parameters(config, dataset)
            values = {quantity: value(recipe, SIZES[dataset], networks) for quantity, value in QUANTITIES.items()}
            values |= {"G parameters": str(counts["g_params"]), "D parameters": str(counts["d_params"])}
            for quantity, value in values.items():
                cell = Cell(table=name, section=dataset, row=config.title, quantity=quantity)
                cell = cell.with_published(published[dataset, quantity])
                found.append(cell if value == PUBLISHED_ONLY else compared(cell, value))
        return found


def equal(published: str, configured: str) -> bool:
    """The same numbers in the same order, or the same word; 2e-4 and 0.0002 are one number."""
    number = r"\d+\.?\d*(?:e-?\d+)?"
    theirs, mine = (re.findall(number, text.lower()) for text in (published, configured))
    return list(map(float, theirs)) == list(map(float, mine)) if theirs or mine else published == configured


def compared(cell: Cell, value: str) -> Cell:
    """The cell with the configured value."""
    assert cell.published is not None
    verdict = Verdict(word=EXACT if equal(cell.published, value) else DIFFERS)
    return replace(cell, text=value, n=1, outcome="read from CONFIGS").judged(verdict)
