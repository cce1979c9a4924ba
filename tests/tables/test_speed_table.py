"""The table of speed from made-up measurements: what is shown, and what is claimed of a GPU's peak."""

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace

from r3gan.records import store
from r3gan.records.schema import Device, StepBenchmark, Timing
from r3gan.tables.cell import read_table_file
from r3gan.tables.kinds.speed import SpeedTable, bf16_peak_share
from r3gan.tables.registry import TABLES
from tests.helpers import provenance_on, write_files

TABLE7, PROJECTED = TABLES["table7"], TABLES["table7-projected"]
assert isinstance(TABLE7, SpeedTable)
assert isinstance(PROJECTED, SpeedTable)
H100 = Device(type="cuda", name="NVIDIA H100 80GB HBM3", count=1)
CPU = Device(type="cpu", name="a processor, 2 cores", count=1, threads=2)
ENTRY = Timing(
    config="E", size="cifar10", batch=512, step="iteration", ours_ms=100.0, textbook_ms=250.0, ratio=2.5,
    img_per_s=5120.0, rounds=7, ours_peak_mib=10.0, textbook_peak_mib=20.0, gmac_per_image=7.02,
)  # fmt: skip
NARROWED = replace(ENTRY, size="cifar10-narrowed", gmac_per_image=None)


def write_benchmark(results: Path, hardware: str, device: Device, *entries: Timing, module: str = "steps") -> None:
    record = StepBenchmark(measured=entries, provenance=provenance_on(device))
    store.write(results / f"benchmarks/{hardware}/{module}.json", record)


def test_each_machine_has_its_section_and_only_a_gpu_a_share_of_its_peak(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "h100", H100, ENTRY)
    write_benchmark(tmp_path, "processor", CPU, NARROWED)
    write_files(TABLE7, "table7", tmp_path)
    text = (tmp_path / "table7.md").read_text()
    tables = {part.split("\n")[0]: part for part in text.split("## Notes")[0].split("## ")[1:]}
    assert list(tables) == ["h100", "processor"]
    assert "share of bf16 peak |" in tables["h100"]
    assert "share of bf16 peak |" not in tables["processor"]
    assert "|     2.5 |" in tables["h100"]
    for table in tables.values():
        assert len({len(line) for line in table.splitlines() if line.startswith("|")}) == 1  # it aligns as plain text
    with (tmp_path / "table7.csv").open(newline="") as file:
        values = {(line["section"], line["quantity"]): float(line["reproduced"]) for line in csv.DictReader(file)}
    assert values["processor", "ratio"] == 2.5 and values["processor", "Textbook ms"] == 250.0
    # 15 forward passes of 7.02 G multiply-adds, two operations each, 5,120 images a second, 989.4 T a second.
    assert values["h100", "share of bf16 peak"] == pytest.approx(15 * 2 * 7.02e9 * 5120 / 989.4e12)
    assert ("processor", "share of bf16 peak") not in values


def test_the_official_code_has_a_column_where_it_was_timed(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "processor", CPU, replace(NARROWED, official_ms=300.0), NARROWED)
    write_files(TABLE7, "table7", tmp_path)
    text = (tmp_path / "table7.md").read_text()
    assert "Official ms |" in text and "make bench OFFICIAL=" in text
    official = {cell.quantity: cell.reproduced for cell in read_table_file(tmp_path / "table7.json").cells}
    assert (official["Official ms"], official["official ratio"]) == (300.0, 3.0)


def test_variants_have_rows_and_cells_of_their_own(tmp_path: Path) -> None:
    entries = [
        replace(NARROWED, config="projected-fastgan", variant=variant) for variant in (None, "folded", "compiled")
    ]
    write_benchmark(tmp_path, "processor", CPU, *entries, module="projected")
    write_files(PROJECTED, "table7-projected", tmp_path)
    text = (tmp_path / "table7-projected.md").read_text()
    table = text.split("## Notes")[0]
    assert "Plain ms" in table and "Textbook" not in table
    names = [
        f"projected-fastgan, cifar10-narrowed, batch 512{variant}, iteration"
        for variant in ("", ", folded", ", compiled")
    ]
    lines = [line.strip("| ") for line in table.splitlines() if line.startswith("| projected-fastgan")]
    assert [line.split("  ")[0].split(" |")[0] for line in lines] == names
    cells = read_table_file(tmp_path / "table7-projected.json").cells
    assert len({cell.key for cell in cells}) == len(cells) == 3 * 6
    assert [cell.row for cell in cells if cell.metric == "ms"] == names[:1]  # only this may regress


def test_no_share_is_claimed_where_the_peak_or_the_work_is_unknown() -> None:
    assert bf16_peak_share(ENTRY, "NVIDIA T4") is None
    assert bf16_peak_share(NARROWED, "NVIDIA H100") is None


def test_without_measurements_the_table_says_so(tmp_path: Path) -> None:
    write_files(TABLE7, "table7", tmp_path)
    assert "Nothing has been measured yet: run `make bench`." in (tmp_path / "table7.md").read_text()
