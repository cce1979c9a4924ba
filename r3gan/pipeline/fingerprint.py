"""What a stage depends on besides its files: the code it imports, and its own entry of a registry.

Registries count entry by entry, so that a new configuration, data set or table reruns nothing else.
"""

import hashlib
import json

from r3gan.configs import CONFIGS, find_config
from r3gan.data import sources
from r3gan.pipeline.code import STAGES, code_of, code_of_stage
from r3gan.study import Study
from r3gan.tables.registry import TABLES


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def table(name: str) -> str:
    """Fingerprint of a table's entry: its kind's code, what the entry says, and the recipes that it shows."""
    entry = TABLES[name]
    all_kinds = frozenset({"r3gan.tables.registry"})
    code = code_of(type(entry).__module__, "r3gan.tables.write", without=all_kinds)
    return _digest([code, ascii(entry), {config: recipes(config) for config in entry.configs()}])


def recipe(config: str, dataset: str) -> str:
    """Fingerprint of a configuration's entry at a data set, without its title and summary."""
    entry = find_config(config).describe(dataset)
    return _digest({key: value for key, value in entry.items() if key not in ("title", "summary", "unpublished")})


def recipes(config: str) -> str:
    """Fingerprint of a configuration's entries at all its data sets."""
    return _digest({dataset: recipe(config, dataset) for dataset in find_config(config).recipes})


def all_recipes() -> str:
    """Fingerprint of all configurations' entries."""
    return _digest({config: recipes(config) for config in CONFIGS})


def source(dataset: str) -> str:
    """Fingerprint of a data set's entry."""
    return _digest(sources.describe(dataset))


def of_study(study: Study) -> dict[str, str]:
    """Every fingerprint that a study's stages depend on, by the name of its file."""
    found = {f"code.{stage}": code_of_stage(stage) for stage in STAGES}
    found |= {f"source.{name}": source(name) for name in study.datasets}
    found |= {f"recipe.{run.key}": recipe(run.config, run.dataset) for run in study.trained.values()}
    found |= {f"table.{name}": table(name) for name in TABLES}
    return found | {"recipes": all_recipes()}
