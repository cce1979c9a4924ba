"""Every block of docs/tutorial.md, in order and in one folder; only the training is shorter."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from r3gan.cli import main
from tests.conftest import REPOSITORY

TUTORIAL = (REPOSITORY / "docs/tutorial.md").read_text()
SHORTER = {
    "--total-kimg 8\n": "--total-kimg 0.064\n",
    "--samples 300": "--samples 24",
    "--seeds 1,4,9,16": "--seeds 1,4",
}


def test_every_block_of_the_tutorial_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = TUTORIAL
    for long, short in SHORTER.items():
        assert long in text
        text = text.replace(long, short)
    (tmp_path / "pipelines").symlink_to(REPOSITORY / "pipelines")  # the tutorial's reader is in a checkout
    names: dict[str, object] = {}
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S):
        if language == "python":
            exec(compile(block, "tutorial.md", "exec"), names)
            continue
        for line in block.strip().splitlines():
            program, *arguments = shlex.split(line)
            assert program == "r3gan"
            assert main(arguments) == 0, line
    said = capsys.readouterr().out
    assert "goes on at 0.016 of 0.064 kimg" in said or "continues at 0.016 of 0.064 kimg" in said
    assert "gamma = 1 -> 0.1" in said
    assert "shapes, own scale" in said
    images = names["images"]
    assert tuple(images.shape) == (16, 3, 32, 32)  # type: ignore[attr-defined]
    before, after = (np.asarray(Image.open(name)).astype(int) for name in ("before.png", "after.png"))
    assert before.shape == after.shape and np.abs(before - after).mean() > 1
    assert {"README.md", "generator.safetensors"} <= {path.name for path in Path("shapes-model").iterdir()}


def test_the_tutorials_sheets_are_those_of_32_seeds() -> None:
    for name in re.findall(r"\]\((tutorial/\w+\.png)\)", TUTORIAL):
        with Image.open(REPOSITORY / "docs" / name) as sheet:
            assert sheet.size == (16 * 33, 2 * 33)
