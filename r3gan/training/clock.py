"""How long a run has been trained."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from r3gan.training.state import State


class Clock:
    """Counts seconds of training into a run's state, up to the end of its block, however that is left."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __enter__(self) -> Self:
        self.since = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        self.count()

    def count(self) -> None:
        """Bring the state's seconds up to now."""
        now = time.monotonic()
        self.state.seconds, self.since = self.state.seconds + now - self.since, now

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out a block that is no training; the state's seconds are those before it."""
        self.count()
        yield
        self.since = time.monotonic()
