"""All records as one tidy table, one row per measured value: for pandas, CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.errors import UserError
from r3gan.files import atomic, write_text
from r3gan.records.schema import Convergence, Evaluation, Protocol, Values
from r3gan.records.store import Store

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "scale": "string", "dataset": "string", "config": "string", "seed": "Int64", "outcome": "string",
    "snapshot": "string", "kimg": "float64", "draw": "Int64", "metric": "string", "value": "float64",
    "n_fake": "Int64", "n_real": "Int64", "protocol": "string", "extractor": "string", "train_seconds": "float64",
    "total_kimg": "float64", "batch": "Int64", "data_sha256": "string", "generator_sha256": "string",
    "device": "string", "commit": "string", "date": "string", "record": "string",
}  # fmt: skip
UNTRAINED = "untrained"  # the snapshot of G before training


def measured_rows(store: Store, scales: Iterable[str] = ("*",), metrics: Iterable[str] = ()) -> list[Values]:
    """The measured values of these scales, of these metrics or of all, in the order of the records' files."""
    wanted = set(metrics)
    rows = [row for scale in scales for file in store.find(scale) for row in rows_of(file, store.run_record(file))]
    return [row for row in rows if not wanted or row["metric"] in wanted]


def frame(store: Store, scales: Iterable[str] = ("*",), metrics: Iterable[str] = ()) -> pd.DataFrame:
    """The measured values as a table of pandas."""
    return as_frame(measured_rows(store, scales, metrics))


def as_frame(rows: list[Values]) -> pd.DataFrame:
    """Rows as a table of pandas, each column with its type."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def as_csv(rows: Iterable[Values]) -> str:
    """Rows as CSV with all columns, without pandas."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    floats = {name for name, kind in COLUMNS.items() if kind == "float64"}
    for row in rows:
        writer.writerow({k: float(v) if k in floats and isinstance(v, int) else v for k, v in row.items()})
    return out.getvalue()


def rows_of(file: str, record: Evaluation | Convergence) -> Iterator[Values]:
    """One row per draw of samples and metric; of a convergence, one per snapshot and metric."""
    if isinstance(record, Convergence):
        for point in record.points:
            measured: Values = {"snapshot": "during training", "kimg": point.kimg, "train_seconds": point.train_seconds}
            for metric, value in point.values.items():
                yield shared(file, record, metric, record.metrics[metric]) | measured | {"value": value}
        return
    for metric, found in record.metrics.items():
        row = shared(file, record, metric, found) | {"n_real": found.n_real}
        row["generator_sha256"] = record.generator_sha256
        if found.untrained is not None:
            untrained = {"snapshot": UNTRAINED, "kimg": 0.0, "draw": 0, "value": found.untrained}
            yield row | untrained | {"train_seconds": 0.0, "generator_sha256": None}
        kimg = found.chosen_by.kimg if found.chosen_by else record.training.kimg
        for draw, value in zip(found.drawing_seeds, found.draws, strict=True):
            measured = {"snapshot": found.snapshot, "kimg": kimg, "draw": draw, "value": value}
            yield row | measured | {"train_seconds": record.training.seconds}


def shared(file: str, record: Evaluation | Convergence, metric: str, protocol: Protocol) -> Values:
    """What all rows of a record's metric have in common."""
    training = record.training
    return {
        **{name: getattr(record, name) for name in ("scale", "dataset", "config", "seed", "outcome")},
        "metric": metric,
        "n_fake": protocol.n_fake,
        "protocol": protocol.protocol,
        "extractor": protocol.extractor.name,
        "total_kimg": training.recipe.total_kimg,
        "batch": training.recipe.batch,
        "data_sha256": record.data.sha256,
        "device": str(training.provenance.device),
        "commit": training.provenance.code.commit,
        "date": training.provenance.date,
        "record": file,
    }


def export(rows: list[Values], path: Path) -> None:
    """Write rows as CSV or Parquet, by the file's ending; UserError for another one."""
    if path.suffix == ".csv":
        write_text(path, as_csv(rows))
    elif path.suffix == ".parquet":
        import pyarrow  # noqa: F401  # pandas would name a missing one in words of its own

        with atomic(path) as temporary:
            as_frame(rows).to_parquet(temporary, index=False)
    else:
        raise UserError(f"{path}: the ending says the format; allowed: .csv, .parquet")
