"""Damaged files through every reader; `python -m tests.fuzz SECONDS` (make fuzz) tries them at random and counts.

A reader has to return what the file held, or end with a UserError of one line, and to leave no file behind. Where a
file carries a checksum, anything else than what was written must be refused.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from r3gan.cli.arguments import open_prepared
from r3gan.errors import UserError
from r3gan.logs import read_points
from r3gan.metrics.reference import read_statistics
from r3gan.records import store
from r3gan.records.curves import read_curve
from r3gan.records.schema import Evaluation, Training
from r3gan.released import read_snapshot
from r3gan.study import read_study
from r3gan.tables.cell import read_table_file
from r3gan.tables.published import read_lines
from r3gan.training import checkpoint
from r3gan.weights import load_network
from tests.conftest import REPOSITORY, TINY_STUDY
from tests.helpers import evaluation_of

WORDS = ("-1", "1e999", "null", '"x"', "[]", "{}", "NaN", "true", "0", "99999999999999999999", "\ud7ff", "")
Reader = Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file: what makes a valid one in a folder, and what reads it."""

    make: Callable[[Path], Path]
    read: Reader
    checked: bool = False  # whether it carries a checksum


def checkpoint_file(folder: Path) -> Path:
    """Small, and otherwise as training writes one."""
    tensors = {f"generator/{i}": torch.arange(40.0) + i for i in range(3)} | {"path_length_mean": torch.tensor(0.5)}
    header = {"identity": {"code": "1"}, "final": False, "micro": 8, "step": 5, "curve": [], "snapshots": []}
    text = json.dumps(header | {"sha256": {name: checkpoint.digest(value) for name, value in tensors.items()}})
    path = folder / "checkpoint-000000005.safetensors"
    save_file(tensors, path, {"state": text, "sha256": hashlib.sha256(text.encode()).hexdigest()})
    return path


def plain(found: checkpoint.Found) -> object:
    return found[0], {name: value.tolist() for name, value in found[1].items()}


def read_checkpoint(path: Path) -> object:
    try:
        return plain(checkpoint.read(path))
    except checkpoint.Damaged as error:
        raise UserError(" ".join(str(error).split())) from None


def record_file(folder: Path) -> Path:
    path = folder / "metrics.json"
    store.write(path, evaluation_of("smoke/stackedmnist5k-16/E/seed0", {"modes": 700.0}))
    return path


def training_file(folder: Path) -> Path:
    path = folder / "train.json"
    store.write(path, evaluation_of("smoke/stackedmnist5k-16/E/seed0", {"modes": 700.0}).training)
    return path


def data_set(folder: Path) -> Path:
    np.save(folder / "images.npy", np.zeros((4, 3, 8, 8), np.uint8))
    np.save(folder / "labels.npy", np.zeros(4, np.int64))
    manifest = {"dataset": "x", "shape": [3, 8, 8], "count": 4, "classes": 1, "sha256": "a" * 64}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / "manifest.json"


def array_file(folder: Path) -> Path:
    return data_set(folder).with_name("images.npy")


def study_file(folder: Path) -> Path:
    (folder / "study.yaml").write_text(TINY_STUDY)
    return folder / "study.yaml"


