"""Writes what was measured as one small JSON file per machine, from which the speed tables are made."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from r3gan.records.provenance import hardware_name, stamp
from r3gan.records.schema import Benchmark
from r3gan.records.store import made, write

RESULTS = Path("results/benchmarks")


def pytest_configure() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """One file a benchmark module; a partial run (-k) replaces it too, one that compares with earlier runs does not."""
    found = getattr(session.config, "_benchmarksession", None)
    if exitstatus != 0 or found is None or not found.benchmarks or session.config.getoption("benchmark_compare"):
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    by_module: dict[str, list[dict[str, Any]]] = {}
    for benchmark in found.benchmarks:
        module = Path(benchmark.fullname.split("::")[0]).stem.removeprefix("test_")
        by_module.setdefault(module, []).append(dict(benchmark.extra_info))
    for module, measured in by_module.items():
        path = RESULTS / hardware_name(device) / f"{module}.json"
        content = {
            "measured": measured,
            "provenance": stamp(device, torch.get_num_threads()),
            "load": round(os.getloadavg()[0], 1),
        }
        write(path, made(Benchmark, content))
