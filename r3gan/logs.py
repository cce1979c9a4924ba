"""FID logs of NVlabs' training code, `metric-*.jsonl`, as runs of the scale `authors`; nothing in them is executed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from r3gan.configs import find_config
from r3gan.data.untrusted import one_line
from r3gan.errors import UserError
from r3gan.files import read_json, sha256
from r3gan.records.provenance import stamp
from r3gan.records.run_id import RunId
from r3gan.records.schema import Convergence
from r3gan.records.store import made, write

SCALE = "authors"
METRIC, SAMPLES = "fid50k_full", 50_000
MAX_LINES = 100_000
SNAPSHOT = re.compile(r"network-snapshot-(\d{6,9})\.pkl")
# What the options file says of a recipe, by its place there.
OPTIONS: dict[str, tuple[str, ...]] = {
    "batch": ("batch_size",),
    "total_kimg": ("total_kimg",),
    "ema_half_life_kimg": ("ema_kimg",),
    "lr": ("D_opt_kwargs", "lr"),
    "gamma": ("loss_kwargs", "r1_gamma"),
    "xflip": ("training_set_kwargs", "xflip"),
}
SCHEDULES = ("ema_half_life_kimg", "lr", "gamma")


def import_log(path: Path, config: str, dataset: str, results: Path, options: Path | None, overwrite: bool) -> Path:
    """Write a log as the convergence record of a run of scale `authors`; returns the record's path.

    The options file is `training_options.json` next to the log unless named. UserError names the file, and the line of
    a log, that is not what it should be; another log is not replaced without `overwrite`.
    """
    entry = find_config(config)
    points = list(read_points(path))
    found = options or path.with_name("training_options.json")
    content = read_options(found)
    recipe = {name: value for name, place in OPTIONS.items() if (value := at_place(content, place, found)) is not None}
    described = entry.describe(dataset)
    described["recipe"] |= {name: [value, value] if name in SCHEDULES else value for name, value in recipe.items()}
    seed = at_place(content, ("random_seed",), found) or 0
    run = RunId(SCALE, dataset, config, int(seed))
    out = results / run.convergence
    if out.exists() and not overwrite:
        raise UserError(f"{out} is there already; --overwrite replaces it")
    made_by = stamp("cpu", 1)
    training = {
        **described, "outcome": "imported", "run": str(run), "config": config, "dataset": dataset, "seed": run.seed,
        "scale": SCALE, "images_seen": round(points[-1]["kimg"] * 1000), "seconds": None,
        "data": {"dataset": dataset, "sha256": None, "count": None}, "provenance": made_by,
    }  # fmt: skip
    protocol = {
        "protocol": f"{METRIC} by the authors' own code", "features": "pool3", "n_fake": SAMPLES, "drawing_seeds": [0],
        "extractor": {"name": "inception-tensorflow", "sha256": None},
        "reference": {"file": path.name, "sha256": sha256(path)},
    }  # fmt: skip
    record = made(
        Convergence,
        {
            "schema": 1, "scale": SCALE, "dataset": dataset, "config": config, "seed": run.seed, "outcome": "imported",
            "data": {"dataset": dataset, "sha256": "", "count": 0}, "training": training, "provenance": made_by,
            "interval_kimg": points[1]["kimg"] - points[0]["kimg"], "points": points, "metrics": {"fid": protocol},
        },
    )  # fmt: skip
    write(out, record)
    return out


def read_points(path: Path) -> Iterator[dict[str, Any]]:
    """A log's lines as points of a convergence record; UserError names the first line that is no measurement."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({one_line(error)})") from None
    if not 2 <= len(lines) <= MAX_LINES:
        raise UserError(f"{path} has {len(lines)} lines; a log has 2 to {MAX_LINES:,}, one for each evaluation")
    last = -1
    for i, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
            value = content["results"][METRIC]
            kimg = int(SNAPSHOT.fullmatch(content["snapshot_pkl"])[1])  # type: ignore[index]
            if not (isinstance(value, int | float) and 0 <= value < 1e6 and kimg > last):
                raise ValueError("its value or its order")
            seconds = float(content.get("total_time") or 0.0)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise UserError(
                f"{path}, line {i} is no evaluation of {METRIC}: it needs results.{METRIC} and a snapshot_pkl named "
                "network-snapshot-KIMG.pkl, later than the line before"
            ) from None
        last = kimg
        yield {"kimg": float(kimg), "train_seconds": 0.0, "values": {"fid": float(value)}, "evaluate_seconds": seconds}


def read_options(path: Path) -> dict[str, Any]:
    return read_json(path, "it is the options file of the run, training_options.json; name it with --options")


def at_place(content: dict[str, Any], place: tuple[str, ...], path: Path) -> Any:
    """A number or truth value of the options; None where there is none; UserError where it is something else."""
    value: Any = content
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    if value is not None and not isinstance(value, int | float):
        raise UserError(f"{path}: {'.'.join(place)} is {one_line(value)}, not a number")
    return value