def copied(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return Path(shutil.copyfile(REPOSITORY / name, folder / Path(name).name))

    return make


def statistics_file(folder: Path) -> Path:
    features = np.random.default_rng(0).normal(size=(50, 6))
    np.savez(folder / "reals.npz", mu=features.mean(0), sigma=np.cov(features.T), count=50)
    return folder / "reals.npz"


def network() -> torch.nn.Module:
    return torch.nn.Linear(4, 3)


def weights_file(folder: Path) -> Path:
    torch.manual_seed(0)
    save_file(dict(network().state_dict()), folder / "generator.safetensors")
    return folder / "generator.safetensors"


def read_weights(path: Path) -> object:
    filled = network()
    load_network(path, filled, "train it first")
    return {name: value.tolist() for name, value in filled.state_dict().items()}


def snapshot_file(folder: Path) -> Path:
    """No snapshot, but a pickle that begins as one: a real one takes long to make."""
    (folder / "snapshot.pkl").write_bytes(
        b"\x80\x04}(\x8c\x01Gccollections\nOrderedDict\n)R\x8c\x01DcR3GAN.Networks\nGenerator\n)\x81}b\x8c\x05G_emaNu."
    )
    return folder / "snapshot.pkl"


def curve_file(folder: Path) -> Path:
    (folder / "loss.csv").write_text("kimg,loss_d,loss_g\n1,0.7,0.5\n2,0.6,50\n")
    return folder / "loss.csv"


def log_file(folder: Path) -> Path:
    lines = [
        {"results": {"fid50k_full": 9.5 - i}, "snapshot_pkl": f"network-snapshot-{i:06d}.pkl", "total_time": 1.5}
        for i in range(4)
    ]
    (folder / "metric.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "metric.jsonl"


def no_snapshot(path: Path) -> object:
    """The file is none: whatever is changed, it is refused."""
    return read_snapshot(path)


KINDS: Mapping[str, Kind] = {
    "checkpoint": Kind(make=checkpoint_file, read=read_checkpoint, checked=True),
    "metrics.json": Kind(make=record_file, read=lambda path: store.read(path, Evaluation), checked=True),
    "train.json": Kind(make=training_file, read=lambda path: store.read(path, Training), checked=True),
    "manifest": Kind(make=data_set, read=lambda path: open_prepared(path.parent).manifest),
    "array": Kind(make=array_file, read=lambda path: open_prepared(path.parent).images.tolist()),
    "study": Kind(make=study_file, read=lambda path: read_study(path)),
    "published.csv": Kind(make=copied("r3gan/tables/published.csv"), read=read_lines.__wrapped__),
    "table": Kind(make=copied("results/table2.json"), read=read_table_file),
    "statistics": Kind(make=statistics_file, read=lambda path: [m.tolist() for m in statistics_of(path)]),
    "weights": Kind(make=weights_file, read=read_weights),
    "snapshot": Kind(make=snapshot_file, read=no_snapshot),
    "curve": Kind(make=curve_file, read=read_curve),
    "log": Kind(make=log_file, read=lambda path: list(read_points(path))),
}


def statistics_of(path: Path) -> tuple[torch.Tensor, ...]:
    moments = read_statistics(path, None)[0].moments
    assert moments is not None
    return moments


def damage(content: bytes, chance: random.Random) -> bytes:
    """The file with one thing wrong: bits, length, pieces out of place, words of another type, names."""
    at, to = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    text = content.decode("latin1")
    words = list(re.finditer(r'"[^"\n]{0,40}"|[-\d.]+|[A-Za-z_]{3,}', text))
    word = chance.choice(words) if words else None
    ways: list[Callable[[], bytes]] = [
        lambda: (
            content[:at] + bytes([content[min(at, len(content) - 1)] ^ (1 << chance.randrange(8))]) + content[at + 1 :]
        ),
        lambda: content[:at],
        lambda: content[:at] + content[to:],
        lambda: content[:to] + content[at:],
        lambda: content[:at] + chance.choice((b"\xff\xfe", b"\0", b"\n", b",", b'"', b"{")) + content[at:],
        lambda: b"",
        lambda: b"version https://git-lfs.github.com/spec/v1\n",
    ]
    if word is not None:
        start, end = word.span()
        new = chance.choice(WORDS).encode()
        ways += [lambda: content[:start] + new + content[end:]] * 4
        ways += [lambda: content[:start] + b"x" + content[start + 1 :]] * 2
    return chance.choice(ways)()


# By kind the bytes that are damaged, the same in every try: safetensors orders the names in its header at random.
MADE: dict[Kind, bytes] = {}


def attempt(kind: Kind, chance: random.Random, folder: Path) -> str:
    """Damage a file of this kind and read it; the outcome, or an AssertionError that says what is wrong."""
    path = kind.make(folder)
    content = MADE.setdefault(kind, path.read_bytes())
    path.write_bytes(content)
    right = kind.read(path) if kind.checked else None
    damaged = damage(content, chance)
    path.write_bytes(damaged)
    before = sorted(folder.iterdir())
    try:
        found = kind.read(path)
    except UserError as error:
        outcome = "refused" if len(str(error).splitlines()) == 1 else f"WRONG: several lines: {error}"
    else:
        outcome = "as it was" if damaged == content else "read"
        assert not kind.checked or found == right, "other values were read in silence"
    assert not outcome.startswith("WRONG"), outcome
    assert sorted(folder.iterdir()) == before, "a file was left behind"
    return outcome


def main(seconds: float) -> int:
    tries: Counter[tuple[str, str]] = Counter()
    deadline, seed = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        for name, kind in KINDS.items():
            seed += 1
            with tempfile.TemporaryDirectory() as folder:
                try:
                    outcome = attempt(kind, random.Random(seed), Path(folder))
                except Exception as error:
                    outcome = f"WRONG: {type(error).__name__}: {error}"[:120]
                    print(f"{name}, seed {seed}: {outcome}", flush=True)
            tries[name, outcome] += 1
    for (name, outcome), count in sorted(tries.items()):
        print(f"{name:15s} {count:7d} {outcome}")
    wrong = sum(count for (_, outcome), count in tries.items() if outcome.startswith("WRONG"))
    print(f"{sum(tries.values())} tries, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
