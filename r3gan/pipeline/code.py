"""Fingerprints of code by content: the same on every Python from 3.11 on, whatever a module is called.

Of a module's syntax tree only what can change a result counts, so no comments, docstrings or layout; a name of a module
of this package stands for that module's content. Registries are left out, since fingerprint.py counts them entry by
entry, and so is what only reports. This module itself needs nothing but the standard library.
"""

import ast
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "r3gan"
# The module that does a stage's work; the command line itself is compared by both engines.
STAGES: Mapping[str, str] = {
    "prepare": "r3gan.data.build",
    "fit": "r3gan.metrics.classifier",
    "train": "r3gan.training.loop",
    "evaluate": "r3gan.metrics.evaluate",
    "evaluate_snapshots": "r3gan.metrics.convergence",
    "released": "r3gan.released",
    "toys": "r3gan.toys",
    "costs": "r3gan.estimate",
    "report": "r3gan.report.write",
}
_CONFIGS = ("recipe", "sizes", "presets", "table1", "stackedmnist", "projected")
REGISTRIES = frozenset(
    {"r3gan.configs", *(f"r3gan.configs.{name}" for name in _CONFIGS), "r3gan.data.sources", "r3gan.tables.registry"}
)
# What only reports, or decides when something is computed and not what.
OBSERVERS = frozenset(
    {
        "r3gan.errors",
        "r3gan.pipeline.code",
        "r3gan.pipeline.fingerprint",
        "r3gan.progress",
        "r3gan.records.provenance",
        "r3gan.records.schema",
        "r3gan.records.store",
        "r3gan.training.trackers",
    }
)
# Fields of syntax trees that change no result. Those that newer versions of Python have added are empty in this code.
SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class Reference(NamedTuple):
    """A module of this package, named in the code of another."""

    module: str


class Import(NamedTuple):
    """`from <module> import <name> as <local>`; without a name, the module itself."""

    module: str | Reference
    name: str = ""
    local: str = ""


class Source(NamedTuple):
    """What counts of a module: its imports in any order, its code as words, and the files next to it."""

    imports: frozenset[Import]
    words: tuple[str | Reference, ...]

    @property
    def references(self) -> set[str]:
        """The modules of this package that it imports, also inside functions."""
        return {i.module.module for i in self.imports if isinstance(i.module, Reference)}

    def digest(self, name_of: Callable[[str], str]) -> str:
        """Hash in which the modules that it names are called `name_of` their names."""

        def called(word: str | Reference) -> str:
            return name_of(word.module) if isinstance(word, Reference) else word

        imports = sorted(f"{called(i.module)} {i.name} {i.local}" for i in self.imports)
        return digest([*imports, *map(called, self.words)])


def code_of_stage(stage: str) -> str:
    """Fingerprint of the code that a stage imports."""
    return code_of(STAGES[stage])


@functools.cache
def code_of(*modules: str, without: frozenset[str] = frozenset()) -> str:
    """Fingerprint of modules and of all that they import, directly or not, without following those in `without`."""
    counted = imported_by(modules, without) - REGISTRIES
    return digest(sorted({content(module) for module in counted if any(read(module))}))[:16]


def imported_by(modules: Iterable[str], without: frozenset[str] = frozenset()) -> set[str]:
    """These modules and those of this package that they import, directly or not."""
    found: set[str] = set()
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        if module not in found | OBSERVERS | without:
            found.add(module)
            waiting += read(module).references
    return found


@functools.cache
def content(module: str) -> str:
    """Hash of a module's code, in which it matters from which other code it imports."""
    return read(module).digest(own_content)


@functools.cache
def own_content(module: str) -> str:
    """Hash of a module's code alone; of registries and observers only what they are."""
    if module in REGISTRIES | OBSERVERS:
        return "registry" if module in REGISTRIES else "observer"
    return read(module).digest(lambda _: "module")


@functools.cache
def read(module: str) -> Source:
    """What counts of a module of this package."""
    path = path_of(module)
    assert path is not None, module
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = frozenset(imports_of(tree))
    bound = {i.local: i.module for i in imports if isinstance(i.module, Reference) and not i.name}
    # The templates and styles of a page are next to its module: page.html.j2, page.css.
    companions = sorted(file for file in path.parent.glob(f"{path.stem}.*") if file.suffix != ".py")
    words: list[str | Reference] = [hashlib.sha256(file.read_bytes()).hexdigest() for file in companions]
    add_words(tree, bound, words)
    return Source(frozenset(i._replace(local="") if i.local in bound else i for i in imports), tuple(words))


def path_of(module: str) -> Path | None:
    """The file of a module of this package; None where it is something else."""
    base = ROOT.joinpath(*module.split("."))
    found = (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
    return next(found, None) if module.split(".")[0] == PACKAGE else None


def imports_of(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = Reference(alias.name) if path_of(alias.name) else alias.name
                yield Import(module, local=alias.asname or alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, "imports are absolute"
            for alias in node.names:
                local = alias.asname or alias.name
                if path_of(below := f"{node.module}.{alias.name}"):
                    yield Import(Reference(below), local=local)
                else:
                    module = Reference(node.module) if path_of(node.module) else node.module
                    yield Import(module, alias.name, local)


def add_words(value: object, bound: Mapping[str, Reference], words: list[str | Reference]) -> None:
    """Append a syntax tree, the same in every version of Python; `bound` are the names of modules of this package."""
    if isinstance(value, ast.Constant):
        words.append(f"{type(value.value).__name__} {value.value!a}")  # ASCII: what is printable differs by version
    elif isinstance(value, ast.Name) and value.id in bound:
        words.append(bound[value.id])
    elif isinstance(value, ast.AST):
        words.append(type(value).__name__)
        for field in value._fields:
            part = getattr(value, field, None)
            if part is not None and part != [] and field not in SILENT:
                words.append(field)
                add_words(joined(part) if isinstance(value, ast.JoinedStr) else part, bound, words)
        words.append("end")
    elif isinstance(value, list):
        for part in value:
            if not is_silent(part):
                add_words(part, bound, words)
    else:
        words.append(ascii(value))


def is_silent(node: object) -> bool:
    """Whether it is an import, which counts wherever it stands, or a docstring."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Import | ast.ImportFrom)


def joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring texts as one; versions of Python cut them differently."""
    found: list[ast.expr] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            found[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            found.append(part)
    return found


def digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
