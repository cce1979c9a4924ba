"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

PLAIN_INTERVAL_S = 15.0


class Progress:
    """Counts units of work on standard error, with rate and time left, if `shown`; use as a context manager."""

    def __init__(self, label: str, total: int, unit: str, shown: bool = True) -> None:
        self.shown = shown
        self.label, self.total, self.unit, self.done, self.note = (label, total, unit, 0, "")
        self.started = self.printed = time.monotonic()
        self.bar = tqdm(total=total, desc=label, unit=unit, unit_scale=True) if shown and sys.stderr.isatty() else None

    def advance(self, amount: int, note: str | None = None) -> None:
        """Count `amount` units more; `note` stands behind the bar from now on."""
        self.done += amount
        self.note = self.note if note is None else note
        if self.bar is not None:
            self.bar.set_postfix_str(self.note, refresh=False)
            self.bar.update(amount)
        elif self.shown and time.monotonic() - self.printed >= PLAIN_INTERVAL_S:
            self._print_line()

    def _print_line(self) -> None:
        self.printed = time.monotonic()
        elapsed = self.printed - self.started
        meter = tqdm.format_meter(
            self.done,
            self.total,
            elapsed,
            prefix=self.label,
            unit=self.unit,
            unit_scale=True,
            ncols=0,
            postfix=self.note,
        )
        print(meter, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.shown:
            self._print_line()
