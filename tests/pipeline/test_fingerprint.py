"""What reruns a stage: an edit of code it imports, its own entry; not words, names of modules or other entries."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from r3gan.pipeline import code, fingerprint
from r3gan.tables.registry import TABLES
from tests.conftest import REPOSITORY

# Every construct whose syntax tree has differed between versions of Python, or whose notation may.
SAMPLE = '''
"""Words."""
import r3gan.other as other
from r3gan.other import name as local

def shown(x: "int | None" = None, *values: float, width: int = 0x1F, **rest: bytes) -> str:
    """Words."""
    match x:
        case None | True: return "é\\u0378😀"
        case {"a": [1, *_], **rest}: return u"x" "y" f"z{x!r}" 'w'
    return f"{x:>{max(1, width) + 1}}: {x=} {{}} {values[0]:.3g}{other.value}" + local[::2, ..., None]
'''


def clear() -> None:
    for cached in (code.code_of, code.content, code.own_content, code.read):
        cached.cache_clear()


def codes() -> dict[str, str]:
    clear()
    return {stage: code.code_of_stage(stage) for stage in code.STAGES}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that the fingerprints are taken of."""
    copy = tmp_path / "r3gan"
    shutil.copytree(code.ROOT / "r3gan", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    clear()
    yield copy
    clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_change_nothing(package: Path) -> None:
    before = codes()
    for path in package.rglob("*.py"):
        path.write_text("# a comment\n\n" + path.read_text().replace('"""', '"""Other words. ', 1) + "\n\n")
    style = ["--line-length", "60", "--config", "format.quote-style='single'"]
    layout = ["--config", "format.skip-magic-trailing-comma=true", "--isolated", "--quiet"]
    subprocess.run(["ruff", "format", *style, *layout, str(package)], check=True)
    lines, before_lines = ((root / "r3gan/losses.py").read_text().splitlines() for root in (code.ROOT, REPOSITORY))
    assert len(lines) > len(before_lines) + 10
    assert codes() == before


def rename(package: Path, old: str, new: str) -> None:
    """Move a module and let every import name its new place, in the order that ruff wants."""
    target = package.parent / f"{new.replace('.', '/')}.py"
    target.parent.mkdir(exist_ok=True)
    (target.parent / "__init__.py").touch()
    (package.parent / f"{old.replace('.', '/')}.py").rename(target)
    (old_folder, old_name), (new_folder, new_name) = (name.rsplit(".", 1) for name in (old, new))
    for path in package.rglob("*.py"):
        text = re.sub(rf"\b{re.escape(old)}\b", new, before := path.read_text())
        imported = rf"^( *)from {re.escape(old_folder)} import (.*\b)?{old_name}$"
        if found := re.search(imported, text, flags=re.M):
            others = (found[2] or "").removesuffix(", ")
            kept = rf"\1from {old_folder} import {others}\n" if others else ""
            text = re.sub(imported, rf"{kept}\1from {new_folder} import {new_name}", text, flags=re.M)
            text = re.sub(rf"(?<![.\w]){old_name}\.", f"{new_name}.", text)
        if text != before:
            path.write_text(text)
    subprocess.run(["ruff", "check", "--select", "I", "--fix", "--quiet", str(package)], check=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("r3gan.losses", "r3gan.mathematics.zz_objectives"),
        ("r3gan.models.layers", "r3gan.models.blocks"),
        ("r3gan.data.sources", "r3gan.sources"),
        ("r3gan.training.checkpoint", "r3gan.keeping.state_files"),  # its name stands in the code that imports it
    ],
)
def test_a_module_may_be_moved_and_renamed(old: str, new: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes()
    rename(package, old, new)
    monkeypatch.setattr(code, "REGISTRIES", frozenset(new if name == old else name for name in code.REGISTRIES))
    assert any(new.split(".")[-1] in path.read_text() for path in package.rglob("*.py"))
    assert codes() == before


def test_the_same_name_from_another_module_counts(package: Path) -> None:
    for module, value in (("one", 1), ("two", 2)):
        (package / f"{module}.py").write_text(f"VALUE = {value}\n")
    loop = package / "training/loop.py"
    loop.write_text(f"from r3gan import one, two\nfrom r3gan.one import VALUE\n{loop.read_text()}")
    before = codes()
    edit(loop, "from r3gan.one import", "from r3gan.two import")
    assert codes()["train"] != before["train"]


@pytest.mark.parametrize(
    ("module", "old", "new", "stages"),
    [
        ("losses.py", "softplus(fake - real)", "softplus(fake - real + 0)", {"train", "toys"}),
        (
            "models/layers.py", "(1.0, 3.0, 3.0, 1.0)", "(1.0, 2.0, 2.0, 1.0)",
            {"train", "evaluate", "evaluate_snapshots", "released"},
        ),
        ("metrics/frechet.py", "- 2 * trace", "- 2.0 * trace", {"evaluate", "evaluate_snapshots"}),
        ("metrics/classifier.py", "64, 2e-3, 0", "64, 3e-3, 0", {"fit", "evaluate", "evaluate_snapshots"}),
        ("data/readers/digits.py", "factor, w // factor", "factor, (w // factor)", set()),
        ("data/readers/digits.py", "np.rint", "np.floor", {"prepare"}),
        ("tables/verdict.py", '"differs"', '"other"', {"report"}),
        ("report/page.css", "{", "{ ", {"report"}),
        ("progress.py", "15.0", "16.0", set()),
    ],
)  # fmt: skip
def test_an_edit_changes_the_stages_that_import_it(
    package: Path, module: str, old: str, new: str, stages: set[str]
) -> None:
    before = codes()
    edit(package / module, old, new)
    after = codes()
    changed = {stage for stage in before if before[stage] != after[stage]}
    assert stages <= changed
    # The page counts networks and shows metrics; costs are estimated from both.
    assert changed - stages <= {"costs", "report"}


def test_a_table_depends_on_its_own_kind_and_on_how_tables_are_written(package: Path) -> None:
    def tables() -> dict[str, str]:
        clear()
        return {name: fingerprint.table(name) for name in TABLES}

    before = tables()
    edit(package / "tables/kinds/speed.py", "1e12", "1e11")
    changed = {name for name, now in tables().items() if now != before[name]}
    assert changed == {"table7", "table7-projected"}
    edit(package / "tables/registry.py", "Table 7", "Table seven")  # entries count one by one, as they are imported
    assert {name for name, now in tables().items() if now != before[name]} == changed
    edit(package / "tables/write.py", "## Notes", "## Remarks")
    assert {name for name, now in tables().items() if now != before[name]} == {*TABLES}


def test_a_new_configuration_changes_no_fingerprint(package: Path) -> None:
    before = codes()
    edit(package / "configs/table1.py", "\n}", '\n    "A2": TABLE1,\n}')
    assert codes() == before


def test_each_run_depends_on_its_own_recipe() -> None:
    prints = {name: fingerprint.recipe(name, "stackedmnist5k-16") for name in ("A", "B", "C-rpgan", "C-r2")}
    assert len(set(prints.values())) == 4


def test_stages_are_modules_that_exist() -> None:
    for module in code.STAGES.values():
        found = code.imported_by([module])
        assert len(found) > 3
        assert not any(name.startswith(("tests", "r3gan.cli")) for name in found)
    registries = {module for module in code.REGISTRIES | code.OBSERVERS if code.path_of(module) is None}
    assert registries == set()


def test_the_kept_part_of_a_syntax_tree_is_the_same_in_every_version_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r3gan").mkdir()
    (tmp_path / "r3gan/sample.py").write_text(SAMPLE)
    (tmp_path / "r3gan/other.py").write_text("name, value = [1, 2.5e-3, b'\\x00', 1j], ()\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    clear()
    assert code.code_of("r3gan.sample") == "69fa1ee503a02275"
    clear()


def interpreters() -> list[str]:
    """Every Python of another version on this machine that the package supports, without its packages."""
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    found = {}
    for minor in range(11, 20):
        for folder in folders:
            path = Path(folder) / f"python3.{minor}"
            if minor != sys.version_info.minor and path.is_file() and "shims" not in folder:
                found[minor] = str(path)
    return list(found.values())


@pytest.mark.parametrize("python", interpreters())
def test_other_versions_of_python_give_the_same_fingerprints_without_any_package(python: str) -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); from r3gan.pipeline.code import STAGES, code_of_stage; "
    program += "print({stage: code_of_stage(stage) for stage in STAGES})"
    done = subprocess.run([python, "-S", "-c", program, str(REPOSITORY)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == codes()
