"""CONFIGS: one entry per configuration of the papers, gathered from one module per table.

A configuration says what is trained (recipe.py), a size how wide its networks are (sizes.py). Only data and look-ups
are here: torch is imported when a network is built.
"""

from __future__ import annotations

from collections.abc import Mapping

from r3gan.configs.presets import E
from r3gan.configs.projected import PROJECTED
from r3gan.configs.recipe import Config, Recipe
from r3gan.configs.sizes import SIZES
from r3gan.configs.stackedmnist import STACKED_MNIST
from r3gan.configs.table1 import TABLE1
from r3gan.errors import unknown

__all__ = ["CONFIGS", "SIZES", "Config", "Recipe", "find_config"]

CONFIGS: Mapping[str, Config] = {**TABLE1, "E": E, **STACKED_MNIST, **PROJECTED}


def find_config(name: str) -> Config:
    """The entry of CONFIGS, or a UserError that lists them; a dot ends its name: "E.lazy" is a variant of "E".

    What a variant changes is not in its name but in the `set` of its run, and in its record.
    """
    entry = name.partition(".")[0]
    if entry not in CONFIGS:
        raise unknown("configuration", name, CONFIGS)
    return CONFIGS[entry]
