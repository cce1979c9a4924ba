"""Numbers that others made: what is not as it should be is one sentence, before anything is computed from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r3gan.cli import main
from r3gan.errors import UserError
from r3gan.metrics import METRICS
from r3gan.metrics.reference import read_statistics
from r3gan.metrics.samples import Sample
from r3gan.released import read_snapshot
from r3gan.tables.published import PUBLISHED_CSV, read_lines

GOOD = np.cov(np.random.default_rng(0).normal(size=(50, 6)).T)
NAN, ASYMMETRIC, NEGATIVE = GOOD.copy(), GOOD.copy(), GOOD.copy()
NAN[1, 2] = np.nan
ASYMMETRIC[1, 2] += 0.1
NEGATIVE[3, 3] = -1


@pytest.mark.parametrize(
    ("sigma", "said"),
    [
        (NAN, "a number in them is not finite"),
        (ASYMMETRIC, "sigma is not symmetric"),
        (-np.eye(6), "a variance is negative"),
        (NEGATIVE, "a variance is negative"),
        (GOOD.astype(np.complex128), "of type float64 and complex128"),
        (GOOD[:4], r"shapes \(6,\) and \(4, 6\)"),
        (np.eye(6, dtype=np.int64), "not floats"),
    ],
)
def test_statistics_that_are_none_are_refused(sigma: Any, said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "reals.npz", mu=np.zeros(6), sigma=sigma)
    with pytest.raises(UserError, match=said):
        read_statistics(tmp_path / "reals.npz", None)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_good_statistics_are_read_as_they_are(kind: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "reals.npz", mu=np.arange(6, dtype=kind), sigma=GOOD.astype(kind), count=50)
    sample, _ = read_statistics(tmp_path / "reals.npz", None)
    assert sample.count == 50
    assert np.array_equal(sample.statistics[1], GOOD.astype(kind).astype(np.float64))


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(UserError, match="is a git LFS pointer instead of the file"):
        read_snapshot(tmp_path / "x.pkl")
    np.save(tmp_path / "x.npy", GOOD)
    (tmp_path / "x.npy").rename(tmp_path / "reals.npz")
    with pytest.raises(UserError, match=r"cannot be read as an \.npz file with mu and sigma"):
        read_statistics(tmp_path / "reals.npz", None)


def test_each_metric_says_how_many_samples_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {name: METRICS[name].least for name in ("fid", "kid", "recall", "modes")} == {
        "fid": 2, "kid": 2, "recall": 4, "modes": 1,
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "own/cifar10/E/seed0", "--metrics", "recall", "--samples", "3"]) == 2
    assert "needs at least 4 fake images, and there are 3" in capsys.readouterr().err
    with pytest.raises(UserError, match="needs at least 2 real images, and there are 1"):
        METRICS["kid"].score(Sample(count=1), Sample(count=5))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("7.516", "7.5x16", "line 2: value, status"),
        (",paper,", ",papper,", "line 2: value, status"),
        ("table,row", "tabel,row", "line 1: the columns must be"),
        (
            "table1,A StyleGAN2,g_params",
            "table1,A StyleGAN2,fid",
            "line 3: value, status or a name that is there twice",
        ),
        ("table1,A", "\udcff,A", "cannot be read as published numbers"),
        ("table1,A StyleGAN2,fid,7.516", "table1,,fid,7.516", "line 2: it must fill"),
    ],
)
def test_published_numbers_are_read_strictly(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = PUBLISHED_CSV.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "published.csv").write_bytes(text.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=said):
        read_lines(tmp_path / "published.csv")
