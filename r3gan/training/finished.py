"""What lies in a run's folder before it is trained: nothing is done twice, nothing finished is replaced unasked."""

from pathlib import Path

from r3gan.errors import UserError
from r3gan.files import sha256
from r3gan.records.run_folder import is_finished
from r3gan.records.schema import Identity, Training
from r3gan.records.store import read_training
from r3gan.training.run import Run


def nothing_left(
    run: Run, out: Path, identity: Identity, snapshot_kimg: float | None, keep_best: str | None
) -> Training | None:
    """The record of the finished run in `out` where nothing is left to train; None where there is none, or it goes on.

    UserError where it is another run, was trained for longer, or cannot go on.
    """
    if not is_finished(out):
        return None
    ways = "--overwrite replaces it, --out DIR writes elsewhere"
    record = read_training(out, ways)
    done, wanted = record.recipe.total_kimg, run.recipe.total_kimg
    if record.outcome == "imported":
        file = record.released.file if record.released else "a snapshot"
        raise UserError(f"{out} was imported from {file}; {ways}")
    if differing := differences(record.identity, identity):
        raise UserError(f"{out} is a finished run of another {' and '.join(differing)}; {ways}")
    if wanted < done:
        raise UserError(f"--total-kimg {wanted:g}: {out} has been trained to {done:g} kimg; {ways}")
    if wanted > done and record.outcome == "Fail":
        raise UserError(f"{out}: training has failed ({record.failure}) and cannot go on to {wanted:g} kimg; {ways}")
    measured = record.best.metric if record.best else None
    if wanted == done and (snapshot_kimg, keep_best) not in ((None, None), (record.snapshot_kimg, measured)):
        raise UserError(f"{out} is finished, and was trained with other --snapshot-kimg or --keep-best; {ways}")
    # Weights that are damaged are written again from the last checkpoint.
    weights = out / "generator.safetensors"
    undamaged = weights.exists() and sha256(weights) == record.generator_sha256
    return record if wanted == done and undamaged else None


def differences(old: Identity | None, new: Identity) -> list[str]:
    """What is not the same, in words; a record without an identity was written by an earlier version."""
    if old is None:
        return ["code"]
    parts = (("recipe", "recipe"), ("data set", "data"), ("code", "code"), ("--init-from", "start"))
    return [word for word, name in parts if getattr(old, name) != getattr(new, name)]
