"""What a stage depends on besides its files: the code it imports, and its own entry of a registry.

The code's fingerprint is taken from syntax trees without comments and docstrings, so that only an edit that can change
a result reruns a stage. Modules that hold registries count entry by entry instead: a new configuration reruns nothing.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r3gan.configs import CONFIGS, find_config
from r3gan.data import sources
from r3gan.study import Study
from r3gan.tables.registry import TABLES

PACKAGE = Path(__file__).resolve().parents[1]
# The module that does a stage's work; the command line itself is compared by both engines.
STAGES: Mapping[str, str] = {
    "prepare": "r3gan.data.build",
    "fit": "r3gan.metrics.classifier",
    "train": "r3gan.training.loop",
    "evaluate": "r3gan.metrics.evaluate",
    "converge": "r3gan.metrics.convergence",
    "released": "r3gan.released",
    "costs": "r3gan.estimate",
    "report": "r3gan.report.write",
}
# Registries, hashed per entry; and what only words or observes a result.
_CONFIGS = ("recipe", "sizes", "presets", "table1", "stackedmnist", "projected")
BY_ENTRY = frozenset({"r3gan.configs", *(f"r3gan.configs.{name}" for name in _CONFIGS), "r3gan.data.sources"})
OBSERVERS = frozenset({"r3gan.progress", "r3gan.records.provenance", "r3gan.errors"})


def _path_of(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module) -> set[str]:
    """Modules of this package that a module imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE.name and _path_of(name)}


@functools.cache
def _read(module: str) -> tuple[str, frozenset[str]] | None:
    """The hash of a module's syntax tree (registries: none) and what it imports; None if it counts for nothing."""
    path = _path_of(module)
    if module in OBSERVERS or path is None:
        return None
    tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
    digest = "" if module in BY_ENTRY else hashlib.sha256(ast.dump(tree).encode() + _beside(path)).hexdigest()
    return digest, frozenset(_imports(tree))


def modules_of(*modules: str) -> dict[str, str]:
    """These modules and what they import, directly or not, each with its hash."""
    found: dict[str, str] = {}
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        if module not in found and (read := _read(module)) is not None:
            found[module], imports = read
            waiting += sorted(imports)
    return found


def _beside(path: Path) -> bytes:
    """What a module is written with beside it: page.html.j2 of page.py."""
    files = sorted(file for file in path.parent.glob(f"{path.stem}.*") if file.suffix != ".py")
    return b"".join(file.read_bytes() for file in files)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def code(stage: str) -> str:
    """Fingerprint of the code that a stage imports."""
    return _digest(modules_of(STAGES[stage]))


def table(name: str) -> str:
    """Fingerprint of a table's entry: its kind's code, what the entry says, and the recipes that it shows."""
    entry = TABLES[name]
    return _digest([modules_of(type(entry).__module__), repr(entry), {c: recipes(c) for c in entry.configs()}])


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
    found = {f"code.{stage}": code(stage) for stage in STAGES}
    found |= {f"source.{name}": source(name) for name in study.datasets}
    found |= {f"recipe.{run.key}": recipe(run.config, run.dataset) for run in study.trained.values()}
    found |= {f"table.{name}": table(name) for name in TABLES}
    return found | {"recipes": all_recipes()}
