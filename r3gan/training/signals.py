"""Requests to stop: a run finishes its step, saves, and exits with a code on which a scheduler can requeue it."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self

PATIENCE_S = 3.0
REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: run it again


class Stopped(Exception):
    """The run was asked to stop and has saved a checkpoint."""


class StopRequests:
    """Records SIGTERM and SIGINT instead of ending the process; a second one after PATIENCE_S seconds acts as usual.

    Launchers pass on what the terminal has already sent, so an immediate repetition is the same request.
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
