"""The table of speed from made-up measurements: what is shown, and what is claimed of a GPU's peak."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from r3gan.tables import TABLES, SpeedTable
from r3gan.tables.cells import read_cells
from r3gan.tables.speed import bf16_peak_share, write_speed_table

TABLE7 = TABLES["table7"]
assert isinstance(TABLE7, SpeedTable)


def entry(**changed: Any) -> dict[str, Any]:
    return {
        "config": "E", "size": "cifar10", "batch": 512, "step": "iteration", "ours_ms": 100.0, "textbook_ms": 250.0,
        "ratio": 2.5, "img_per_s": 5120.0, "rounds": 7, "ours_peak_mib": 10.0, "textbook_peak_mib": 20.0,
        "gmac_per_image": 7.02,
    } | changed  # fmt: skip


def write_benchmark(
    results: Path, hardware: str, device: dict[str, Any], *entries: dict[str, Any], module: str = "steps"
) -> None:
    folder = results / "benchmarks" / hardware
    folder.mkdir(parents=True)
    stamp = {
        "date": "2026-01-02T03:04:05+00:00", "code": {"commit": "c" * 40, "dirty": False}, "device": device,
        "versions": {"python": "3.11", "torch": "2", "numpy": "2", "scipy": "1"},
    }  # fmt: skip
    (folder / f"{module}.json").write_text(json.dumps({"measured": list(entries), "provenance": stamp}))


def test_each_machine_has_its_section_and_only_a_gpu_a_share_of_its_peak(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "h100", {"type": "cuda", "name": "NVIDIA H100 80GB HBM3", "count": 1}, entry())
    cpu = {"type": "cpu", "name": "a processor, 2 cores", "count": 1, "threads": 2}
    write_benchmark(tmp_path, "processor", cpu, entry(size="cifar10-narrowed", gmac_per_image=None))
    write_speed_table("table7", TABLE7, tmp_path)
    text = (tmp_path / "table7.md").read_text()
    gpu_part, cpu_part = text.split("## processor")
    assert "bf16 peak |" in gpu_part
    assert "bf16 peak |" not in cpu_part
    assert "2.50" in gpu_part
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines[: len(lines) // 2]}) == 1  # it aligns as plain text
    with (tmp_path / "table7.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["hardware"] for row in rows] == ["h100", "processor"]
    # 15 forward passes of 7.02 G multiply-adds, two operations each, 5,120 images a second, 989.4 T a second.
    assert float(rows[0]["bf16_peak_share"]) == pytest.approx(15 * 2 * 7.02e9 * 5120 / 989.4e12)
    assert rows[1]["bf16_peak_share"] == ""


def test_ways_have_a_column_and_cells_of_their_own(tmp_path: Path) -> None:
    cpu = {"type": "cpu", "name": "a processor, 2 cores", "count": 1, "threads": 2}
    entries = [entry(config="projected-fastgan", gmac_per_image=None, way=way) for way in ("folded", "compiled")]
    write_benchmark(tmp_path, "processor", cpu, *entries, module="projected")
    table = TABLES["table7-projected"]
    assert isinstance(table, SpeedTable)
    write_speed_table("table7-projected", table, tmp_path)
    text = (tmp_path / "table7-projected.md").read_text()
    assert "Way " in text and "Plain ms" in text and "Textbook" not in text.split("## Notes")[0]
    cells = read_cells(tmp_path / "table7-projected.json")
    assert len({cell.key for cell in cells}) == len(cells) == 2


def test_no_share_is_claimed_where_the_peak_or_the_work_is_unknown() -> None:
    assert bf16_peak_share(entry(), "NVIDIA T4") is None
    assert bf16_peak_share(entry(gmac_per_image=None), "NVIDIA H100") is None


def test_without_measurements_the_table_says_so(tmp_path: Path) -> None:
    write_speed_table("table7", TABLE7, tmp_path)
    assert "Nothing has been measured yet: run `make bench`." in (tmp_path / "table7.md").read_text()
