"""At least 500 damaged files through every reader; `make fuzz` tries them for ten minutes and counts."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import KINDS, attempt

TRIES = 40  # of each of 13 kinds


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_read_as_it_was_or_refused_in_one_line(name: str) -> None:
    @settings(max_examples=TRIES, deadline=None)
    @given(chance=st.randoms(use_true_random=False))
    def damaged(chance: random.Random) -> None:
        with tempfile.TemporaryDirectory() as folder:
            attempt(KINDS[name], chance, Path(folder))

    damaged()


def test_there_are_five_hundred_tries() -> None:
    assert TRIES * len(KINDS) >= 500
