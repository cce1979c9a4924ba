"""Requests to stop: a run finishes its step, saves, and exits with a code on which a scheduler can requeue it."""

import os
import select
import signal
import socket
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Self

PATIENCE_S = 3.0
GRACE_S = 25.0  # schedulers and launchers kill a process 30 s after they have asked it to end
REQUEUE = 75  # EX_TEMPFAIL of sysexits.h: run it again


class Stopped(Exception):
    """The run was asked to stop and has saved a checkpoint."""


class StopRequests:
    """Records SIGTERM and SIGINT instead of ending the process; a second one after PATIENCE_S seconds acts as usual.

    Launchers pass on what the terminal has already sent, so an immediate repetition is the same request. Python calls a
    handler only once the main thread has come back from torch, so a thread hears the requests too: it ends the process
    where a second one has no effect, or where the step does not end within GRACE_S, or within twice the last one's
    time. `follow_parent`: the end of the process that started this one is a request too.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, follow_parent: bool = False) -> None:
        self.stop = self.heeded = False
        self.parent = os.getppid() if follow_parent else None
        self.step_ended_at, self.step_s = time.monotonic(), 0.0

    def __enter__(self) -> Self:
        self.before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        self.heard, self.told = socket.socketpair()
        self.told.setblocking(False)
        self.wakeup_before = signal.set_wakeup_fd(self.told.fileno(), warn_on_full_buffer=False)
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        return self

    def step_ended(self) -> None:
        now = time.monotonic()
        self.step_ended_at, self.step_s = now, now - self.step_ended_at

    def heed(self) -> None:
        """The request is being followed: from now on only a second one ends the process early."""
        self.heeded = True

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.stop:
            self.stop, self.since = True, time.monotonic()
        elif time.monotonic() - self.since > PATIENCE_S:
            self.heed()
            signal.signal(number, self.before[signal.Signals(number)])
            signal.raise_signal(number)

    def _watch(self) -> None:
        """Runs in a thread of its own until the requests are no longer recorded."""
        asked_at, again = None, False
        while True:
            ready, _, _ = select.select([self.heard], [], [], 0.5)
            numbers = self.heard.recv(64) if ready else None
            if numbers == b"":
                return
            now = time.monotonic()
            if self.parent is not None and os.getppid() != self.parent:
                self.parent = None
                os.kill(os.getpid(), signal.SIGTERM)
            elif asked_at is None:
                asked_at = now if numbers and set(numbers) & set(self.SIGNALS) else None
            elif self.heeded:
                continue
            elif again:
                end("a second request to stop has come")
            elif numbers and now - asked_at > PATIENCE_S:
                again = True  # the main thread has half a second to act on it
            elif now - max(asked_at, self.step_ended_at) > max(GRACE_S, 2 * self.step_s):
                end("the step does not end")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self.wakeup_before)
        self.told.close()
        self.watcher.join()
        self.heard.close()
        for number, handler in self.before.items():
            signal.signal(number, handler)


def end(reason: str) -> None:
    """End this process although its main thread is busy; what it has saved before stays."""
    print(
        f"r3gan train: {reason}; the same command continues from the newest checkpoint (exit code {REQUEUE})",
        file=sys.stderr,
        flush=True,
    )
    os._exit(REQUEUE)
