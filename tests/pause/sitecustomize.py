"""On PYTHONPATH, makes a process wait as it writes the file R3GAN_PAUSE_AT, so that no test comes too late for it.

It waits with the file's temporary name where R3GAN_PAUSE is `before`, under the final name where it is `after`, until
it is killed or asked to stop. A file that lies there already is written without waiting: a run that goes on is not
stopped twice.
"""

import os
import signal
import time
from pathlib import Path

replace = Path.replace


def wait() -> None:
    requests = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)  # StopRequests, in training
    deadline = time.monotonic() + 1200  # nobody waits for it any longer
    while not getattr(requests, "stop", False) and time.monotonic() < deadline:
        time.sleep(0.005)


def replace_and_wait(self: Path, target: Path) -> Path:
    stops_here = Path(target).name == os.environ["R3GAN_PAUSE_AT"] and not Path(target).exists()
    if stops_here and os.environ["R3GAN_PAUSE"] == "before":
        wait()
    replaced = replace(self, target)
    if stops_here and os.environ["R3GAN_PAUSE"] == "after":
        wait()
    return replaced


if "R3GAN_PAUSE_AT" in os.environ:
    Path.replace = replace_and_wait
