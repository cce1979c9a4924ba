"""What a stage depends on besides its files: the code it imports, and its own entry of a registry.

Registries count entry by entry, so that a new configuration, data set or table reruns nothing else.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from r3gan.configs import CONFIGS, Config, find_config
from r3gan.data import sources
from r3gan.pipeline.code import STAGES, code_of, code_of_stage
from r3gan.study import OwnSource, Study
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
    """Fingerprint of a configuration's entry at a data set, without its title and summary.

    Where there is no preset, of the entry without sizes and of the rule that derives them; what they are derived from,
    the prepared data set, is a file.
    """
    known = find_config(config)
    entry = known.describe(dataset) if dataset in known.recipes else derived_from(known)
    return _digest({key: value for key, value in entry.items() if key not in ("title", "summary", "unpublished")})


def derived_from(config: Config) -> dict[str, object]:
    """What a recipe without a preset depends on: the configuration, all its recipes, and the code of the rule."""
    name = next(iter(config.recipes))
    presets = {dataset: config.describe(dataset)["recipe"] for dataset in config.recipes}
    return config.describe(name) | {"recipe": presets, "size": code_of("r3gan.configs.derive")}


def recipes(config: str) -> str:
    """Fingerprint of a configuration's entries at all its data sets."""
    return _digest({dataset: recipe(config, dataset) for dataset in find_config(config).recipes})


def all_recipes() -> str:
    """Fingerprint of all configurations' entries."""
    return _digest({config: recipes(config) for config in CONFIGS})


def source(dataset: str, own: OwnSource | None = None) -> str:
    """Fingerprint of a data set's entry; of own pictures also of the files' names, sizes and dates."""
    return _digest(sources.describe(dataset) if own is None else [asdict(own), listing(Path(own.path))])


def listing(path: Path) -> list[tuple[str, int, int]]:
    """The files at or below a path, with size and date of each; none where it does not exist."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files]


def of_study(study: Study) -> dict[str, str]:
    """Every fingerprint that a study's stages depend on, by the name of its file."""
    found = {f"code.{stage}": code_of_stage(stage) for stage in STAGES}
    found |= {f"source.{name}": source(name, study.sources.get(name)) for name in study.datasets}
    found |= {f"recipe.{run.key}": recipe(run.config, run.dataset) for run in study.trained.values()}
    found |= {f"table.{name}": table(name) for name in TABLES}
    return found | {"recipes": all_recipes()}
