"""Imported by the processes that decode, in the test of one that crashes; so it imports little."""

import os
import signal
from collections.abc import Iterator, Sequence

from r3gan.data.readers.folder import Folder
from r3gan.data.readers.walk import Read


class Deadly(Folder):
    """A folder whose third picture ends the process that decodes it."""

    def pictures(self, keys: Sequence[str]) -> Iterator[tuple[int, Read]]:
        for i, read in super().pictures(keys):
            if keys[i] == "2.png":
                os.kill(os.getpid(), signal.SIGSEGV)
            yield i, read
