"""All records as one tidy table, one row per measured value: for pandas, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from r3gan.errors import UserError
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


def frame(store: Store, scales: Iterable[str] = ("*",), metrics: Iterable[str] = ()) -> pd.DataFrame:
    """The measured values of these scales, of these metrics or of all, in the order of the records' files."""
    import pandas as pd

    wanted = set(metrics)
    rows = [row for scale in scales for file in store.find(scale) for row in rows_of(file, store.run_record(file))]
    found = [row for row in rows if not wanted or row["metric"] in wanted]
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)


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


def export(found: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV or Parquet, by the file's ending; UserError for another one."""
    from r3gan.files import atomic

    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path}: the ending says the format; allowed: .csv, .parquet")
    with atomic(path) as temporary:
        if path.suffix == ".csv":
            found.to_csv(temporary, index=False, lineterminator="\n")
        else:
            found.to_parquet(temporary, index=False)
