"""What reruns a stage: an edit of code it imports, its own registry entry; not words, not other entries."""

import ast
import shutil
from pathlib import Path

import pytest

from r3gan.pipeline import fingerprint


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that the fingerprints are taken of."""
    copy = tmp_path / "r3gan"
    shutil.copytree(fingerprint.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "PACKAGE", copy)
    return copy


def codes() -> dict[str, str]:
    fingerprint.code.cache_clear()
    fingerprint._read.cache_clear()
    return {stage: fingerprint.code(stage) for stage in fingerprint.STAGES}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_change_nothing(package: Path) -> None:
    before = codes()
    for path in package.rglob("*.py"):
        path.write_text("# a comment\n\n" + path.read_text().replace('"""', '"""Other words. ', 1) + "\n\n")
    assert codes() == before


@pytest.mark.parametrize(
    ("module", "old", "new", "stages"),
    [
        ("losses.py", "softplus(fake - real)", "softplus(fake - real + 0)", {"train"}),
        (
            "models/layers.py", "(1.0, 3.0, 3.0, 1.0)", "(1.0, 2.0, 2.0, 1.0)",
            {"train", "evaluate", "converge", "released"},
        ),
        ("metrics/frechet.py", "- 2 * trace", "- 2.0 * trace", {"evaluate", "converge"}),
        ("metrics/classifier.py", "64, 2e-3, 0", "64, 3e-3, 0", {"fit", "evaluate", "converge"}),
        ("data/readers/digits.py", "factor, w // factor", "factor, (w // factor)", set()),
        ("data/readers/digits.py", "np.rint", "np.floor", {"prepare"}),
        ("tables/verdict.py", '"differs"', '"other"', {"table"}),
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
    # Rendering imports the metrics' registry, the networks it counts, and the losses it differentiates.
    rendering = {"table", "comparisons", "figures", "convergence", "ablation", "presets", "speed", "propositions"}
    rendering |= {"costs", "report"}
    assert changed - stages <= rendering


def test_a_new_configuration_changes_no_fingerprint(package: Path) -> None:
    before = codes()
    first = "TABLE1: Mapping[str, Config] = {\n"
    edit(package / "configs/table1.py", first, first + '    "A2": E,\n')
    assert codes() == before


def test_each_run_depends_on_its_own_recipe() -> None:
    prints = {name: fingerprint.recipe(name, "stackedmnist5k-16") for name in ("A", "B", "C-rpgan", "C-r2")}
    assert len(set(prints.values())) == 4


def test_stages_are_modules_that_exist_and_parse() -> None:
    for stage, module in fingerprint.STAGES.items():
        found = fingerprint.modules_of(stage)
        assert module in found
        assert not any(name.startswith("tests") for name in found)
        assert "r3gan.cli" not in found
    ast.parse(Path(fingerprint.__file__).read_text())


def test_what_a_page_is_written_with_counts_too(package: Path) -> None:
    before = codes()
    (package / "report/formats.html.j2").write_text("<p>")
    after = codes()
    assert {stage for stage in before if before[stage] != after[stage]} == {"report"}
