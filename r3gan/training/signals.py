"""Requests to end: a run finishes its step, saves, and leaves with a code that a scheduler can requeue on."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self

PATIENCE_S = 3.0
REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: try again, nothing is wrong


class Stopped(Exception):
    """The run was asked to end and has saved; the same command goes on."""


class StopRequests:
    """Notes SIGTERM and SIGINT instead of dying of them; one that comes a while later acts as usual.

    Launchers pass on what the terminal has already sent, so a repetition at once is the same request.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.stop = False

    def __enter__(self) -> Self:
        self.before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.stop:
            self.stop, self.since = True, time.monotonic()
        elif time.monotonic() - self.since > PATIENCE_S:
            signal.signal(number, self.before[signal.Signals(number)])
            signal.raise_signal(number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
