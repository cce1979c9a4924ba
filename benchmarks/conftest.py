"""Writes what was measured as one small JSON file per machine, from which the speed tables are made."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from r3gan.records.provenance import code_version, hardware_name, stamp
from r3gan.records.schema import Benchmark
from r3gan.records.store import made, read, write

RESULTS = Path("results/benchmarks")


def pytest_configure() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


def same_row(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rows of any module are of the same work: all names in them are equal, and how much of it there is."""
    names = [{k: v for k, v in row.items() if isinstance(v, str) or k in ("batch", "images")} for row in (one, other)]
    return names[0] == names[1]


def kept_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a record that the same commit has written; none of another, since a record has one provenance."""
    earlier = read(path, Benchmark)
    same = earlier.provenance.code.commit == code_version().commit
    return [dict(row) for row in earlier.measured] if same else []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-rows",
        action="store_true",
        help="keep the record's rows that are not timed now; write even if a case fails",
    )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """One file a benchmark module; a partial run (-k) replaces it too, one that compares with earlier runs does not.

    With --keep-rows the rows that the file has of the same commit stay, and what was timed before a failure or an
    interrupt is written: for a GPU that is lent for minutes.
    """
    found, keep = getattr(session.config, "_benchmarksession", None), session.config.getoption("keep_rows")
    failed = exitstatus != 0 and not keep
    if failed or found is None or not found.benchmarks or session.config.getoption("benchmark_compare"):
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    by_module: dict[str, list[dict[str, Any]]] = {}
    for benchmark in found.benchmarks:
        module = Path(benchmark.fullname.split("::")[0]).stem.removeprefix("test_")
        if benchmark.extra_info:  # of a case that failed there is none
            by_module.setdefault(module, []).append(dict(benchmark.extra_info))
    for module, measured in by_module.items():
        path = RESULTS / hardware_name(device) / f"{module}.json"
        if keep and path.exists():
            measured = [row for row in kept_rows(path) if not any(same_row(row, new) for new in measured)] + measured
        content = {
            "measured": measured,
            "provenance": stamp(device, torch.get_num_threads()),
            "load": round(os.getloadavg()[0], 1),
        }
        write(path, made(Benchmark, content))
