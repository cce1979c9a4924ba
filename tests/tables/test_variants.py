"""The search: which variant a family takes."""

from pathlib import Path

import pytest

from r3gan.tables.registry import find_table
from tests.helpers import evaluation_of, study_of, write_files, write_run

B = {"base": (8.0, 8.0), "gamma3": (2.0, 18.0), "lr2": (1.0, None)}  # of two rows; None: diverged
ROWS = ("D-resnet", "D-noskip")


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        (B, "gamma3** (mean log 1.792; base 2.079; lr2: a run diverged)."),
        (B | {"lr2": (1.0, 50.0)}, "gamma3** (mean log 1.792; base 2.079)."),
        (B | {"base": (None, 1.0)}, "gamma3** (mean log 1.792; base Fail; base, lr2: a run diverged)."),
        (B | {"lr2": (1.0,)}, None),  # not all of it has been run
        (dict.fromkeys(B, (None, None)), None),
    ],
)
def test_a_family_takes_what_is_best_over_its_rows_and_nothing_that_diverged(
    tmp_path: Path, values: dict[str, tuple[float | None, ...]], remark: str | None
) -> None:
    runs = {
        f"stackedmnist5k-16/{row}.{variant}/seed100": value
        for variant, found in values.items()
        for row, value in zip(ROWS, found, strict=False)
    }
    for run, value in runs.items():
        metrics = {name: value for name in ("digit-frechet", "modes", "kl") if value is not None}
        record = evaluation_of(f"search/{run}", metrics, outcome="Fail" if value is None else "trained")
        write_run(tmp_path, record)
    study = study_of("search", *runs, metrics=("digit-frechet", "modes", "kl"))
    remarks = write_files(find_table("recipes"), "recipes", tmp_path, [study]).remarks
    assert list(remarks) == ([f"D-resnet, D-noskip: **{remark}"] if remark else [])
