"""A run's folder: finished once its record lies there, since that is written last and removed first."""

from pathlib import Path

WRITTEN = ("generator.safetensors", "generator-raw.safetensors", "discriminator.safetensors", "loss.csv")


def is_finished(folder: Path) -> bool:
    return (folder / "train.json").exists()


def remove_run(folder: Path) -> None:
    """Remove what a finished run left in its folder, and nothing else; an unfinished one is left alone."""
    if not is_finished(folder):
        return
    for path in (folder / "train.json", *(folder / name for name in WRITTEN), *folder.glob("snapshots/*.safetensors")):
        path.unlink(missing_ok=True)
