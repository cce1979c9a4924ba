"""Where records lie and how they are read and written; it knows run ids and no study."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from r3gan.errors import UserError
from r3gan.files import read_json, write_json
from r3gan.records.run_id import RunId
from r3gan.records.schema import (
    SCHEMAS,
    Benchmark,
    Convergence,
    Evaluation,
    Record,
    RecordType,
    RunRecord,
    StepBenchmark,
    Toys,
    Training,
    upgraded,
)

KINDS: dict[str, type[RunRecord]] = {"metrics.json": Evaluation, "convergence.json": Convergence}
CHECKSUM = "checksum"  # field of a record's file: of all others
TOYS = "toys.json"
HINTS: dict[type[Record], str] = {
    Training: "run `r3gan train` first",
    Evaluation: "run `r3gan evaluate` again",
    Convergence: "run `r3gan evaluate-snapshots` again",
    Benchmark: "run `make bench` again",
    StepBenchmark: "run `make bench` again",
    Toys: "run `r3gan toys` again",
}


def read(path: Path, kind: type[RecordType], hint: str = "") -> RecordType:
    """The record in a file; UserError that names file and place where it is missing, damaged or of another version.

    Records of earlier versions carry no checksum.
    """
    hint = hint or HINTS[kind]
    content: dict[str, object] = read_json(path, hint)
    written = content.pop(CHECKSUM, None)
    intact = written in (None, checksum_of(content))
    try:
        known = SCHEMAS.get(kind)
        if kind is Evaluation and content.get("schema") == 1:
            content = upgraded(content)
        if known is not None and content.get("schema", known) != known:
            raise UserError(f"{path} is a record of schema {content['schema']}, this version reads {known}: {hint}")
        if place := not_finite(content):
            raise UserError(f"{path} holds a number that is not finite at {place}: {hint}")
        record = msgspec.convert(content, kind)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a record of this version ({error}): {hint}") from None
    if not intact:
        raise UserError(f"{path} is damaged, or was edited: its checksum differs: {hint}")
    return record


def not_finite(value: object, place: str = "$") -> str:
    """Where the first number lies that is infinite, not a number or no 64-bit integer; empty if there is none."""
    if isinstance(value, int | float):
        return "" if (math.isfinite(value) if isinstance(value, float) else abs(value) < 1 << 63) else place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next(filter(None, (not_finite(part, f"{place}.{key}") for key, part in parts)), "")


def made(kind: type[RecordType], content: Mapping[str, object]) -> RecordType:
    """A record from plain values, checked as it is when it is read again."""
    return msgspec.convert(content, kind)


def write(path: Path, record: Record) -> None:
    """Write a record; what it leaves at its default stands there too, so that a file can be read without this code."""
    content = as_json(record)
    write_json(path, content | {CHECKSUM: checksum_of(content)})


def checksum_of(content: Mapping[str, object]) -> str:
    """Hash of a record's values, however they are laid out in the file."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def as_json(record: Record) -> dict[str, object]:
    """A record as plain JSON values."""
    content: dict[str, object] = json.loads(msgspec.json.encode(record))
    return content


def read_training(run_folder: Path, hint: str = "") -> Training:
    """train.json of a run's folder."""
    return read(run_folder / "train.json", Training, hint)


@dataclass(frozen=True)
class Store:
    """The records below a folder of results, each read once."""

    results: Path

    def has(self, record: str) -> bool:
        return (self.results / record).exists()

    def evaluation(self, run: RunId) -> Evaluation:
        return read(self.results / run.metrics, Evaluation)

    def convergence(self, run: RunId, hint: str = "") -> Convergence:
        return read(self.results / run.convergence, Convergence, hint)

    def toys(self, file: str) -> Toys:
        return read(self.results / file, Toys)

    def run_record(self, record: str) -> Evaluation | Convergence:
        """An evaluation or a convergence by its file below the folder."""
        kind = KINDS[Path(record).name]
        assert issubclass(kind, Evaluation | Convergence)
        return read(self.results / record, kind)

    def any_record(self, record: str) -> Evaluation | Convergence | Toys:
        """A run's record, or that of a scale's toys."""
        return self.toys(record) if Path(record).name == TOYS else self.run_record(record)

    def find(self, scale: str = "*") -> Iterator[str]:
        """All evaluations and convergences of a scale, or of every one, by their files below the folder."""
        for path in sorted(self.results.glob(f"{scale}/*/*/seed*/*.json")):
            if path.name in KINDS:
                yield self._name(path)

    def benchmarks(self, module: str = "*") -> dict[str, Benchmark]:
        """What was measured on every machine, by file below the folder."""
        return {self._name(path): read(path, Benchmark) for path in self._benchmark_files(module)}

    def step_benchmarks(self, module: str) -> dict[str, StepBenchmark]:
        """Likewise of a module that times training steps, by the machine's folder."""
        return {path.parent.name: read(path, StepBenchmark) for path in self._benchmark_files(module)}

    def _benchmark_files(self, module: str) -> list[Path]:
        return sorted(self.results.glob(f"benchmarks/*/{module}.json"))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.results).as_posix()
