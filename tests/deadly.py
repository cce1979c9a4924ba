"""Imported by the processes that decode, in the test of one that crashes; so it imports little."""

import os
import signal
from collections.abc import Generator

from r3gan.data.readers.containers import Folder, Read


class Deadly(Folder):
    """A folder whose third picture ends the process that decodes it."""

    def pictures(self, first: int, step: int) -> Generator[tuple[int, str, Read]]:
        for row, name, read in super().pictures(first, step):
            if row == 2:
                os.kill(os.getpid(), signal.SIGSEGV)
            yield row, name, read
