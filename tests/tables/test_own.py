"""The table of runs on your own pictures: of studies and by hand, never replacing a record."""

from dataclasses import replace
from pathlib import Path

from msgspec.structs import replace as changed

from r3gan.records import store
from r3gan.study import OwnSource
from r3gan.tables.registry import TABLES
from tests.helpers import evaluation_of, study_of, write_files, write_run

SHAPES = OwnSource(name="shapes", kind="pictures", path="in", resolution=16)
SMOKE = "stackedmnist5k-16"


def test_runs_of_studies_and_by_hand_have_a_section_for_each_data_set(tmp_path: Path) -> None:
    # Made-up records are described by presets, so they are renamed afterwards.
    for scale, seed, value in (("desk", 0, 30.0), ("desk", 1, 50.0), ("own", 0, 7.0)):
        record = evaluation_of(f"{scale}/{SMOKE}/E/seed{seed}", {"lite1-frechet-64px": value})
        run = f"{scale}/shapes/E/seed{seed}"
        write_run(tmp_path, changed(record, dataset="shapes", training=changed(record.training, run=run)))
    study = replace(study_of("desk", "shapes/E/seed0", "shapes/E/seed1"), sources={"shapes": SHAPES})
    content = write_files(TABLES["own-pictures"], "own-pictures", tmp_path, [study])
    text = (tmp_path / "own-pictures.md").read_text()
    desk, own = text.index("## shapes, desk scale"), text.index("## shapes, own scale")
    assert "40 +- 14" in text[desk:own] and "2 " in text[desk:own]
    assert "7 " in text[own:] and "1 (single run)" in text[own:]
    assert [picture.name for picture in content.pictures] == ["desk-shapes-samples", "own-shapes-samples"]
    assert (tmp_path / "own-pictures/own-shapes-samples.png").exists()
    assert (tmp_path / "own/shapes/E/seed0/metrics.json").exists()
    assert store.Store(tmp_path).has("own/shapes/E/seed0/metrics.json")


def test_without_runs_it_says_where_to_read_on(tmp_path: Path) -> None:
    write_files(TABLES["own-pictures"], "own-pictures", tmp_path)
    assert "docs/own.md" in (tmp_path / "own-pictures.md").read_text()
